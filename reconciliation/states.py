"""The states of runs and breaks, the kinds of break."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class RunState(TextChoices):
    """Where a run stands."""

    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    ABORTED = "aborted", "Aborted"


class BreakState(TextChoices):
    """Where the work on a break stands."""

    OPEN = "open", "Open"
    EXPLAINED = "explained", "Explained"
    COMPENSATING = "compensating", "Compensating"
    RESOLVED = "resolved", "Resolved"
    WRITTEN_OFF = "written_off", "Written off"


class BreakKind(TextChoices):
    """What kind of difference was found."""

    MISSING = "missing", "Approved and committed, but not in the ERP"
    DUPLICATE = "duplicate", "Landed more than once"
    DIFFERS = "differs", "Landed, but not as approved"
    ORPHAN = "orphan", "In the ERP without an approval"
    UNSETTLED = "unsettled", "Landed, but its commit is not settled"


RUN_TRANSITIONS: Transitions = {
    RunState.RUNNING: frozenset({RunState.COMPLETED, RunState.ABORTED}),
    RunState.COMPLETED: frozenset(),
    RunState.ABORTED: frozenset({RunState.RUNNING}),
}
# A closed break that is found again, looking different than when it was closed, is open again.
BREAK_TRANSITIONS: Transitions = {
    BreakState.OPEN: frozenset({BreakState.EXPLAINED, BreakState.COMPENSATING, BreakState.WRITTEN_OFF, BreakState.RESOLVED}),
    BreakState.EXPLAINED: frozenset({BreakState.OPEN}),
    BreakState.COMPENSATING: frozenset({BreakState.RESOLVED, BreakState.OPEN}),
    BreakState.RESOLVED: frozenset({BreakState.OPEN}),
    BreakState.WRITTEN_OFF: frozenset({BreakState.OPEN}),
}
# What still asks for somebody's work.
UNRESOLVED = frozenset({BreakState.OPEN, BreakState.COMPENSATING})
