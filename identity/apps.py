"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Registers the app."""

    name = "identity"
    default_auto_field = "django.db.models.BigAutoField"
