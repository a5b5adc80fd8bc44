"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Registers the kinds of event that the log records about itself."""

    name = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the log's own kinds recordable."""
        from audit.events import EvidenceEvent, LogEvent
        from audit.kinds import register_kinds

        register_kinds(LogEvent)
        register_kinds(EvidenceEvent)
