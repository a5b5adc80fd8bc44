"""A page that was looked at, on record."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from identity.actors import actor_of
from kernel.clock import now as clock_now
from reconciliation.assurance.looks import record_look


def looked(request: HttpRequest, response: HttpResponse, page: str, *, about: str = "", company: str = "") -> HttpResponse:
    """Return the response, the look at its page recorded with what the address asked for."""
    record_look(page=page, actor=actor_of(request), now=clock_now(), about=about, company=company, parameters=request.GET.dict())
    return response
