"""The audit log in the console: query, the timeline of one proposal, how the chain is doing, the evidence bundle.

These pages live here and not in `audit`, which knows nobody: who may read them is decided above it.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from audit.inclusion import issue_inclusion_receipt
from audit.keys import region
from audit.queries import event, events
from config.views.audit_pages import (
    event_filter,
    event_page,
    event_rows,
    filter_fields,
    population_of,
    proposal_timeline,
    status_card,
)
from config.views.audit_visibility import visibility_of
from config.views.desk.looked import looked
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, permissions_of, requires
from kernel.clock import now as clock_now
from kernel.listing import address_with
from reconciliation.evidence.pages import bundle_row
from reconciliation.evidence.queries import bundles_of_proposal
from reconciliation.evidence.services import request_proposal_bundle
from reconciliation.evidence.views import wanted_of

SEAL_WAIT_SECONDS = 5.0


@require_safe
@requires(Permission.AUDIT_READ)
def log(request: HttpRequest) -> HttpResponse:
    """Show events, newest first, with the statement of completeness of the period before them."""
    now = clock_now()
    filters, period = event_filter(request.GET, now)
    found = events(filters, cursor=request.GET.get("after", ""))
    context = {
        "rows": event_rows(found.rows, visibility_of(person_of(request), found.rows)),
        "next_url": address_with(request.GET, after=found.next_cursor) if found.next_cursor else "",
        "is_first": not request.GET.get("after"),
        "fields": (fields := filter_fields(request.GET, period)),
        "filter_count": sum(bool(request.GET.get(field.name)) for field in fields),
        "card": status_card(now),
        "population": population_of(period),
    }
    return looked(request, render(request, "audit/log.html", context), "audit:log", company=filters.company)


@require_safe
@requires(Permission.AUDIT_READ)
def one_event(request: HttpRequest, event_id: str) -> HttpResponse:
    """Show one event exactly as it was hashed."""
    found = event(event_id)
    if found is None:
        raise Http404
    page = event_page(found, visibility_of(person_of(request), [found]))
    return looked(request, render(request, "audit/event.html", {"page": page}), "audit:event", about=event_id, company=found.company)


@require_safe
@requires(Permission.AUDIT_READ)
def proposal(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Show everything that is recorded about one proposal."""
    person = person_of(request)
    page = proposal_timeline(proposal_id, companies_with(person, Permission.AUDIT_READ))
    may_export = Permission.EVIDENCE_EXPORT in permissions_of(person)
    bundles = [bundle_row(row, clock_now()) for row in bundles_of_proposal(person, page.id)] if may_export else []
    context = {"page": page, "may_export": may_export, "bundles": bundles, "region": region()}
    return looked(request, render(request, "audit/proposal.html", context), "audit:proposal", about=page.id, company=page.company)


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def bundle(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Ask for the evidence bundle of one proposal; a worker makes it, and the proposal's page shows how far it is."""
    person = person_of(request)
    page = proposal_timeline(proposal_id, companies_with(person, Permission.EVIDENCE_EXPORT))
    request_proposal_bundle(
        proposal=page.id, company=page.company, user=person, actor=actor_of(request), now=clock_now(), wanted=wanted_of(request)
    )
    return lead_back(request, "The evidence bundle is being made. It appears below when it is ready.", "audit:proposal", page.id)


@require_POST
@requires(Permission.EVIDENCE_EXPORT)
def inclusion(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Download the inclusion receipt of one proposal: its events in a signed tree, and nothing beside; recorded, hence a POST."""
    proposal_timeline(proposal_id, companies_with(person_of(request), Permission.EVIDENCE_EXPORT))
    receipt = issue_inclusion_receipt(proposal=proposal_id, actor=actor_of(request), now=clock_now(), wait_seconds=SEAL_WAIT_SECONDS)
    response = HttpResponse(receipt, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="countersign-{proposal_id}.inclusion.json"'
    return response
