"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class CommitsConfig(AppConfig):
    """Registers the app."""

    name = "commits"
    default_auto_field = "django.db.models.BigAutoField"
