"""The kinds of event about who takes care of a proposal."""

from __future__ import annotations

from enum import StrEnum


class WorkEvent(StrEnum):
    """Somebody took care of a proposal, gave it to another person or back to the group, wanted it later; an attempt was refused."""

    CLAIMED = "work:claimed"
    FORWARDED = "work:forwarded"
    RETURNED = "work:returned"
    SNOOZED = "work:snoozed"
    WOKEN = "work:woken"
    REFUSED = "work:refused"
