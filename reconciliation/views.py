"""Pages about reconciliation: runs, breaks, and what a person does about one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, requires
from kernel.clock import now as clock_now
from kernel.listing import address_with, page_of
from reconciliation import exporting, services
from reconciliation.models import Break
from reconciliation.pages import BREAK_TAGS, KIND_TAGS, break_page, break_row, run_page, run_row
from reconciliation.queries import get_break_for, get_run_for, visible_breaks, visible_runs
from reconciliation.queue import ALL, Filters, alarm_order, buckets
from reconciliation.states import KIND_ORDER, UNRESOLVED, BreakState
from reconciliation.trend import trend

BREAKS_SHOWN_MAX = 200
REASON_LENGTH_MAX = 2_000


@require_safe
@requires(Permission.RECONCILIATION_READ)
def runs(request: HttpRequest) -> HttpResponse:
    """List the runs, newest first, under their trend and what is still open."""
    person, now = person_of(request), clock_now()
    found = page_of(visible_runs(person), request.GET)
    rows = [run_row(run, now) for run in found.rows]
    context = {
        "page": found.with_rows(rows),
        "latest": rows[0] if rows and found.number == 1 else None,
        "trend": trend(companies_with(person, Permission.RECONCILIATION_READ), now=now),
        "open_breaks": visible_breaks(person).filter(state__in=UNRESOLVED).count(),
        "companies": sorted(companies_with(person, Permission.RECONCILIATION_RUN)),
    }
    return render(request, "reconciliation/runs.html", context)


@require_safe
@requires(Permission.RECONCILIATION_READ)
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Show one run: both sides, and the breaks it saw, writes without an approval first."""
    person = person_of(request)
    found = get_run_for(person, run_id)
    breaks = list(visible_breaks(person).filter(last_run=found).order_by(alarm_order(), "opened_at")[:BREAKS_SHOWN_MAX])
    return render(request, "reconciliation/run.html", {"page": run_page(found, breaks, clock_now())})


@require_safe
@requires(Permission.RECONCILIATION_READ)
def breaks(request: HttpRequest) -> HttpResponse:
    """List breaks as a work queue, the open ones unless something else is asked for."""
    person, now, filters = person_of(request), clock_now(), Filters.of(request.GET)
    found = page_of(filters.rows(person, now), request.GET)
    tabs = [(BREAK_TAGS[item].word, item.value) for item in BreakState] + [("All", ALL)]
    context = {
        "page": found.with_rows([break_row(item, now) for item in found.rows]),
        "tabs": [(word, address_with(request.GET, state=state), state == filters.state) for word, state in tabs],
        "filters": filters,
        "buckets": buckets(filters, request.GET, person, now),
        "kinds": [(kind.value, KIND_TAGS[kind].word) for kind in KIND_ORDER],
        "companies": sorted(companies_with(person, Permission.RECONCILIATION_READ)),
        "query": address_with(request.GET),
    }
    return render(request, "reconciliation/breaks.html", context)


@require_POST
@requires(Permission.RECONCILIATION_READ)
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the breaks that the address filters for as a file; the export is an event itself, hence a POST."""
    person, now = person_of(request), clock_now()
    rows = exporting.record_export(filters=Filters.of(request.GET), user=person, actor=actor_of(request), now=now)
    response = StreamingHttpResponse(exporting.lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="breaks-{now:%Y-%m-%d}.csv"'
    return response


@require_safe
@requires(Permission.RECONCILIATION_READ)
def one_break(request: HttpRequest, break_id: str) -> HttpResponse:
    """Show one break, both sides field by field, and what was done about it."""
    person = person_of(request)
    page = break_page(get_break_for(person, break_id), person, clock_now())
    return render(request, "reconciliation/break.html", {"page": page})


@require_POST
@requires(Permission.RECONCILIATION_RUN)
def run_now(request: HttpRequest) -> HttpResponse:
    """Ask for a run up to this instant; a worker compares soon."""
    company = request.POST.get("company", "")[:12]
    made = services.request_run(company=company, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, f"{company} is being compared up to now.", "reconciliation:run", made.public_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def explain(request: HttpRequest, break_id: str) -> HttpResponse:
    """Close a break as a difference that is right."""
    reason = request.POST.get("reason", "")[:REASON_LENGTH_MAX]
    found = services.explain_break(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now(), explanation=reason)
    return lead_back(request, _closed(found), "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def write_off(request: HttpRequest, break_id: str) -> HttpResponse:
    """Close a break as wrong and accepted."""
    reason = request.POST.get("reason", "")[:REASON_LENGTH_MAX]
    found = services.write_off(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now(), reason=reason)
    return lead_back(request, _closed(found), "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def second(request: HttpRequest, break_id: str) -> HttpResponse:
    """Agree, as a second person, that a break is closed."""
    found = services.second(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, _closed(found), "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def decline(request: HttpRequest, break_id: str) -> HttpResponse:
    """Open a break again that waits for a second person."""
    reason = request.POST.get("reason", "")[:REASON_LENGTH_MAX]
    services.decline_closing(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now(), reason=reason)
    return lead_back(request, "Open again.", "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def take(request: HttpRequest, break_id: str) -> HttpResponse:
    """Make a break one's own work."""
    services.take_break(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, "It is yours.", "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def release(request: HttpRequest, break_id: str) -> HttpResponse:
    """Give a break back to the queue."""
    services.release_break(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, "It is nobody's.", "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def recommit(request: HttpRequest, break_id: str) -> HttpResponse:
    """Have what is missing committed again under the same key."""
    services.recommit_break(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, "It is queued again.", "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def compensate(request: HttpRequest, break_id: str) -> HttpResponse:
    """Propose the compensating entry; it passes the gate like any other proposal."""
    made = services.propose_compensation(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, "The compensating entry stands at the gate.", "approvals:proposal", made.public_id)


def _closed(found: Break) -> str:
    """Return what became of a break that somebody wants closed."""
    if found.state == BreakState.CLOSING:
        return "A second person has to agree: the amount is above what one may close."
    return f"{BREAK_TAGS[found.state].word}."
