"""The kinds of event this app records."""

from __future__ import annotations

from enum import StrEnum


class ProposalEvent(StrEnum):
    """What happens to a proposal; that it was approved is the gate's event."""

    PROPOSED = "proposal:proposed"
    REFUSED = "proposal:refused"
    WITHDRAWN = "proposal:withdrawn"
    EXPIRED = "proposal:expired"
    VOIDED = "proposal:voided"
    REJECTED = "proposal:rejected"
    CHANGES_REQUESTED = "proposal:changes_requested"
    SUPERSEDED = "proposal:superseded"


class ReadEvent(StrEnum):
    """What happens at the reading half of the door."""

    TAKEN = "read:taken"
    REFUSED = "read:refused"
