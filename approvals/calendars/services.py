"""Writing a company's calendar, and asking the fallback group once a step is overdue."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import available_timezones

from django.contrib.auth.models import User
from django.db import transaction

from approvals.calendars.days import CLOSES_AT, OPENS_AT, WEEKEND
from approvals.calendars.events import CalendarEvent, EscalationEvent
from approvals.calendars.models import BusinessCalendar, Holiday
from approvals.models import RouteStep
from approvals.refusals import refusals_recorded
from approvals.states import StepState
from audit.records import NewEvent, Subject
from audit.services import record, record_many
from identity.permissions import Permission, companies_with, require_permission
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import FieldError, NotVisible, ValidationFailed
from kernel.queue import wake
from proposals.models import Proposal
from proposals.states import ProposalState
from proposals.subjects import subject_of

HOLIDAYS_MAX = 200
HOLIDAY_LINE = re.compile(r"^(\d{4}-\d{2}-\d{2})\s*(.*)$")
ESCALATOR = Actor.system("gate")


@dataclass(frozen=True, slots=True)
class CalendarDraft:
    """A calendar as its author writes it; holidays by date with their names."""

    time_zone: str = "UTC"
    opens_at: time = OPENS_AT
    closes_at: time = CLOSES_AT
    weekend: Sequence[int] = tuple(sorted(WEEKEND))
    holidays: Mapping[date, str] | None = None


def write_calendar(*, company: str, draft: CalendarDraft, user: User, actor: Actor, now: datetime) -> BusinessCalendar:
    """From now on steps of this company become due by this calendar; those that are open keep the date they have.

    Raises PermissionRefused without policy:edit, NotVisible for another company, ValidationFailed.
    """
    subject = Subject(kind="calendar", id=company[:12], company=company[:12])
    with refusals_recorded(CalendarEvent.REFUSED, actor=actor, subject=subject, now=now):
        require_permission(user, Permission.POLICY_EDIT)
        if company not in companies_with(user, Permission.POLICY_EDIT):
            raise NotVisible(detail="There is no such company among yours.")
        _require_sound(draft)
        holidays = dict(sorted((draft.holidays or {}).items()))
        with transaction.atomic():
            values = {
                "time_zone": draft.time_zone,
                "opens_at": draft.opens_at,
                "closes_at": draft.closes_at,
                "weekend": sorted(set(draft.weekend)),
                "updated_at": now,
                "updated_by": user,
            }
            written, _ = BusinessCalendar.objects.update_or_create(company=company, defaults=values)
            written.holidays.all().delete()
            Holiday.objects.bulk_create(Holiday(calendar=written, on=day, title=title[:80]) for day, title in holidays.items())
            record(
                kind=CalendarEvent.CHANGED,
                actor=actor,
                subject=subject,
                now=now,
                outcome={
                    "time_zone": draft.time_zone,
                    "opens_at": draft.opens_at.isoformat(),
                    "closes_at": draft.closes_at.isoformat(),
                    "weekend": values["weekend"],
                    "holidays": [day.isoformat() for day in holidays],
                },
            )
    return written


def parse_holidays(text: str) -> dict[date, str]:
    """Return the holidays written one a line, "2026-12-25 Christmas Day"; raises ValidationFailed naming the line."""
    found: dict[date, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = HOLIDAY_LINE.match(line.strip())
        try:
            day = date.fromisoformat(match[1]) if match else None
        except ValueError:
            day = None
        if day is None or match is None:
            raise ValidationFailed(
                detail=f"Line {number} is not a date with a name.",
                errors=(FieldError("/holidays", f"line {number}: {line.strip()[:40]!r}", "2026-12-25 Christmas Day"),),
            )
        found[day] = match[2].strip() or "Holiday"
    return found


def escalate_overdue(*, now: datetime, limit: int = 500) -> int:
    """Up to `limit` open steps that are overdue ask their fallback group as well; returns how many. Doing it again changes nothing.

    Locks the proposals first, as a decision does; what somebody is deciding on is left for the next call.
    """
    waiting = Proposal.objects.filter(state=ProposalState.PENDING, expires_at__gt=now)
    with transaction.atomic():
        overdue = RouteStep.objects.filter(
            state=StepState.OPEN, due_at__lte=now, fallback_group__isnull=False, escalated_at__isnull=True
        ).select_related("group", "fallback_group")
        found = overdue.filter(route__proposal__in=waiting).order_by("due_at").values_list("route_id", flat=True)
        wanted = list(found[:limit])
        locked = {row.pk: row for row in waiting.select_for_update(skip_locked=True).filter(pk__in=wanted)}
        steps = list(overdue.filter(route_id__in=locked))
        RouteStep.objects.filter(pk__in=[step.pk for step in steps]).update(escalated_at=now)
        record_many([_escalated(locked[step.route_id], step, now) for step in steps])
        if steps:
            wake("turn")
    return len(steps)


def _escalated(proposal: Proposal, step: RouteStep, now: datetime) -> NewEvent:
    assert step.due_at is not None
    assert step.fallback_group is not None
    return NewEvent(
        kind=EscalationEvent.ESCALATED,
        actor=ESCALATOR,
        subject=subject_of(proposal),
        now=now,
        gate={"step": step.position, "group": step.group.code, "fallback": step.fallback_group.code, "due_at": wire_time(step.due_at)},
    )


def _require_sound(draft: CalendarDraft) -> None:
    flaws = []
    if draft.time_zone not in available_timezones():
        flaws.append(FieldError("/time_zone", f"{draft.time_zone[:40]!r} is not a time zone", "a name such as Europe/Berlin"))
    if draft.closes_at <= draft.opens_at:
        flaws.append(FieldError("/closes_at", "the day ends before it begins", "a later time"))
    if not set(draft.weekend) < set(range(1, 8)):
        flaws.append(FieldError("/weekend", "a week needs a working day", "at most six days"))
    if len(draft.holidays or {}) > HOLIDAYS_MAX:
        flaws.append(FieldError("/holidays", f"{len(draft.holidays or {})} days", f"up to {HOLIDAYS_MAX}"))
    if flaws:
        raise ValidationFailed(detail=f"{flaws[0].message}.", errors=tuple(flaws))
