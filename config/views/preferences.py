"""What a person sets up for themselves: shortcuts on or off, views of lists."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from config.navigation import SHORTCUTS_COOKIE
from identity.console import person_of
from identity.preferences.services import remove_view, save_view
from kernel.clock import now as clock_now
from kernel.errors import ValidationFailed

COOKIE_SECONDS = 365 * 24 * 60 * 60


@require_safe
@login_required
def help_page(request: HttpRequest) -> HttpResponse:
    """Show the shortcuts, and the switch that turns them off."""
    return render(request, "help.html")


@require_POST
@login_required
def shortcuts(request: HttpRequest) -> HttpResponse:
    """Keep in a cookie whether single keys mean anything on this device."""
    response = HttpResponseRedirect(local_address(request, "/help/"), status=303)
    if request.POST.get("shortcuts") == "off":
        response.set_cookie(SHORTCUTS_COOKIE, "off", max_age=COOKIE_SECONDS, samesite="Lax", httponly=True, secure=request.is_secure())
    else:
        response.delete_cookie(SHORTCUTS_COOKIE, samesite="Lax")
    return response


@require_POST
@login_required
def save(request: HttpRequest) -> HttpResponse:
    """Keep the filters of a list under a name, and lead back to the list."""
    path = request.POST.get("path", "")
    if not path.startswith("/") or not url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        path = "/"
    query, user = request.POST.get("query", ""), person_of(request)
    try:
        view = save_view(user=user, path=path[:120], query=query, title=request.POST.get("title", ""), now=clock_now())
    except ValidationFailed as error:
        messages.error(request, error.detail)
        return HttpResponseRedirect(path, status=303)
    messages.success(request, f"Saved. “{view.title}” is one click away from now on.")
    return HttpResponseRedirect(view.address, status=303)


@require_POST
@login_required
def remove(request: HttpRequest, view_id: uuid.UUID) -> HttpResponse:
    """Forget one of the person's own views; somebody else's is not touched, and not told of."""
    if remove_view(user=person_of(request), view_id=view_id):
        messages.success(request, "Removed.")
    return HttpResponseRedirect(local_address(request, "/"), status=303)


def local_address(request: HttpRequest, otherwise: str) -> str:
    """Return where the form wants to lead back to, if that is here."""
    target = request.POST.get("next", otherwise)
    hosts = {request.get_host()}
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=hosts, require_https=request.is_secure()) else otherwise
