"""Counting in business days: pure, so that a due date can be computed again years later from the calendar of its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKEND = frozenset({6, 7})
OPENS_AT, CLOSES_AT = time(9), time(17)
# A step is due at the end of a business day, so the last hours before are hours in which people work.
DUE_SOON = timedelta(hours=8)
SEARCH_DAYS = 3_660


@dataclass(frozen=True, slots=True)
class Calendar:
    """When people of one company work; ISO weekdays, local hours."""

    time_zone: str = "UTC"
    opens_at: time = OPENS_AT
    closes_at: time = CLOSES_AT
    weekend: frozenset[int] = WEEKEND
    holidays: frozenset[date] = frozenset()

    def is_business_day(self, day: date) -> bool:
        """Return whether people work on that day."""
        return day.isoweekday() not in self.weekend and day not in self.holidays

    def local_day(self, instant: datetime) -> date:
        """Return the day it is for the company at this instant."""
        return instant.astimezone(ZoneInfo(self.time_zone)).date()

    def closing(self, day: date) -> datetime:
        """Return the instant at which that day's work ends."""
        return datetime.combine(day, self.closes_at, tzinfo=ZoneInfo(self.time_zone)).astimezone(UTC)

    def opening(self, day: date) -> datetime:
        """Return the instant at which that day's work begins."""
        return datetime.combine(day, self.opens_at, tzinfo=ZoneInfo(self.time_zone)).astimezone(UTC)

    def business_days_after(self, day: date) -> Iterator[date]:
        """Yield the business days after that day, in order; none after ten years without one."""
        for number in range(1, SEARCH_DAYS):
            following = day + timedelta(days=number)
            if self.is_business_day(following):
                yield following

    def due_at(self, opened_at: datetime, days: int) -> datetime:
        """Return the end of the `days`-th business day after the local day of opening: opened on Friday with 1 is Monday evening."""
        following = self.business_days_after(self.local_day(opened_at))
        for _ in range(days - 1):
            next(following)
        return self.closing(next(following))
