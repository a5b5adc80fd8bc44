"""Both databases migrated, each with what belongs in it."""

from __future__ import annotations

from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from config.routers import DEFAULT, LEDGER

# Django would replay every app's migrations on the ledger too, only to create nothing there: half of a first start.
APPS: dict[str, tuple[str, ...]] = {DEFAULT: (), LEDGER: (LEDGER,)}


def migrate(alias: str) -> None:
    """Apply what is missing in one database."""
    call_command("migrate", *APPS[alias], database=alias, verbosity=0)


def migrate_everything() -> None:
    """Apply what is missing in both databases."""
    for alias in APPS:
        migrate(alias)


def has_pending() -> bool:
    """Return whether a migration is missing in one of the databases."""
    for alias, apps in APPS.items():
        executor = MigrationExecutor(connections[alias])
        leaves = executor.loader.graph.leaf_nodes(*apps)
        if executor.migration_plan(leaves):
            return True
    return False
