"""The two doors of single sign-on: out to the provider and back, and the page that says that it did not work."""

from __future__ import annotations

import logging
from collections.abc import Callable

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.openid_connect import views
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from requests import RequestException

logger = logging.getLogger(__name__)


@require_GET
def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Lead to the provider.

    By a link, not a form: what a form may lead to is limited by `form-action`, over every further redirect too, and a provider hands on to
    others. Coming back, the state in the session decides, so that a link set elsewhere signs nobody in as somebody else.
    """
    return _answered(request, views.login, provider_id)


@require_GET
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sign in whom the provider vouches for."""
    return _answered(request, views.callback, provider_id)


@require_GET
def cancelled(request: HttpRequest) -> HttpResponse:
    """Say that nobody was signed in."""
    return render(request, "socialaccount/login_cancelled.html")


def _answered(request: HttpRequest, view: Callable[[HttpRequest, str], HttpResponse], provider_id: str) -> HttpResponse:
    try:
        return view(request, provider_id)
    except (RequestException, LookupError, ValueError) as error:
        # A provider that is down, or whose answers are none.
        logger.warning("single sign-on: %s: %s", type(error).__name__, error)
        response: HttpResponse = render_authentication_error(request, get_adapter().get_provider(request, provider_id), exception=error)
        return response
