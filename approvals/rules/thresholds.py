"""From where on a rule speaks up: one set per company, each value with a form of its own, stored as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kernel.errors import FieldError, ValidationFailed

# What the company's business calendar says; a set of thresholds says nothing about it.
CALENDAR_FIELDS = ("time_zone", "working_days", "holidays", "opens_at", "closes_at")
COUNT_MAX = 100_000
LIST_MAX = 400
ACCOUNT_PATTERN = re.compile(r"^[0-9A-Za-z.\-]{1,20}\*?$")
DECIMAL_PATTERN = re.compile(r"^(0|[1-9]\d{0,11})(\.\d{1,3})?$")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BOILERPLATE = (
    "adjustment",
    "as discussed",
    "as per agent",
    "correction",
    "entry",
    "journal entry",
    "misc",
    "n/a",
    "none",
    "test",
    "tbd",
    "various",
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Every value a rule is held against; amounts are in major units of the write's own currency."""

    time_zone: str = "UTC"
    round_unit: Decimal = Decimal("1000")
    round_from: Decimal = Decimal("10000")
    working_days: tuple[str, ...] = WEEKDAYS[:5]
    holidays: tuple[date, ...] = ()
    opens_at: time | None = None
    closes_at: time | None = None
    period_end_days: int = 3
    period_end_from: Decimal = Decimal("0")
    close_grace_days: int = 5
    back_days: int = 31
    future_days: int = 31
    usage_days: int = 365
    usage_postings_from: int = 50
    seldom_uses: int = 3
    pair_uses: int = 1
    first_use_after: int = 20
    description_length: int = 8
    boilerplate: tuple[str, ...] = BOILERPLATE
    cluster_count: int = 3
    cluster_days: int = 7
    cluster_percent: int = 10
    duplicate_days: int = 30
    sensitive_kinds: tuple[str, ...] = ("revenue",)
    sensitive_roles: tuple[str, ...] = ("cash",)
    cash_accounts: tuple[str, ...] = ()
    revenue_accounts: tuple[str, ...] = ()
    intercompany_accounts: tuple[str, ...] = ()
    suspense_accounts: tuple[str, ...] = ()
    outlier_z: Decimal = Decimal("5")
    outlier_from: int = 20
    fast_seconds: int = 5
    bulk_count: int = 10
    bulk_seconds: int = 60
    reversal_days: int = 45

    def as_dict(self) -> dict[str, str]:
        """Return every value as text: lists are joined with a comma and a space."""
        return {item.name: _text(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, str]) -> Thresholds:
        """Return the thresholds with these values in place of the defaults; raises ValidationFailed naming each that has no form."""
        known = {item.name for item in fields(cls)}
        errors = [FieldError(f"/{name}", "there is no such threshold", "one of the listed names") for name in stored if name not in known]
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name not in stored:
                continue
            try:
                values[item.name] = _FORMS[str(item.type)](str(stored[item.name]).strip())
            except ValueError as error:
                errors.append(FieldError(f"/{item.name}", f"{stored[item.name]!r} does not fit", str(error)))
        if not errors:
            errors = _contradictions(made := cls(**values))
            if not errors:
                return made
        raise ValidationFailed(detail=f"{errors[0].path}: {errors[0].message}; {errors[0].acceptable}.", errors=tuple(errors))

    @property
    def zone(self) -> ZoneInfo:
        """Return the company's time zone."""
        return ZoneInfo(self.time_zone)


def _contradictions(found: Thresholds) -> list[FieldError]:
    errors = []
    try:
        ZoneInfo(found.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        errors.append(FieldError("/time_zone", f"{found.time_zone!r} is no time zone", "a name such as Europe/Berlin"))
    if (found.opens_at is None) != (found.closes_at is None):
        errors.append(FieldError("/opens_at", "hours need both ends", "opens_at and closes_at, or neither"))
    if found.opens_at and found.closes_at and found.opens_at >= found.closes_at:
        errors.append(FieldError("/closes_at", "the day ends before it begins", "later than opens_at"))
    if not found.round_unit:
        errors.append(FieldError("/round_unit", "0 divides nothing", "more than 0"))
    if not 1 <= found.cluster_percent <= 50:
        errors.append(FieldError("/cluster_percent", f"{found.cluster_percent} is out of range", "1 to 50"))
    if unknown := [day for day in found.working_days if day not in WEEKDAYS]:
        errors.append(FieldError("/working_days", f"{unknown[0]!r} is no weekday", ", ".join(WEEKDAYS)))
    return errors + [
        FieldError(f"/{name}", f"{item!r} is no account", "numbers such as 1590 or 49*, separated by commas")
        for name in ("cash_accounts", "revenue_accounts", "intercompany_accounts", "suspense_accounts")
        for item in getattr(found, name)
        if not ACCOUNT_PATTERN.match(item)
    ]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9]) <= COUNT_MAX and len(text) < 9):
        raise ValueError(f"a whole number from 0 to {COUNT_MAX:,}")
    return int(text)


def _decimal(text: str) -> Decimal:
    if not DECIMAL_PATTERN.match(text):
        raise ValueError('a decimal such as "1000" or "3.5"')
    return Decimal(text)


def _time(text: str) -> time | None:
    if not text:
        return None
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.second or found.microsecond or found.tzinfo:
        raise ValueError("hours and minutes such as 07:30, or nothing")
    return found


def _list(text: str) -> tuple[str, ...]:
    items = tuple(dict.fromkeys(item for part in text.split(",") if (item := " ".join(part.split()).lower())))
    if len(items) > LIST_MAX or any(len(item) > 80 for item in items):
        raise ValueError(f"up to {LIST_MAX} entries of up to 80 characters, separated by commas")
    return items


def _dates(text: str) -> tuple[date, ...]:
    try:
        return tuple(sorted({date.fromisoformat(item) for item in _list(text)}))
    except ValueError as error:
        raise ValueError("days such as 2026-12-25, separated by commas") from error


_FORMS: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": _count,
    "Decimal": _decimal,
    "time | None": _time,
    "tuple[str, ...]": _list,
    "tuple[date, ...]": _dates,
}
