"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    """Registers the tables and the report of bundles, and the task that a requested bundle wakes."""

    name = "reconciliation.evidence"
    label = "evidence"
    verbose_name = "Evidence"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make bundles whole and requests heard."""
        from audit.bundle_parts import register_reporter, register_section, register_table
        from kernel.queue import Cluster, on_wake
        from reconciliation.evidence.report import compose
        from reconciliation.evidence.services import WAKE
        from reconciliation.evidence.tables import TABLES, sod_section

        for table in TABLES:
            register_table(table)
        register_section("sod", sod_section)
        register_reporter(compose)
        on_wake(WAKE, "reconciliation.evidence.tasks.make_requested", cluster=Cluster.BULK)
