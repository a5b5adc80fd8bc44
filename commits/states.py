"""The states of a commit and the transitions between them."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class CommitState(TextChoices):
    """Where the single execution of an approved proposal stands."""

    QUEUED = "queued", "Queued"
    IN_FLIGHT = "in_flight", "In flight"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"


class AttemptOutcome(TextChoices):
    """How one try ended; `running` until it did."""

    RUNNING = "running", "Running"
    POSTED = "posted", "Posted"
    REPLAYED = "replayed", "Replayed"
    REFUSED = "refused", "Refused"
    NOT_SENT = "not_sent", "Not sent"
    LOST = "lost", "Answer lost"


# in_flight → queued only when the call provably never left; unknown is left only by reading back or by a person; succeeded → queued only
# when the ERP provably lost what had landed.
TRANSITIONS: Transitions = {
    CommitState.QUEUED: frozenset({CommitState.IN_FLIGHT, CommitState.FAILED}),
    CommitState.IN_FLIGHT: frozenset({CommitState.SUCCEEDED, CommitState.FAILED, CommitState.UNKNOWN, CommitState.QUEUED}),
    CommitState.UNKNOWN: frozenset({CommitState.SUCCEEDED, CommitState.FAILED, CommitState.QUEUED}),
    CommitState.SUCCEEDED: frozenset({CommitState.QUEUED}),
    CommitState.FAILED: frozenset({CommitState.QUEUED}),
}


class BreakerState(TextChoices):
    """Whether a connection is written to: `open` leaves it alone, `half_open` lets one write probe it."""

    CLOSED = "closed", "Closed"
    OPEN = "open", "Open"
    HALF_OPEN = "half_open", "Half open"


# A write that was under way when the breaker opened may still be answered: then the connection is well.
BREAKER_TRANSITIONS: Transitions = {
    BreakerState.CLOSED: frozenset({BreakerState.OPEN}),
    BreakerState.OPEN: frozenset({BreakerState.HALF_OPEN, BreakerState.CLOSED, BreakerState.OPEN}),
    BreakerState.HALF_OPEN: frozenset({BreakerState.OPEN, BreakerState.CLOSED, BreakerState.HALF_OPEN}),
}
