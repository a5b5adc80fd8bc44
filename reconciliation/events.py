"""The kinds of event that reconciliation records."""

from __future__ import annotations

from enum import StrEnum


class ReconciliationEvent(StrEnum):
    """What happens to runs and breaks."""

    STARTED = "reconciliation:started"
    COMPLETED = "reconciliation:completed"
    ABORTED = "reconciliation:aborted"
    BREAK_OPENED = "reconciliation:break_opened"
    BREAK_REOPENED = "reconciliation:break_reopened"
    BREAK_RESOLVED = "reconciliation:break_resolved"
    BREAK_ASSIGNED = "reconciliation:break_assigned"
    BREAK_CLOSING = "reconciliation:break_closing"
    BREAK_DECLINED = "reconciliation:break_declined"
    BREAK_EXPLAINED = "reconciliation:break_explained"
    BREAK_WRITTEN_OFF = "reconciliation:break_written_off"
    BREAK_RECOMMITTED = "reconciliation:break_recommitted"
    EXPORTED = "reconciliation:exported"


class AssuranceEvent(StrEnum):
    """What auditors do: they look, run the rules over a period, draw samples, take rows away."""

    LOOKED = "evidence:looked"
    EXPORTED = "evidence:rows_exported"
    RULES_REQUESTED = "evidence:rules_requested"
    RULES_RUN = "evidence:rules_run"
    SAMPLE_DRAWN = "evidence:sample_drawn"


class CompensationEvent(StrEnum):
    """What happens to corrections."""

    PROPOSED = "compensation:proposed"
