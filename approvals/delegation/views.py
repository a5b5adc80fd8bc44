"""One page: what I delegated, what is delegated to me, and a form for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from approvals.delegation.forms import DelegationForm
from approvals.delegation.models import Delegation
from approvals.delegation.queries import given_by, held_by
from approvals.delegation.services import delegate, end_delegation
from approvals.pages.words import tool_title
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, requires
from kernel.clock import now as clock_now
from kernel.display import Tag, Tone, listed
from kernel.errors import ValidationFailed
from kernel.ids import Prefix, decode

GIVEN_MAX = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One delegation as texts; without an address it can't be ended any more."""

    name: str
    state: Tag
    days: str
    scope: str
    note: str
    end_url: str


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.PROPOSAL_DECIDE)
def delegations(request: HttpRequest) -> HttpResponse:
    """Show and make delegations."""
    user, now = person_of(request), clock_now()
    form = DelegationForm(request.POST if request.method == "POST" else None, user=user, today=now.date())
    if request.method == "POST" and form.is_valid():
        try:
            made = delegate(user=user, actor=actor_of(request), now=now, **form.values())
        except ValidationFailed as error:
            form.refuse(error)
        else:
            said = f"{_name(made.delegate)} may decide for you. What waits for you now waits for them."
            return lead_back(request, said, "approvals:delegations")
    context = {
        "form": form,
        "given": [_line(item, item.delegate, now) for item in given_by(user)[:GIVEN_MAX]],
        "held": [_line(item, item.delegator, now) for item in held_by(user, now)],
    }
    return render(request, "approvals/delegations.html", context, status=form.status)


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def end(request: HttpRequest, delegation_id: str) -> HttpResponse:
    """End a delegation early."""
    key = decode(Prefix.DELEGATION, delegation_id)
    end_delegation(user=person_of(request), delegation_id=key, actor=actor_of(request), now=clock_now())
    return lead_back(request, "The delegation is over.", "approvals:delegations")


def _line(item: Delegation, other: User, now: datetime) -> Line:
    is_open = item.ended_at is None and item.ends_at > now
    if not is_open:
        state = Tag("Over", Tone.PLAIN, "stop")
    elif item.starts_at > now:
        state = Tag("Later", Tone.INFO, "clock")
    else:
        state = Tag("In force", Tone.GOOD, "check")
    return Line(
        name=_name(other),
        state=state,
        days=f"{item.starts_at:%Y-%m-%d %H:%M} to {item.ended_at or item.ends_at:%Y-%m-%d %H:%M} UTC",
        scope=_scope(item),
        note=item.note,
        end_url=reverse("approvals:end_delegation", args=[item.public_id]) if is_open else "",
    )


def _scope(item: Delegation) -> str:
    parts: Sequence[str] = (
        listed(list(item.companies)),
        f"groups {listed(list(item.groups))}" if item.groups else "all groups",
        listed([tool_title(name) for name in item.tools]) if item.tools else "all tools",
        f"up to {item.limit}" if item.limit else "up to the delegator's own limit",
    )
    return ", ".join(parts)


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
