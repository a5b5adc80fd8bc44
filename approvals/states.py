"""The states of policies, route steps and decisions."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class PolicyState(TextChoices):
    """A policy is written, reviewed by a second person, active until the next one, then retired."""

    DRAFT = "draft", "Draft"
    REVIEW = "review", "In review"
    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"


class DecisionKind(TextChoices):
    """What one person says about one digest."""

    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"
    REQUEST_CHANGES = "request_changes", "Request changes"


class StepState(TextChoices):
    """Where one step of a route stands."""

    WAITING = "waiting", "Waiting"
    OPEN = "open", "Open"
    SATISFIED = "satisfied", "Satisfied"
    ENDED = "ended", "Ended"


class StepRuleKind(TextChoices):
    """Whose approvals satisfy a step."""

    ANY = "any", "Any one of them"
    ALL = "all", "All of them"
    QUORUM = "quorum", "So many of them"
    PER_GROUP = "per_group", "So many of each group"


class RollingKey(TextChoices):
    """What a rolling sum of one agent is kept by."""

    COUNTERPARTY = "counterparty", "Vendor, customer or item"
    ACCOUNT = "account", "Account"
    COST_CENTRE = "cost_centre", "Cost centre"


POLICY_TRANSITIONS: Transitions = {
    PolicyState.DRAFT: frozenset({PolicyState.REVIEW}),
    PolicyState.REVIEW: frozenset({PolicyState.ACTIVE, PolicyState.DRAFT}),
    PolicyState.ACTIVE: frozenset({PolicyState.RETIRED}),
    PolicyState.RETIRED: frozenset(),
}
STEP_TRANSITIONS: Transitions = {
    StepState.WAITING: frozenset({StepState.OPEN, StepState.ENDED}),
    StepState.OPEN: frozenset({StepState.SATISFIED, StepState.ENDED}),
    StepState.SATISFIED: frozenset(),
    StepState.ENDED: frozenset(),
}
