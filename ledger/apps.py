"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Registers the app."""

    name = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
