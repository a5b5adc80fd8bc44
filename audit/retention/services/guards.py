"""What the services of retention share: a refusal leaves one record, a reason is a sentence, a right is a right in a company."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from audit.events import HoldEvent, RetentionEvent
from audit.keys import chain_id
from audit.records import Subject
from audit.retention.errors import OutsideYourCompanies
from audit.services import record_denial
from kernel.actors import Actor
from kernel.errors import DomainError, FieldError, ValidationFailed

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

REASON_LENGTH_MIN = 10
REASON_LENGTH_MAX = 500


def records_refusal(kind: RetentionEvent | HoldEvent) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Make a service record each refusal: one event, after the refused transaction has rolled back."""

    def decorate(service: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(service)
        def recorded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            try:
                return service(*args, **kwargs)
            except DomainError as error:
                record_denial(
                    kind=kind,
                    actor=cast("Actor", kwargs["actor"]),
                    subject=Subject("retention", chain_id()),
                    now=cast("datetime", kwargs["now"]),
                    error=error,
                )
                raise

        return recorded

    return decorate


def require_reason(reason: str) -> str:
    """Return the reason as a sentence; raises ValidationFailed."""
    text = reason.strip()
    if not REASON_LENGTH_MIN <= len(text) <= REASON_LENGTH_MAX:
        message = f"Say why, in {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters; it becomes part of the evidence."
        raise ValidationFailed(detail=message, errors=(FieldError("/reason", message, ""),))
    return text


def require_companies(concerned: Iterable[str], held: frozenset[str]) -> None:
    """The person decides on retention in every company concerned; raises OutsideYourCompanies."""
    missing = sorted({company for company in concerned if company} - held)
    if missing:
        raise OutsideYourCompanies(
            detail=f"This concerns {', '.join(missing)}, where you have no right to decide on retention.", data={"companies": missing}
        )
