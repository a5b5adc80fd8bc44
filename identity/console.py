"""What every console view shares: the signed-in person behind a request, and leading back to a page after a change."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse


def person_of(request: HttpRequest) -> User:
    """Return the signed-in person; nobody signed in is a defect: guard the view with identity.permissions.requires."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("a page without a signed-in person")
    return user


def lead_back(request: HttpRequest, message: str, view_name: str, *args: str) -> HttpResponseRedirect:
    """Return the redirect (303: the next request is a GET) to a page that will say what was done."""
    messages.success(request, message)
    return HttpResponseRedirect(reverse(view_name, args=args), status=303)
