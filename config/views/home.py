"""The start page, the theme, and what is shown when nothing else can be."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from config.navigation import THEME_COOKIE, THEMES, home_of

THEME_COOKIE_SECONDS = 365 * 24 * 60 * 60


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Lead to the page that the person's work begins on; without any role say so."""
    start = home_of(request.user)
    return redirect(start) if start else render(request, "no_role.html", status=403)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie, so that it also holds without JavaScript and never flashes the other one."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        target = "/"
    response = HttpResponseRedirect(target, status=303)
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, max_age=THEME_COOKIE_SECONDS, samesite="Lax", httponly=True, secure=request.is_secure())
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
