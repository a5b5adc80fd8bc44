"""What the reads share: the company, page sizes, dates."""

from __future__ import annotations

from datetime import date

from kernel.errors import FieldError, NotVisible, ValidationFailed
from ledger.models import Company
from ledger.sql import LEDGER

PAGE_LIMIT = 100

JsonObject = dict[str, object]


def get_company(code: str) -> Company:
    """Return the company, or raise NotVisible."""
    company = Company.objects.using(LEDGER).filter(code=code).first()
    if company is None:
        raise NotVisible(detail=f"There is no company {code!r}.")
    return company


def page_size(limit: int) -> int:
    """Return a page size of 1 to 100, or raise ValidationFailed."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= PAGE_LIMIT:
        raise invalid("limit", f"{limit!r} is not a page size", f"an integer from 1 to {PAGE_LIMIT}")
    return limit


def day_of(value: date | str, name: str) -> date:
    """Return a date given as such or as YYYY-MM-DD, or raise ValidationFailed."""
    if isinstance(value, date):
        return value
    try:
        if len(value) == len("2026-03-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise invalid(name, f"{value!r} is not a date", 'a date such as "2026-03-31"')


def optional_day(value: date | str | None, name: str) -> date | None:
    """Return `day_of` the value, or None for None and the empty text."""
    return day_of(value, name) if value not in (None, "") and value is not None else None


def invalid(name: str, message: str, acceptable: str) -> ValidationFailed:
    """Return the error for one argument."""
    return ValidationFailed(detail=f"{message}.", errors=(FieldError(f"/{name}", message, acceptable),))
