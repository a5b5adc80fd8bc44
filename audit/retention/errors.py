"""Why keeping or destroying was refused."""

from __future__ import annotations

from http import HTTPStatus

from kernel.errors import DomainError, PermissionRefused


class RetentionTooShort(DomainError):
    """Nothing is kept for less than the floor."""

    code = "retention_too_short"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "That is too short"


class NothingToDispose(DomainError):
    """No payload is past its retention, or every one is on hold."""

    code = "nothing_to_dispose"
    status = HTTPStatus.CONFLICT
    title = "There is nothing to destroy"


class SecondPersonNeeded(PermissionRefused):
    """The same person can't approve a list twice."""

    code = "same_person_again"
    title = "You have approved this already"


class OutsideYourCompanies(PermissionRefused):
    """The list or the hold touches companies in which the person has no right to decide on retention."""

    code = "outside_your_companies"
    title = "This concerns other companies"


class RegionRefused(DomainError):
    """Evidence may not leave its region without a reason."""

    code = "region_refused"
    status = HTTPStatus.CONFLICT
    title = "This would leave the region"
