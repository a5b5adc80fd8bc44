"""Django's entry for the app."""

from __future__ import annotations

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Registers the gate, its kinds of event and its part of evidence bundles."""

    name = "approvals"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make proposals routable and the gate's events recordable."""
        from approvals.events import ApprovalEvent, DiscussionEvent, GateEvent, PageEvent, PolicyEvent, StepUpEvent
        from approvals.evidence import members
        from approvals.gate import ApprovalGate
        from audit.bundle_parts import register_section
        from audit.kinds import register_kinds
        from proposals.gate import register_gate

        for kinds in (GateEvent, ApprovalEvent, PageEvent, DiscussionEvent, StepUpEvent, PolicyEvent):
            register_kinds(kinds)
        register_section("gate", members)
        register_gate(ApprovalGate())
