"""A period and the companies it is asked about: what every statement of assurance begins with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from kernel.canonical import digest
from kernel.clock import wire_time
from kernel.errors import FieldError, ValidationFailed

YEARS = (2000, 2199)
DAYS = 30
PURPOSE = "countersign.assurance.scope/1"


@dataclass(frozen=True, slots=True)
class Scope:
    """Half-open: since ≤ instant < until; the companies sorted. With `proposal`, tests of controls look at that one only."""

    since: datetime
    until: datetime
    companies: tuple[str, ...]
    proposal: UUID | None = None

    @property
    def first_day(self) -> date:
        """Return the first day, in UTC."""
        return self.since.astimezone(UTC).date()

    @property
    def last_day(self) -> date:
        """Return the last day, in UTC."""
        return (self.until.astimezone(UTC) - timedelta(microseconds=1)).date()

    @property
    def parameters(self) -> dict[str, object]:
        """Return the parameters in canonical form, as statements and events carry them."""
        return {"since": wire_time(self.since), "until": wire_time(self.until), "companies": list(self.companies)}

    @property
    def digest(self) -> str:
        """Return the digest of the parameters."""
        return digest(PURPOSE, self.parameters)

    def __str__(self) -> str:
        """Return the period and the companies in words."""
        return f"{self.first_day.isoformat()} to {self.last_day.isoformat()}, {', '.join(self.companies) or 'no company'}"


def scope_of_days(first: date, last: date, companies: frozenset[str]) -> Scope:
    """Return the scope of whole days in UTC, both included; the order of the two days does not matter."""
    first, last = min(first, last), max(first, last)
    return Scope(_start(first), _start(last + timedelta(days=1)), tuple(sorted(companies)))


def scope_asked(*, since: str, until: str, company: str, allowed: frozenset[str], now: datetime) -> Scope:
    """Return the scope that the fields ask for: the last thirty days of every company a person may see where they are empty.

    A company that is not among the allowed ones gives a scope without any: it shows nothing, as if it did not exist.
    """
    last = day_of(until) or now.astimezone(UTC).date()
    first = day_of(since) or last - timedelta(days=DAYS - 1)
    companies = allowed & {company} if company else allowed
    return scope_of_days(first, last, companies)


def day_of(text: str) -> date | None:
    """Return the day that was written, or None for anything but a day of this century or the next."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if YEARS[0] <= day.year <= YEARS[1] else None


def require_companies(scope: Scope) -> None:
    """The scope has a company; raises ValidationFailed."""
    if not scope.companies:
        raise ValidationFailed(
            detail="There is no company to look at.", errors=(FieldError("/company", "none that you may see", "one of your companies"),)
        )


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
