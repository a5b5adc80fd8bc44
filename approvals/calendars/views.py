"""The companies' business calendars, for everybody to see and for their controllers to write."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from approvals.calendars.days import CLOSES_AT, OPENS_AT, WEEKEND, Calendar
from approvals.calendars.models import BusinessCalendar
from approvals.calendars.queries import calendars_of
from approvals.calendars.services import CalendarDraft, parse_holidays, write_calendar
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.forms import Refusable, several_field, text_field
from identity.permissions import Permission, companies_with, requires
from kernel.clock import now as clock_now
from kernel.display import WEEKDAYS, at, counted, listed
from kernel.errors import NotVisible, ValidationFailed

ALL_DAYS = [(str(number), name) for number, name in enumerate(WEEKDAYS, start=1)]


class CalendarForm(Refusable):
    """When people of one company work."""

    time_zone = text_field("Time zone", length=60, help_text="A name such as Europe/Berlin.")
    opens_at = forms.TimeField(label="Work begins", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    closes_at = forms.TimeField(label="Work ends", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    weekend = several_field("Days without work", is_required=False)
    holidays = forms.CharField(
        label="Holidays",
        required=False,
        max_length=12_000,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="One a line: 2026-12-25 Christmas Day",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the days of the week."""
        super().__init__(*args, **kwargs)
        self.fields["weekend"].choices = ALL_DAYS  # type: ignore[attr-defined]

    def draft(self) -> CalendarDraft:
        """Return what the service takes; raises ValidationFailed for a line that is no holiday."""
        data = self.cleaned_data
        return CalendarDraft(
            time_zone=data["time_zone"],
            opens_at=data["opens_at"],
            closes_at=data["closes_at"],
            weekend=[int(number) for number in data["weekend"]],
            holidays=parse_holidays(data["holidays"]),
        )


@require_safe
@requires(Permission.POLICY_READ)
def calendars(request: HttpRequest) -> HttpResponse:
    """List the companies with when their people work."""
    user, now = person_of(request), clock_now()
    companies = sorted(companies_with(user, Permission.POLICY_READ))
    written = {row.company: row for row in BusinessCalendar.objects.filter(company__in=companies)}
    lines = [
        {
            "company": company,
            "url": reverse("approvals:calendar", args=[company]),
            "hours": f"{calendar.opens_at:%H:%M} to {calendar.closes_at:%H:%M}, {calendar.time_zone}",
            "weekend": listed([WEEKDAYS[number - 1] for number in sorted(calendar.weekend)]) or "none",
            "holidays": _coming(calendar, now),
            "written": at(written[company].updated_at) if company in written else "as usual, never written",
        }
        for company, calendar in sorted(calendars_of(companies).items())
    ]
    return render(request, "approvals/calendars.html", {"lines": lines})


@require_safe
@requires(Permission.POLICY_READ)
def calendar(request: HttpRequest, company: str) -> HttpResponse:
    """Show one company's calendar; its controllers can write it anew."""
    user = person_of(request)
    _require_company(user, company, Permission.POLICY_READ)
    form, may_write = CalendarForm(initial=_initial(company)), company in companies_with(user, Permission.POLICY_EDIT)
    if not may_write:
        for field in form.fields.values():
            field.disabled = True
    return render(request, "approvals/calendar.html", {"form": form, "company": company, "may_write": may_write})


@require_POST
@requires(Permission.POLICY_EDIT)
def write(request: HttpRequest, company: str) -> HttpResponse:
    """Write one company's calendar anew."""
    user, form = person_of(request), CalendarForm(request.POST)
    _require_company(user, company, Permission.POLICY_EDIT)
    if form.is_valid():
        try:
            write_calendar(company=company, draft=form.draft(), user=user, actor=actor_of(request), now=clock_now())
        except ValidationFailed as error:
            form.refuse(error)
        else:
            return lead_back(request, f"Written. Steps that open in {company} from now on become due by it.", "approvals:calendars")
    return render(request, "approvals/calendar.html", {"form": form, "company": company, "may_write": True}, status=form.status)


def _require_company(user: User, company: str, permission: Permission) -> None:
    if company not in companies_with(user, permission):
        raise NotVisible(detail="There is no such company among yours.")


def _initial(company: str) -> dict[str, object]:
    row = BusinessCalendar.objects.filter(company=company).prefetch_related("holidays").first()
    return {
        "time_zone": row.time_zone if row else "UTC",
        "opens_at": row.opens_at if row else OPENS_AT,
        "closes_at": row.closes_at if row else CLOSES_AT,
        "weekend": [str(number) for number in sorted(row.weekend if row else WEEKEND)],
        "holidays": "\n".join(f"{day.on.isoformat()} {day.title}" for day in row.holidays.all()) if row else "",
    }


def _coming(calendar: Calendar, now: datetime) -> str:
    today = calendar.local_day(now)
    ahead = sorted(day for day in calendar.holidays if day >= today)
    return f"{counted(len(ahead), 'holiday', 'holidays')} ahead, next {ahead[0].isoformat()}" if ahead else "no holiday ahead"
