"""The guards' migration can be taken back and applied again."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'identity\\_%' AND NOT tgisinternal"


def test_the_guards_go_and_come_back() -> None:
    guards, keys = (import_module(f"identity.migrations.{name}") for name in ("0002_guards", "0004_two_live_keys"))
    counts = []
    with connection.cursor() as cursor:
        for statements in ("SELECT 1", keys.REVERSE, guards.REVERSE, guards.FORWARD, keys.FORWARD):
            cursor.execute(statements)
            cursor.execute(TRIGGERS)
            counts.append(cursor.fetchone()[0])
    all_of_them = counts[0]
    assert [all_of_them - count for count in counts] == [0, 1, 7, 1, 0]
