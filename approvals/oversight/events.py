"""The kinds of event about the blind second review and about data that approvers opened."""

from __future__ import annotations

from enum import StrEnum


class ReviewEvent(StrEnum):
    """A day's sample was drawn; a second person said what they would have decided; an attempt was refused."""

    DRAWN = "review:drawn"
    GIVEN = "review:given"
    REFUSED = "review:refused"


class OversightEvent(StrEnum):
    """Somebody looked at how people decide."""

    VIEWED = "evidence:oversight_viewed"


class EvidenceOpened(StrEnum):
    """Somebody opened what a read that a proposal cites had answered."""

    OPENED = "read:opened"
