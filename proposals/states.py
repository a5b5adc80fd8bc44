"""The states of a proposal and the transitions between them."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class ProposalState(TextChoices):
    """Where a proposal stands at the gate; what became of its commit is the outcome's business."""

    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    EXPIRED = "expired", "Expired"
    WITHDRAWN = "withdrawn", "Withdrawn"
    VOIDED = "voided", "Voided"
    SUPERSEDED = "superseded", "Superseded"


S = ProposalState
TRANSITIONS: Transitions = {
    S.PENDING: frozenset({S.APPROVED, S.REJECTED, S.CHANGES_REQUESTED, S.EXPIRED, S.WITHDRAWN, S.VOIDED, S.SUPERSEDED}),
    S.APPROVED: frozenset({S.VOIDED}),
    S.CHANGES_REQUESTED: frozenset({S.SUPERSEDED, S.EXPIRED, S.WITHDRAWN}),
    S.REJECTED: frozenset({S.SUPERSEDED}),
    S.EXPIRED: frozenset({S.SUPERSEDED}),
    S.WITHDRAWN: frozenset(),
    S.VOIDED: frozenset({S.SUPERSEDED}),
    S.SUPERSEDED: frozenset(),
}
OPEN = frozenset({S.PENDING, S.CHANGES_REQUESTED})


class OutcomeStatus(TextChoices):
    """What became of an approved proposal in the ERP, as its commit reported."""

    QUEUED = "queued", "Queued"
    IN_FLIGHT = "in_flight", "In flight"
    COMMITTED = "committed", "Committed"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"
    LOGGED = "logged", "Logged only"
