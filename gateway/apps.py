"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Registers the app."""

    name = "gateway"
    default_auto_field = "django.db.models.BigAutoField"
