"""The kinds of event that the gate records."""

from __future__ import annotations

from enum import StrEnum


class GateEvent(StrEnum):
    """What the gate made of a proposal at submission."""

    ROUTED = "gate:routed"


class ApprovalEvent(StrEnum):
    """One person decided; the route was satisfied, by people or by an automatic row; a decision was refused."""

    DECIDED = "approval:decided"
    GRANTED = "approval:granted"
    REFUSED = "approval:refused"


class PageEvent(StrEnum):
    """What people were shown."""

    OPENED = "proposal:opened"


class DiscussionEvent(StrEnum):
    """What people said about a proposal without deciding, and what they put beside it."""

    COMMENTED = "proposal:commented"
    ATTACHED = "proposal:attached"
    REFUSED = "proposal:discussion_refused"
    FETCHED = "proposal:attachment_fetched"


class StepUpEvent(StrEnum):
    """A strong second factor, newer than what was shown, was asked for before something could be done."""

    ASKED = "step_up:asked"


class ThresholdEvent(StrEnum):
    """What happened to the thresholds of the rules J1-J17."""

    PROPOSED = "policy:thresholds_proposed"
    ACTIVATED = "policy:thresholds_activated"


class PolicyEvent(StrEnum):
    """What happened to a version of the authority matrix."""

    CREATED = "policy:created"
    EDITED = "policy:edited"
    CURRENCY_RECORDED = "policy:currency_recorded"
    RATE_RECORDED = "policy:rate_recorded"
    RATES_IMPORTED = "policy:rates_imported"
    EXPORTED = "policy:exported"
    SUBMITTED = "policy:submitted"
    ACTIVATED = "policy:activated"
    RETIRED = "policy:retired"
    RETURNED = "policy:returned"
    REFUSED = "policy:refused"
