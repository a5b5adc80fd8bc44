"""The states of a run of the rules, the ways of drawing a sample, what a control came to."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class RuleRunState(TextChoices):
    """Where a run of the rules over a period stands."""

    REQUESTED = "requested", "Requested"
    COMPLETED = "completed", "Completed"
    ABORTED = "aborted", "Aborted"


RULE_RUN_TRANSITIONS: Transitions = {
    RuleRunState.REQUESTED: frozenset({RuleRunState.COMPLETED, RuleRunState.ABORTED}),
    RuleRunState.COMPLETED: frozenset(),
    RuleRunState.ABORTED: frozenset(),
}


class SampleMethod(TextChoices):
    """How a sample is drawn; each is computed from the seed alone, so that anybody can draw it again."""

    RANDOM = "random", "Random: every write is as likely as any other"
    STRATIFIED = "stratified", "Stratified: from each band of amounts in proportion"
    MONETARY_UNIT = "monetary_unit", "Monetary unit: every unit of money is as likely as any other"


class ControlResult(TextChoices):
    """What testing a control came to."""

    EFFECTIVE = "effective", "No exception"
    EXCEPTIONS = "exceptions", "Exceptions"
    NOT_TESTED = "not_tested", "Not tested"
