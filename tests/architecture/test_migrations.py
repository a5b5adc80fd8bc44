"""Installations from before the migrations were folded go on as they are, if they had all of them."""

from __future__ import annotations

import pytest
from django.core.management import CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from config.migrating import has_pending

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


APPS = {"audit", "ledger", "gateway", "identity", "proposals", "approvals", "commits", "reconciliation", "evidence"}


def remember(names: set[tuple[str, str]]) -> None:
    """Let the gate's database say that just these of our migrations were applied."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = ANY(%s)", [[app for app, _ in names]])
        cursor.executemany("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", sorted(names))


@pytest.fixture
def folded() -> set[tuple[str, str]]:
    """Return what our migrations stand for now."""
    ours = (migration for migration in MigrationLoader(None).disk_migrations.values() if migration.app_label in APPS)
    return {name for migration in ours for name in migration.replaces or [(migration.app_label, migration.name)]}


def test_an_installation_that_had_all_has_nothing_to_do(folded: set[tuple[str, str]]) -> None:
    assert not has_pending()
    remember(folded)
    assert not has_pending()


def test_one_that_lacks_some_is_refused(folded: set[tuple[str, str]]) -> None:
    remember(folded - {("approvals", "0016_attachments_opened")})
    with pytest.raises(CommandError, match=r"lacks approvals\.0016_attachments_opened: start the last version"):
        has_pending()
