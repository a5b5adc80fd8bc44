"""Business days, due dates, escalation to the fallback group, and the end: silence never approves."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from approvals.calendars.days import Calendar
from approvals.calendars.events import CalendarEvent
from approvals.calendars.models import BusinessCalendar
from approvals.calendars.services import CalendarDraft, escalate_overdue, parse_holidays, write_calendar
from approvals.models import RouteStep
from approvals.queries import inbox, may_decide
from audit.models import Event
from kernel.clock import now as clock_now
from kernel.errors import DomainError, ValidationFailed
from proposals.services import expire_due
from proposals.states import ProposalState
from tests.builders.approvals import Cast, a_row, an_order, approved, decided_by, make_cast
from tests.builders.identity import actor
from tests.builders.proposals import PlainErp

BERLIN = Calendar(time_zone="Europe/Berlin", holidays=frozenset({date(2026, 12, 25)}))
FALLBACK = ({"group": "purchasing", "min_approvals": 1, "due_days": 1, "fallback": "finance"},)


@pytest.mark.parametrize(
    ("opened_at", "days", "due_at"),
    [
        # Monday morning, one day: Tuesday evening in Berlin, which is an hour ahead of UTC in winter.
        (datetime(2026, 11, 23, 9, tzinfo=UTC), 1, datetime(2026, 11, 24, 16, tzinfo=UTC)),
        # Friday: over the weekend.
        (datetime(2026, 11, 27, 15, tzinfo=UTC), 1, datetime(2026, 11, 30, 16, tzinfo=UTC)),
        # Saturday: Monday is the first business day after.
        (datetime(2026, 11, 28, 9, tzinfo=UTC), 1, datetime(2026, 11, 30, 16, tzinfo=UTC)),
        # Sunday 23:30 UTC is Monday in Berlin, so the day after is Tuesday.
        (datetime(2026, 11, 29, 23, 30, tzinfo=UTC), 1, datetime(2026, 12, 1, 16, tzinfo=UTC)),
        # Over Christmas Day, a Friday, and the weekend.
        (datetime(2026, 12, 23, 9, tzinfo=UTC), 2, datetime(2026, 12, 28, 16, tzinfo=UTC)),
        # In summer Berlin is two hours ahead.
        (datetime(2026, 7, 1, 9, tzinfo=UTC), 1, datetime(2026, 7, 2, 15, tzinfo=UTC)),
    ],
)
def test_due_dates_count_business_days_where_the_company_is(opened_at: datetime, days: int, due_at: datetime) -> None:
    assert BERLIN.due_at(opened_at, days) == due_at


def _write(cast: Cast, **changes: object) -> BusinessCalendar:
    draft = CalendarDraft(**changes)  # type: ignore[arg-type]
    return write_calendar(company="DE01", draft=draft, user=cast.cora, actor=actor(cast.cora), now=clock_now())


def test_a_step_is_due_by_the_calendar_of_its_company(cast: Cast) -> None:
    now = datetime(2099, 6, 5, 9, tzinfo=UTC)
    _write(cast, time_zone="Europe/Berlin", weekend=(5, 6, 7), closes_at=time(12), holidays={now.date() + timedelta(days=3): "A day"})
    following = Calendar(
        "Europe/Berlin", closes_at=time(12), weekend=frozenset({5, 6, 7}), holidays=frozenset({now.date() + timedelta(days=3)})
    )
    moment = clock_now()
    step = RouteStep.objects.get(route_id=an_order(cast, now=moment).pk)
    assert step.due_at == following.due_at(moment, 2)
    # The second step becomes due when it opens, and nothing is due after it expires.
    order = an_order(cast, "30000.00")
    steps = RouteStep.objects.filter(route_id=order.pk, position=2).values_list("opened_at", "due_at")
    assert list(steps) == [(None, None)]
    decided_by(cast.alice, order)
    ((opened_at, due_at),) = steps.all()
    assert opened_at is not None
    assert due_at is not None
    assert opened_at < due_at <= order.expires_at


def test_only_a_controller_of_the_company_writes_a_calendar_that_makes_sense(cast: Cast) -> None:
    for changes in ({"time_zone": "Mars/Olympus"}, {"closes_at": time(8)}, {"weekend": (1, 2, 3, 4, 5, 6, 7)}):
        with pytest.raises(ValidationFailed):
            _write(cast, **changes)
    for user, company in ((cast.alice, "DE01"), (cast.cora, "US01")):
        with pytest.raises(DomainError):
            write_calendar(company=company, draft=CalendarDraft(), user=user, actor=actor(user), now=clock_now())
    assert not BusinessCalendar.objects.exists()
    assert Event.objects.filter(kind=CalendarEvent.REFUSED).count() == 5
    _write(cast)
    assert _write(cast, holidays={date(2026, 12, 25): "Christmas Day"}).holidays.count() == 1
    assert Event.objects.filter(kind=CalendarEvent.CHANGED).count() == 2


def test_holidays_are_read_one_a_line() -> None:
    assert parse_holidays("2026-12-25 Christmas Day\n\n2027-01-01\n") == {date(2026, 12, 25): "Christmas Day", date(2027, 1, 1): "Holiday"}
    for text in ("25.12.2026 Christmas", "2026-13-01 Nothing", "Christmas"):
        with pytest.raises(ValidationFailed, match="Line 1"):
            parse_holidays(text)


def test_an_overdue_step_asks_its_fallback_group_as_well(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, steps=FALLBACK)])
    order = an_order(cast)
    step = RouteStep.objects.get(route_id=order.pk)
    assert step.due_at is not None
    before, after = step.due_at - timedelta(seconds=1), step.due_at + timedelta(seconds=1)
    assert escalate_overdue(now=before) == 0
    assert not may_decide(cast.dora, order, after).is_allowed
    assert (escalate_overdue(now=after), escalate_overdue(now=after)) == (1, 0)
    assert Event.objects.filter(proposal=order.public_id, kind="gate:escalated").count() == 1
    assert {row.id for row in inbox(cast.dora, "mine", now=after).rows} == {order.public_id}
    # The group that was asked first still may, and the fallback's approval satisfies the step.
    assert may_decide(cast.alice, order, after).is_allowed
    approved(order, cast.dora)
    assert order.state == ProposalState.APPROVED


def test_without_a_fallback_it_waits_and_then_expires_as_a_refusal(cast: Cast) -> None:
    order = an_order(cast)
    end = order.expires_at + timedelta(seconds=1)
    assert escalate_overdue(now=order.expires_at - timedelta(seconds=1)) == 0
    assert expire_due(now=end) == 1
    order.refresh_from_db()
    assert order.state == ProposalState.EXPIRED
    assert not may_decide(cast.alice, order, end).is_allowed
    assert escalate_overdue(now=end) == 0
