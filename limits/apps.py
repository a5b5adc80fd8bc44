"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class LimitsConfig(AppConfig):
    """Registers the kind of event that limits record."""

    name = "limits"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the summary of counted refusals recordable."""
        from audit.kinds import register_kinds
        from limits.events import LimitEvent

        register_kinds(LimitEvent)
