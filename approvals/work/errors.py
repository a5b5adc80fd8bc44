"""Refusals about claims."""

from __future__ import annotations

from kernel.errors import StateConflict


class AlreadyClaimed(StateConflict):
    """As many people as the step needs take care of it already, or this person does."""

    code = "already_claimed"
    title = "Somebody takes care of this already"


class NotClaimed(StateConflict):
    """Nothing of this step is in this person's hands, so there is nothing to give back."""

    code = "not_claimed"
    title = "You have not claimed this"
