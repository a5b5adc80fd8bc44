"""The kinds of event about delegations."""

from __future__ import annotations

from enum import StrEnum


class DelegationEvent(StrEnum):
    """Somebody delegated, a delegation ended early, an attempt was refused. That one ends by its date leaves no event."""

    MADE = "delegation:made"
    ENDED = "delegation:ended"
    REFUSED = "delegation:refused"
