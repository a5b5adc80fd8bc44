"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Registers the gate, its kinds of event and its part of evidence bundles."""

    name = "approvals"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make proposals routable and the gate's events recordable."""
        from approvals.bulk.events import BulkEvent
        from approvals.calendars.events import CalendarEvent, EscalationEvent
        from approvals.delegation.events import DelegationEvent
        from approvals.events import ApprovalEvent, DiscussionEvent, GateEvent, PageEvent, PolicyEvent, StepUpEvent, ThresholdEvent
        from approvals.evidence import gate_section
        from approvals.gate import ApprovalGate
        from approvals.matrix.vendor_classes import observe
        from approvals.oversight.events import EvidenceOpened, OversightEvent, ReviewEvent
        from approvals.work.events import WorkEvent
        from audit.bundle_parts import register_section
        from audit.kinds import register_kinds
        from kernel.queue import Cluster, on_wake
        from proposals.gate import register_gate, register_observer

        for kinds in (GateEvent, ApprovalEvent, PageEvent, DiscussionEvent, StepUpEvent, PolicyEvent, ThresholdEvent):
            register_kinds(kinds)
        for more in (BulkEvent, CalendarEvent, DelegationEvent, EscalationEvent, EvidenceOpened, OversightEvent, ReviewEvent, WorkEvent):
            register_kinds(more)
        # Mail waits for strangers, so it is sent where no commit waits.
        on_wake("turn", "approvals.tasks.mail", cluster=Cluster.BULK)
        register_section("gate", gate_section)
        register_gate(ApprovalGate())
        register_observer(observe)
