"""Pages about reconciliation: runs, breaks, and what a person does about one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, requires
from kernel.clock import now as clock_now
from kernel.listing import address_with, page_of
from reconciliation import services
from reconciliation.pages import BREAK_TAGS, break_page, break_row, run_page, run_row
from reconciliation.queries import get_break_for, get_run_for, visible_breaks, visible_runs
from reconciliation.states import BreakState

BREAKS_SHOWN_MAX = 500
REASON_LENGTH_MAX = 2_000


@require_safe
@requires(Permission.RECONCILIATION_READ)
def runs(request: HttpRequest) -> HttpResponse:
    """List the runs, newest first, under what is still open."""
    person, now = person_of(request), clock_now()
    found = page_of(visible_runs(person), request.GET)
    companies = sorted(companies_with(person, Permission.RECONCILIATION_RUN))
    context = {
        "page": found.with_rows([run_row(run, now) for run in found.rows]),
        "open_breaks": visible_breaks(person).filter(state=BreakState.OPEN).count(),
        "companies": companies,
    }
    return render(request, "reconciliation/runs.html", context)


@require_safe
@requires(Permission.RECONCILIATION_READ)
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Show one run: both sides, and the breaks it saw."""
    person = person_of(request)
    found = get_run_for(person, run_id)
    breaks = list(visible_breaks(person).filter(last_run=found)[:BREAKS_SHOWN_MAX])
    return render(request, "reconciliation/run.html", {"page": run_page(found, breaks, clock_now())})


@require_safe
@requires(Permission.RECONCILIATION_READ)
def breaks(request: HttpRequest) -> HttpResponse:
    """List breaks as a work queue, the open ones unless another state is asked for."""
    now, state = clock_now(), request.GET.get("state", BreakState.OPEN)
    state = state if state in BreakState.values else BreakState.OPEN
    found = page_of(visible_breaks(person_of(request)).filter(state=state), request.GET)
    context = {
        "page": found.with_rows([break_row(item, now) for item in found.rows]),
        "tabs": [(BREAK_TAGS[item].word, address_with(request.GET, state=item.value), item == state) for item in BreakState],
    }
    return render(request, "reconciliation/breaks.html", context)


@require_safe
@requires(Permission.RECONCILIATION_READ)
def one_break(request: HttpRequest, break_id: str) -> HttpResponse:
    """Show one break, both sides field by field."""
    person = person_of(request)
    return render(request, "reconciliation/break.html", {"page": break_page(get_break_for(person, break_id), person)})


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
    services.explain_break(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now(), explanation=reason)
    return lead_back(request, "Explained.", "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def write_off(request: HttpRequest, break_id: str) -> HttpResponse:
    """Close a break as wrong and accepted."""
    reason = request.POST.get("reason", "")[:REASON_LENGTH_MAX]
    services.write_off(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now(), reason=reason)
    return lead_back(request, "Written off.", "reconciliation:break", break_id)


@require_POST
@requires(Permission.RECONCILIATION_RESOLVE)
def compensate(request: HttpRequest, break_id: str) -> HttpResponse:
    """Propose the compensating entry; it passes the gate like any other proposal."""
    made = services.propose_compensation(break_id=break_id, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, "The compensating entry stands at the gate.", "approvals:proposal", made.public_id)
