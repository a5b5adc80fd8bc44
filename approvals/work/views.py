"""The buttons around a decision; each leads back to the proposal, and none of them decides."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from approvals.work import services
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, requires
from kernel.clock import now as clock_now
from kernel.errors import FieldError, ValidationFailed
from proposals.queries import get_proposal_for_person


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def claim(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Take care of the open step."""
    services.claim(user=person_of(request), proposal_id=proposal_id, actor=actor_of(request), now=clock_now())
    return lead_back(request, "You take care of this now.", "approvals:proposal", proposal_id)


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def forward(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Give it to another person who may decide."""
    to = request.POST.get("to", "")
    made = services.forward(
        user=person_of(request),
        proposal_id=proposal_id,
        to_user_id=int(to) if to.isascii() and to.isdecimal() and len(to) < 18 else 0,
        note=request.POST.get("note", ""),
        actor=actor_of(request),
        now=clock_now(),
    )
    return lead_back(request, f"Forwarded to {made.user.get_full_name() or made.user}.", "approvals:proposal", proposal_id)


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def give_back(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Return it to the group."""
    services.return_to_group(user=person_of(request), proposal_id=proposal_id, actor=actor_of(request), now=clock_now())
    return lead_back(request, "Returned to the group.", "approvals:proposal", proposal_id)


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def snooze(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Hide it from Mine now for a while."""
    user = person_of(request)
    # What does not exist for somebody is not there, whatever the form holds.
    get_proposal_for_person(user, proposal_id)
    until = _instant(request.POST.get("until", ""))
    services.snooze(user=user, proposal_id=proposal_id, until=until, actor=actor_of(request), now=clock_now())
    return lead_back(request, "Snoozed. It stays due when it was due.", "approvals:inbox")


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def wake_up(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Bring it back to Mine now."""
    services.wake_up(user=person_of(request), proposal_id=proposal_id, actor=actor_of(request), now=clock_now())
    return lead_back(request, "It is back in your inbox.", "approvals:proposal", proposal_id)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValidationFailed(detail="Choose until when.", errors=(FieldError("/until", text[:40], "one of the times offered"),))
    return found
