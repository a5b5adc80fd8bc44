"""The guards' migration can be taken back and applied again."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'identity\\_%' AND NOT tgisinternal"


def test_the_guards_go_and_come_back() -> None:
    guards = import_module("identity.migrations.0002_guards")
    counts = []
    with connection.cursor() as cursor:
        for statements in ("SELECT 1", guards.REVERSE, guards.FORWARD):
            cursor.execute(statements)
            cursor.execute(TRIGGERS)
            counts.append(cursor.fetchone()[0])
    assert counts == [6, 0, 6]
