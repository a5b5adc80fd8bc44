"""The kinds of event about bulk approvals; what came of each proposal is told by its own approval:decided."""

from __future__ import annotations

from enum import StrEnum


class BulkEvent(StrEnum):
    """A set was fixed and shown, confirmed by one decision; an attempt was refused."""

    PREPARED = "bulk:prepared"
    CONFIRMED = "bulk:confirmed"
    REFUSED = "bulk:refused"
