"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Registers the kinds of event that the log records about itself."""

    name = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the log's own kinds recordable, and checkpoints go to directories and mailboxes."""
        from audit.events import EvidenceEvent, HoldEvent, LogEvent, RetentionEvent
        from audit.exporting import local_exporters, register_exporters
        from audit.finality import check_finality
        from audit.kinds import register_kinds
        from audit.ties import register_tie
        from kernel.queue import Cluster, on_wake

        register_kinds(LogEvent)
        register_kinds(EvidenceEvent)
        register_kinds(RetentionEvent)
        register_kinds(HoldEvent)
        on_wake("disposal_approved", "audit.retention.tasks.carry_out", cluster=Cluster.BULK)
        register_exporters("local", local_exporters)
        register_tie("What had to be final was sealed before anything was sent", check_finality)
