"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Registers the app."""

    name = "approvals"
    default_auto_field = "django.db.models.BigAutoField"
