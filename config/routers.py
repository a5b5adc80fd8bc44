"""The ledger is a system of record of its own: its models live in its own database, nothing else does."""

from __future__ import annotations

from typing import Any

from django.db import models

LEDGER = "ledger"
DEFAULT = "default"


class LedgerRouter:
    """Keep `ledger` models on the alias `ledger` and every other model off it; no relation crosses."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        """Return the alias that holds the model."""
        return LEDGER if model._meta.app_label == LEDGER else DEFAULT

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        """Return the alias that holds the model."""
        return self.db_for_read(model)

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool:
        """Allow relations within one database only."""
        return (one._meta.app_label == LEDGER) == (other._meta.app_label == LEDGER)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Migrate the ledger into its database and everything else into the other."""
        return (app_label == LEDGER) == (db == LEDGER)
