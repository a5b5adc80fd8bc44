"""The refusals of evidence."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from kernel.errors import DomainError, StateConflict


class PeriodWrong(DomainError):
    """A period has a beginning, an end after it, and lies in the past."""

    code = "period_wrong"
    status: ClassVar[HTTPStatus] = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "This period can't be exported"


class BundleNotReady(StateConflict):
    """The bundle has no file yet, or its file was removed."""

    code = "bundle_not_ready"
    title = "The bundle has no file"
    retryable = True
