"""Pages about connections, and on a demonstration the switches of their faults."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from commits.connection_pages import connection_page, connection_pages
from gateway.connections import all_connectors
from gateway.faults import FaultMode
from gateway.faults.switches import require_allowed, switch_off, switch_on
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, requires
from kernel.clock import now as clock_now
from kernel.errors import FieldError, NotVisible, ValidationFailed

COUNT_MAX = 10_000


@require_safe
@requires(Permission.COMMIT_READ)
def connections(request: HttpRequest) -> HttpResponse:
    """List the connections with level, breaker, depth and the age of the oldest."""
    companies = companies_with(person_of(request), Permission.COMMIT_READ)
    return render(request, "commits/connections.html", {"pages": connection_pages(companies, clock_now())})


@require_safe
@requires(Permission.COMMIT_READ)
def connection(request: HttpRequest, name: str) -> HttpResponse:
    """Show one connection."""
    companies = companies_with(person_of(request), Permission.COMMIT_READ)
    may_switch = bool(companies_with(person_of(request), Permission.COMMIT_OPERATE))
    context = {"page": connection_page(name, companies, clock_now()), "may_switch": may_switch}
    return render(request, "commits/connection.html", context)


@require_POST
@requires(Permission.COMMIT_OPERATE)
def switch_fault(request: HttpRequest, name: str) -> HttpResponse:
    """Switch a fault mode of a demonstration's ERP on, or off."""
    require_allowed()
    if name not in {connector.name for connector in all_connectors()}:
        raise NotVisible(detail="There is no such connection.")
    mode = _mode(request.POST.get("mode", ""))
    actor, now = actor_of(request), clock_now()
    if request.POST.get("switch") == "off":
        switch_off(connection=name, mode=mode, actor=actor, now=now)
        return lead_back(request, f"Off: {mode.label}.", "commits:connection", name)
    count, percent = _number(request, "count", COUNT_MAX), _number(request, "percent", 100) or 100
    switch_on(connection=name, mode=mode, actor=actor, now=now, count=count, probability_percent=percent)
    return lead_back(request, f"On: {mode.label}. Approve something and watch.", "commits:connection", name)


def _mode(text: str) -> FaultMode:
    if text not in FaultMode.values:
        raise ValidationFailed(detail="There is no such fault mode.", errors=(FieldError("/mode", "unknown", ", ".join(FaultMode.values)),))
    return FaultMode(text)


def _number(request: HttpRequest, name: str, most: int) -> int | None:
    """Return a number from 1 to `most`, or None for an empty field; raises ValidationFailed."""
    text = request.POST.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= most):
        sentence = f"a whole number from 1 to {most}"
        raise ValidationFailed(detail=f"{name} must be {sentence}.", errors=(FieldError(f"/{name}", "out of range", sentence),))
    return int(text)
