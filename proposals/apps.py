"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class ProposalsConfig(AppConfig):
    """Registers the app."""

    name = "proposals"
    default_auto_field = "django.db.models.BigAutoField"
