"""The page of today, and the theme."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from config.home.page import home_page
from config.navigation import THEME_COOKIE, THEMES
from config.views.preferences import local_address
from identity.console import person_of
from identity.queries import roles_of
from kernel.clock import now as clock_now

THEME_COOKIE_SECONDS = 365 * 24 * 60 * 60


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show what needs this person, by the roles they have; without any role say so."""
    user = person_of(request)
    roles = roles_of(user)
    if not roles:
        return render(request, "no_role.html", status=403)
    return render(request, "home.html", {"page": home_page(user, roles, clock_now())})


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie, so that it also holds without JavaScript and never flashes the other one."""
    response = HttpResponseRedirect(local_address(request, "/"), status=303)
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, max_age=THEME_COOKIE_SECONDS, samesite="Lax", httponly=True, secure=request.is_secure())
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
