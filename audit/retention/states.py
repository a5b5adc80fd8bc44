"""States of holds and of disposals."""

from __future__ import annotations

from django.db import models

from kernel.transitions import Transitions


class HoldState(models.TextChoices):
    """A hold is placed until somebody releases it."""

    PLACED = "placed", "In force"
    RELEASED = "released", "Released"


class DisposalState(models.TextChoices):
    """A list is listed, approved by two people or declined by one, and carried out."""

    LISTED = "listed", "Waits for approval"
    APPROVED = "approved", "Approved, being carried out"
    DECLINED = "declined", "Declined"
    COMPLETED = "completed", "Carried out"


HOLD_TRANSITIONS: Transitions = {HoldState.PLACED: frozenset({HoldState.RELEASED})}
DISPOSAL_TRANSITIONS: Transitions = {
    DisposalState.LISTED: frozenset({DisposalState.APPROVED, DisposalState.DECLINED}),
    DisposalState.APPROVED: frozenset({DisposalState.COMPLETED}),
}
