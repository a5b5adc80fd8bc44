"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class CommitsConfig(AppConfig):
    """Registers the app's kinds of event, its part of the evidence bundle, and the task that an approval wakes."""

    name = "commits"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make kinds recordable, the bundle complete and approvals heard."""
        from audit.bundle_parts import register_section
        from audit.kinds import register_kinds
        from audit.ties import register_tie
        from commits.events import BreakerEvent, CommitEvent, ErpEvent
        from commits.evidence import erp_section
        from commits.queries import has_due_work
        from commits.ties import check_landings
        from kernel.queue import on_pulse, on_wake

        register_kinds(CommitEvent)
        register_kinds(ErpEvent)
        register_kinds(BreakerEvent)
        register_section("erp", erp_section)
        register_tie("What landed is what the log says, and still stands in the ERP", check_landings)
        on_wake("approved", "commits.tasks.run_commits")
        on_pulse(has_due_work, "commits.tasks.recover")
        on_wake("agent_suspended", "commits.tasks.freeze_of_agent")
        on_wake("agent_resumed", "commits.tasks.release_of_agent")
