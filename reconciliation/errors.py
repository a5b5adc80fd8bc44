"""The refusals of reconciliation."""

from __future__ import annotations

from http import HTTPStatus

from kernel.errors import DomainError, StateConflict


class RunInProgress(StateConflict):
    """A run of this company is being compared right now, here or on another worker."""

    code = "run_in_progress"
    title = "This company is being reconciled right now"
    retryable = True


class ReasonMissing(DomainError):
    """Closing a break needs a reason in words."""

    code = "reason_missing"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "A reason is needed"


class SecondPersonNeeded(StateConflict):
    """Whoever wants a large break closed cannot be the one who agrees."""

    code = "second_person_needed"
    title = "Somebody else has to agree"


class SecondPersonExcluded(DomainError):
    """The person is excluded from deciding on the break's proposal, and so from agreeing to close it."""

    code = "second_person_excluded"
    status = HTTPStatus.FORBIDDEN
    title = "You are excluded from this proposal"


class NotCompensable(StateConflict):
    """The break is not put right by a compensating entry, or not in the state it is in."""

    code = "not_compensable"
    title = "This break cannot be compensated"


class CompensationUnavailable(StateConflict):
    """The installation has no agent, or the agent no grant, with which a compensation could be proposed."""

    code = "compensation_unavailable"
    title = "Compensations cannot be proposed here"
