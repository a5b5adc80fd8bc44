"""Pages about evidence bundles: those that were asked for, asking for one, taking one along. Every look and download is on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from audit.keys import region
from audit.queries import begun
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, requires
from kernel.clock import now as clock_now
from kernel.listing import page_of
from reconciliation.evidence import services
from reconciliation.evidence.errors import PeriodWrong
from reconciliation.evidence.pages import bundle_row, default_period
from reconciliation.evidence.queries import get_bundle_for, visible_bundles


@require_safe
@requires(Permission.EVIDENCE_EXPORT)
def bundles(request: HttpRequest) -> HttpResponse:
    """List the bundles that were asked for, newest first, with a form for the next one; the look is an event."""
    person, now = person_of(request), clock_now()
    found = page_of(visible_bundles(person), request.GET)
    services.record_look(actor=actor_of(request), now=now, seen=len(found.rows))
    first, last = default_period(now, begun())
    context = {"page": found.with_rows([bundle_row(row, now) for row in found.rows]), "first": first, "last": last, "region": region()}
    return render(request, "evidence/bundles.html", context)


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def request_period(request: HttpRequest) -> HttpResponse:
    """Ask for the bundle of a period of whole days, in UTC; a worker makes it."""
    first, last = _day(request, "first"), _day(request, "last")
    made = services.request_period_bundle(
        since=first,
        until=min(last + timedelta(days=1), clock_now()),
        user=person_of(request),
        actor=actor_of(request),
        now=clock_now(),
        wanted=wanted_of(request),
    )
    return lead_back(request, f"The bundle of {made} is being made. It appears here when it is ready.", "evidence:bundles")


@require_safe
@requires(Permission.EVIDENCE_EXPORT)
def progress(request: HttpRequest, bundle_id: str) -> HttpResponse:
    """Show how far one bundle is, as the line that stands for it in a list; nothing of what it holds."""
    row = bundle_row(get_bundle_for(person_of(request), bundle_id), clock_now())
    return render(request, "evidence/bundle_row.html", {"row": row})


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def download(request: HttpRequest, bundle_id: str) -> FileResponse:
    """Send the file of a bundle; the download is an event itself, hence a POST."""
    bundle = get_bundle_for(person_of(request), bundle_id)
    path = services.record_download(bundle=bundle, actor=actor_of(request), now=clock_now())
    return FileResponse(path.open("rb"), as_attachment=True, filename=bundle.file_name, content_type="application/zip")


def wanted_of(request: HttpRequest) -> services.Wanted:
    """Return what the form says about a bundle."""
    return services.Wanted(**{name: request.POST.get(name, "").strip() for name in ("purpose", "destination", "reason")})


def _day(request: HttpRequest, name: str) -> datetime:
    try:
        return datetime.strptime(request.POST.get(name, ""), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise PeriodWrong(detail="A period needs its first and its last day, as 2026-11-23.") from error
