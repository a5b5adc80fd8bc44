"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Registers the app, its kinds of event and its places for checkpoints."""

    name = "gateway"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make kinds recordable, and checkpoints go to the places that are reached over HTTP."""
        from audit.exporting import register_exporters
        from audit.kinds import register_kinds
        from gateway.checkpoints.places import remote_exporters
        from gateway.events import ConnectorEvent

        register_kinds(ConnectorEvent)
        register_exporters("remote", remote_exporters)
