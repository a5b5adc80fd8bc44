"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Registers the kinds of event that identity records."""

    name = "identity"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make identity's kinds recordable."""
        from audit.kinds import register_kinds
        from identity.events import IdentityEvent
        from identity.limits.events import LimitEvent

        register_kinds(IdentityEvent)
        register_kinds(LimitEvent)
