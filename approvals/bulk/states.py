"""The states of a bulk approval and of each of its proposals."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class BulkState(TextChoices):
    """What was picked is fixed, then confirmed by one decision, and each proposal has its result."""

    PREPARED = "prepared", "Prepared"
    CONFIRMED = "confirmed", "Confirmed"


class ItemState(TextChoices):
    """A proposal of the set waits for its turn, was approved, or was not."""

    PENDING = "pending", "Waiting"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Not approved"


BULK_TRANSITIONS: Transitions = {BulkState.PREPARED: frozenset({BulkState.CONFIRMED}), BulkState.CONFIRMED: frozenset()}
ITEM_TRANSITIONS: Transitions = {
    ItemState.PENDING: frozenset({ItemState.APPROVED, ItemState.REFUSED}),
    ItemState.APPROVED: frozenset(),
    ItemState.REFUSED: frozenset(),
}
