"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    """Registers the app's kinds of event and the task that a requested run wakes."""

    name = "reconciliation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make kinds recordable and requests heard."""
        from audit.kinds import register_kinds
        from kernel.queue import Cluster, on_wake
        from reconciliation.events import AssuranceEvent, CompensationEvent, ReconciliationEvent

        register_kinds(ReconciliationEvent)
        register_kinds(CompensationEvent)
        register_kinds(AssuranceEvent)
        on_wake("rules_requested", "reconciliation.assurance.tasks.run_requested", cluster=Cluster.BULK)
        on_wake("reconciliation_requested", "reconciliation.tasks.run_requested", cluster=Cluster.BULK)
