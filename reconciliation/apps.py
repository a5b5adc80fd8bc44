"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    """Registers the app."""

    name = "reconciliation"
    default_auto_field = "django.db.models.BigAutoField"
