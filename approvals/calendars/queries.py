"""The calendars of companies, and when a step that opens now is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from approvals.calendars.days import Calendar
from approvals.calendars.models import BusinessCalendar
from proposals.models import Proposal


def calendars_of(companies: Iterable[str]) -> dict[str, Calendar]:
    """Return the calendar of each of these companies, the usual one where none was written; two queries at most."""
    wanted = set(companies)
    found = {
        row.company: Calendar(
            time_zone=row.time_zone,
            opens_at=row.opens_at,
            closes_at=row.closes_at,
            weekend=frozenset(row.weekend),
            holidays=frozenset(holiday.on for holiday in row.holidays.all()),
        )
        for row in BusinessCalendar.objects.filter(company__in=wanted).prefetch_related("holidays")
    }
    return {company: found.get(company, Calendar()) for company in wanted}


class Due:
    """When steps of proposals of these companies are due, the calendars looked up once; no query for no company."""

    def __init__(self, companies: Iterable[str]) -> None:
        """Look up the calendars."""
        wanted = set(companies)
        self._calendars = calendars_of(wanted) if wanted else {}

    def of(self, proposal: Proposal, due_days: int | None, opened_at: datetime) -> datetime:
        """Return the end of the business day on which a step opened at this instant is due, never after the proposal expires."""
        days = settings.STEP_DUE_DAYS if due_days is None else due_days
        return min(self._calendars[proposal.company].due_at(opened_at, days), proposal.expires_at)


def due_of(proposal: Proposal, due_days: int | None, opened_at: datetime) -> datetime:
    """Return when a step of this proposal that opens now is due."""
    return Due([proposal.company]).of(proposal, due_days, opened_at)
