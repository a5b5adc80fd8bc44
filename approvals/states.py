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
