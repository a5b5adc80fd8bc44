"""Retention in the console: classes, holds, and lists of what is destroyed, which take two people.

Like the other audit pages these live here and not in `audit`, which knows nobody: who may do what is decided above it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from audit.retention import services
from audit.retention.queries import get_disposal
from audit.retention.services.shredding import signed_certificate
from config.views.desk.looked import looked
from config.views.retention_pages import list_page, retention_page
from identity.actors import actor_of
from identity.console import person_of
from identity.permissions import Permission, companies_with, permissions_of, requires
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, ValidationFailed


def _companies(request: HttpRequest) -> frozenset[str]:
    return companies_with(person_of(request), Permission.RETENTION_MANAGE)


def _may_manage(request: HttpRequest) -> bool:
    return Permission.RETENTION_MANAGE in permissions_of(person_of(request))


def _back(request: HttpRequest, sentence: str) -> HttpResponseRedirect:
    messages.success(request, sentence)
    return redirect("retention:home")


def _number(text: str) -> int:
    """Return a whole number; raises ValidationFailed."""
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise ValidationFailed(detail="Give the days as a whole number.")
    return int(text)


def _day(text: str) -> datetime | None:
    """Return the beginning of a day, or None for an empty field; raises ValidationFailed."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
    except ValueError as error:
        raise ValidationFailed(detail=f"{text[:20]!r} is no day.") from error


@require_safe
@requires(Permission.AUDIT_READ)
def home(request: HttpRequest) -> HttpResponse:
    """Show how long what is kept, what holds keep, and the lists."""
    page = retention_page(clock_now(), companies_with(person_of(request), Permission.AUDIT_READ), may_manage=_may_manage(request))
    return looked(request, render(request, "audit/retention.html", {"page": page}), "retention:home")


@require_POST
@requires(Permission.RETENTION_MANAGE)
def set_rule(request: HttpRequest) -> HttpResponse:
    """Keep a class for another time."""
    sent = request.POST
    rule = services.set_rule(
        retention_class=sent.get("class", ""),
        days=_number(sent.get("days", "")),
        reason=sent.get("reason", ""),
        actor=actor_of(request),
        now=clock_now(),
    )
    return _back(request, f"{rule.get_retention_class_display()}: kept for {rule.days:,} days.")


@require_POST
@requires(Permission.RETENTION_MANAGE)
def place_hold(request: HttpRequest) -> HttpResponse:
    """Place a hold."""
    sent = request.POST
    hold = services.place_hold(
        matter=sent.get("matter", ""),
        scope=sent.get("scope", ""),
        value=sent.get("value", ""),
        reason=sent.get("reason", ""),
        since=_day(sent.get("since", "")),
        until=_day(sent.get("until", "")),
        companies=_companies(request),
        actor=actor_of(request),
        now=clock_now(),
    )
    return _back(request, f"The hold {hold.matter} is in force.")


@require_POST
@requires(Permission.RETENTION_MANAGE)
def release_hold(request: HttpRequest, hold_id: str) -> HttpResponse:
    """Release a hold."""
    reason = request.POST.get("reason", "")
    hold = services.release_hold(hold_id=hold_id, reason=reason, companies=_companies(request), actor=actor_of(request), now=clock_now())
    return _back(request, f"The hold {hold.matter} is released.")


@require_POST
@requires(Permission.RETENTION_MANAGE)
def list_expired(request: HttpRequest) -> HttpResponse:
    """List what has expired."""
    disposal = services.list_expired(actor=actor_of(request), now=clock_now())
    return redirect("retention:list", disposal.public_id)


@require_POST
@requires(Permission.RETENTION_MANAGE)
def list_erasure(request: HttpRequest) -> HttpResponse:
    """List what is recorded about one person."""
    sent = request.POST
    disposal = services.list_erasure(person=sent.get("person", ""), reason=sent.get("reason", ""), actor=actor_of(request), now=clock_now())
    return redirect("retention:list", disposal.public_id)


@require_safe
@requires(Permission.AUDIT_READ)
def one_list(request: HttpRequest, disposal_id: str) -> HttpResponse:
    """Show one list: what goes, what stays and why, who approved it, and what came of it."""
    person = person_of(request)
    page = list_page(get_disposal(disposal_id), companies_with(person, Permission.AUDIT_READ), person, may_manage=_may_manage(request))
    return looked(request, render(request, "audit/retention_list.html", {"page": page}), "retention:list", about=page.id)


@require_POST
@requires(Permission.RETENTION_MANAGE)
def approve(request: HttpRequest, disposal_id: str) -> HttpResponse:
    """Approve a list."""
    digest = request.POST.get("list_digest", "")
    services.approve(disposal_id=disposal_id, list_digest=digest, companies=_companies(request), actor=actor_of(request), now=clock_now())
    messages.success(request, "Your approval is recorded.")
    return redirect("retention:list", disposal_id)


@require_POST
@requires(Permission.RETENTION_MANAGE)
def decline(request: HttpRequest, disposal_id: str) -> HttpResponse:
    """Decline a list."""
    reason = request.POST.get("reason", "")
    services.decline(disposal_id=disposal_id, reason=reason, companies=_companies(request), actor=actor_of(request), now=clock_now())
    return _back(request, "The list is declined. Nothing was destroyed.")


@require_safe
@requires(Permission.AUDIT_READ)
def certificate(request: HttpRequest, disposal_id: str) -> HttpResponse:
    """Download the signed certificate of a list that was carried out."""
    disposal = get_disposal(disposal_id)
    is_theirs = set(disposal.companies) <= companies_with(person_of(request), Permission.AUDIT_READ)
    if disposal.certificate is None or not is_theirs:
        raise NotVisible(detail=f"There is no certificate of {disposal_id} in your companies.")
    response = HttpResponse(signed_certificate(disposal), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="countersign-{disposal_id}.dsse.json"'
    return looked(request, response, "retention:certificate", about=disposal.public_id)
