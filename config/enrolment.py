"""Enrolling a second factor without a password: whoever signs in elsewhere proves anew who they are by signing in again.

allauth asks for the password before it adds a second factor, and asks nothing of somebody who has none. A session left open would then be
enough to enrol a stranger's passkey, and to decide with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from approvals.stepup import ENROL_NEXT, must_sign_in_again

ENROLLING = frozenset({"mfa_add_webauthn", "mfa_activate_totp"})


class FreshSignInMiddleware:
    """Leads whoever has no password, and signed in more than five minutes ago, to the page that asks them to sign in again."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: Callable[..., HttpResponse], _args: Sequence[Any], _values: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Stop an enrolment that nothing but an open session stands behind; nothing of the request is kept."""
        match = request.resolver_match
        if match is None or match.view_name not in ENROLLING or not must_sign_in_again(request):
            return None
        return redirect(f"{reverse('approvals:second_factor')}?{urlencode({'next': request.session.get(ENROL_NEXT, '/')})}")
