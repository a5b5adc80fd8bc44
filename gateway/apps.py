"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Registers the app and its kinds of event."""

    name = "gateway"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make kinds recordable."""
        from audit.kinds import register_kinds
        from gateway.events import ConnectorEvent

        register_kinds(ConnectorEvent)
