"""The states of runs and breaks, the kinds of break."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class RunState(TextChoices):
    """Where a run stands."""

    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    ABORTED = "aborted", "Aborted"


class RunScope(TextChoices):
    """How much a run compares."""

    FULL = "full", "Everything up to the cut-off"
    INCREMENTAL = "incremental", "What changed since the last completed run, and everything still open"


class BreakState(TextChoices):
    """Where the work on a break stands."""

    OPEN = "open", "Open"
    CLOSING = "closing", "Waiting for a second person"
    EXPLAINED = "explained", "Explained"
    COMPENSATING = "compensating", "Compensating"
    RESOLVED = "resolved", "Resolved"
    WRITTEN_OFF = "written_off", "Written off"


class BreakKind(TextChoices):
    """What kind of difference was found."""

    MISSING = "missing", "Approved and committed, but not in the ERP"
    DUPLICATE = "duplicate", "Landed more than once"
    AMOUNT_DIFFERS = "amount_differs", "Landed with another amount than approved"
    ACCOUNT_DIFFERS = "account_differs", "Landed on another account or cost centre than approved"
    COUNTERPARTY_DIFFERS = "counterparty_differs", "Landed with another counterparty than approved"
    DATE_DIFFERS = "date_differs", "Landed on another date than approved"
    DIFFERS = "differs", "Landed, but not as approved"
    ALTERED = "altered", "Altered in the ERP after it landed"
    REVERSED_OUTSIDE = "reversed_outside", "Reversed in the ERP without an approval"
    ORPHAN = "orphan", "In the ERP without an approval"
    LATE = "late", "Due by the cut-off, but landed after it or not yet"
    UNKNOWN_RESOLVED = "unknown_resolved", "Its outcome was unknown; it was found in the ERP"
    UNSETTLED = "unsettled", "Landed, although its commit failed"


# One document has one break about its content: what exactly differs may change from run to run, the break stays the same.
CONTENT_KINDS = frozenset(
    {
        BreakKind.AMOUNT_DIFFERS,
        BreakKind.ACCOUNT_DIFFERS,
        BreakKind.COUNTERPARTY_DIFFERS,
        BreakKind.DATE_DIFFERS,
        BreakKind.DIFFERS,
        BreakKind.ALTERED,
    }
)
# Writes in the ERP that no approval covers come first: they are what the gate exists to prevent.
KIND_ORDER = (
    BreakKind.ORPHAN,
    BreakKind.REVERSED_OUTSIDE,
    BreakKind.ALTERED,
    BreakKind.DUPLICATE,
    BreakKind.AMOUNT_DIFFERS,
    BreakKind.ACCOUNT_DIFFERS,
    BreakKind.COUNTERPARTY_DIFFERS,
    BreakKind.DATE_DIFFERS,
    BreakKind.DIFFERS,
    BreakKind.MISSING,
    BreakKind.UNSETTLED,
    BreakKind.UNKNOWN_RESOLVED,
    BreakKind.LATE,
)

RUN_TRANSITIONS: Transitions = {
    RunState.RUNNING: frozenset({RunState.COMPLETED, RunState.ABORTED}),
    RunState.COMPLETED: frozenset(),
    RunState.ABORTED: frozenset({RunState.RUNNING}),
}
# A closed break that is found again, looking different than when it was closed, is open again.
BREAK_TRANSITIONS: Transitions = {
    BreakState.OPEN: frozenset(
        {BreakState.CLOSING, BreakState.EXPLAINED, BreakState.COMPENSATING, BreakState.WRITTEN_OFF, BreakState.RESOLVED}
    ),
    BreakState.CLOSING: frozenset({BreakState.EXPLAINED, BreakState.WRITTEN_OFF, BreakState.OPEN, BreakState.RESOLVED}),
    BreakState.EXPLAINED: frozenset({BreakState.OPEN}),
    BreakState.COMPENSATING: frozenset({BreakState.RESOLVED, BreakState.OPEN}),
    BreakState.RESOLVED: frozenset({BreakState.OPEN}),
    BreakState.WRITTEN_OFF: frozenset({BreakState.OPEN}),
}
# What still asks for somebody's work.
UNRESOLVED = frozenset({BreakState.OPEN, BreakState.CLOSING, BreakState.COMPENSATING})
CLOSED_BY_PEOPLE = frozenset({BreakState.EXPLAINED, BreakState.WRITTEN_OFF})
