"""The door's half of a step-up: what the login recorded, and the way to the second factor and back.

Never `allauth`'s `reauthentication_required` on what changes something: it keeps the whole request, and a password then replays it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY, get_reauthentication_flows
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from approvals.services.step_up import ask_step_up
from audit.records import Subject
from identity.actors import actor_of
from identity.console import person_of
from kernel.clock import now as clock_now

# Where the page about second factors was to lead back to, for whoever has to sign in again on the way.
ENROL_NEXT = "second_factor_next"


def must_sign_in_again(request: HttpRequest) -> bool:
    """Return whether this person has neither password nor second factor to prove anew who they are, and signed in too long ago to enrol."""
    if not request.user.is_authenticated or get_reauthentication_flows(request.user):
        return False
    signed_in = max((float(record.get("at", 0)) for record in get_authentication_records(request, request.user)), default=0.0)
    return bool(clock_now().timestamp() - signed_in >= app_settings.REAUTHENTICATION_TIMEOUT)


def factors_of(request: HttpRequest) -> list[Mapping[str, object]]:
    """Return what this login recorded about how the person proved who they are; empty for the records of somebody else."""
    return list(get_authentication_records(request, request.user))


def ask(
    request: HttpRequest,
    *,
    purpose: str,
    subject: str,
    shown_at: datetime,
    back: str,
    about: Subject,
    draft: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Remember what was answered, and lead to the person's second factor; without one, to the page that says how to get one.

    `back` is a page that is only looked at: nothing is done by coming back to it.
    """
    ask_step_up(
        user=person_of(request),
        purpose=purpose,
        subject=subject,
        shown_at=shown_at,
        draft=draft or {},
        about=about,
        actor=actor_of(request),
        now=clock_now(),
    )
    messages.info(request, "Nothing is decided or changed yet: confirm with your second factor, then press the button once more.")
    # No older suspended request may be replayed by the second factor.
    request.session.pop(STATE_SESSION_KEY, None)
    url = f"{reverse(way_of(request))}?{urlencode({'next': back})}"
    if getattr(request, "htmx", False):
        response = HttpResponse(status=204)
        response["HX-Redirect"] = url
        return response
    return HttpResponseRedirect(url, status=303)


def way_of(request: HttpRequest) -> str:
    """Return the name of the page where this person's second factor is asked for, or of the one that says how to get one.

    The page is chosen here: for somebody without a second factor allauth would show its password page, which proves nothing new.
    """
    user = person_of(request)
    if is_mfa_enabled(user, [Authenticator.Type.TOTP]):
        return "mfa_reauthenticate"
    return "mfa_reauthenticate_webauthn" if is_mfa_enabled(user, [Authenticator.Type.WEBAUTHN]) else "approvals:second_factor"
