"""Both databases migrated, each with what belongs in it."""

from __future__ import annotations

from django.core.management import CommandError, call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from config.routers import DEFAULT, LEDGER

# Django would replay every app's migrations on the ledger too, only to create nothing there: half of a first start.
APPS: dict[str, tuple[str, ...]] = {DEFAULT: (), LEDGER: (LEDGER,)}


def migrate(alias: str) -> None:
    """Apply what is missing in one database.

    Raises CommandError, and changes nothing, when it is too old: migrations were folded before 0.1.0, and only a database that had all of
    them goes on.
    """
    _refuse_too_old(alias)
    call_command("migrate", *APPS[alias], database=alias, verbosity=0)


def migrate_everything() -> None:
    """Apply what is missing in both databases."""
    for alias in APPS:
        migrate(alias)


def has_pending() -> bool:
    """Return whether a migration is missing in one of the databases; raises CommandError as `migrate` does."""
    for alias, apps in APPS.items():
        _refuse_too_old(alias)
        executor = MigrationExecutor(connections[alias])
        leaves = executor.loader.graph.leaf_nodes(*apps)
        if executor.migration_plan(leaves):
            return True
    return False


def _refuse_too_old(alias: str) -> None:
    loader = MigrationLoader(connections[alias])
    applied = set(loader.applied_migrations)
    folded = (set(migration.replaces) for migration in loader.disk_migrations.values())
    if lacking := sorted({name for names in folded if names & applied for name in names - applied}):
        raise CommandError(
            f"The database {alias!r} was made by a version before 0.1.0 and lacks {', '.join(map('.'.join, lacking))}: start the last "
            "version that has these once (the one before their removal in the history), then this one."
        )
