"""Pages about commits: what waits, what became of each, and what only a person may say."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from commits import services
from commits.filters import Filters
from commits.pages import COMMIT_TAGS, commit_page, commit_row
from commits.queries import attempts_of, depth, get_commit_for, visible_commits
from commits.states import CommitState
from gateway.connections import all_connectors
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, requires
from kernel.clock import now as clock_now
from kernel.display import ago
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode
from kernel.listing import address_with, page_of


@require_safe
@requires(Permission.COMMIT_READ)
def commits(request: HttpRequest) -> HttpResponse:
    """List the commits of the person's companies, newest first, narrowed by state, connection, company and key."""
    now, filters, visible = clock_now(), Filters.of(request.GET), visible_commits(person_of(request))
    found = page_of(filters.rows(visible), request.GET)
    waiting = depth(now=now)
    oldest = waiting["oldest_due_at"]
    context = {
        "page": found.with_rows([commit_row(commit, now) for commit in found.rows]),
        "filters": filters,
        "connections": sorted({item.name for item in all_connectors()} | ({filters.connection} - {""})),
        "companies": sorted(companies_with(person_of(request), Permission.COMMIT_READ)),
        "tabs": [
            (label, address_with(request.GET, state=value), value == filters.state, waiting.get(value))
            for value, label in [("", "All"), *((item.value, COMMIT_TAGS[item].word) for item in CommitState)]
        ],
        "oldest": ago(oldest, now) if isinstance(oldest, datetime) else None,
    }
    return render(request, "commits/list.html", context)


@require_safe
@requires(Permission.COMMIT_READ)
def commit(request: HttpRequest, commit_id: str) -> HttpResponse:
    """Show one commit with its attempts and its receipt."""
    found = get_commit_for(person_of(request), commit_id)
    return render(request, "commits/detail.html", {"page": commit_page(found, attempts_of(found), person_of(request), clock_now())})


@require_safe
@requires(Permission.COMMIT_READ)
def of_proposal(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Lead to the commit of a proposal."""
    found = visible_commits(person_of(request)).filter(proposal_id=decode(Prefix.PROPOSAL, proposal_id)).first()
    if found is None:
        raise NotVisible(detail="This proposal has no commit yet.")
    return HttpResponseRedirect(reverse("commits:detail", args=[found.public_id]))


@require_POST
@requires(Permission.COMMIT_OPERATE)
def retry(request: HttpRequest, commit_id: str) -> HttpResponse:
    """Queue a failed commit again, under the same key with the same bytes."""
    found = services.retry(commit_id=commit_id, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, "Queued again. Everything is checked once more before it is sent.", "commits:detail", found.public_id)


@require_POST
@requires(Permission.COMMIT_OPERATE)
def resolve(request: HttpRequest, commit_id: str) -> HttpResponse:
    """Take a person's word on what became of an unknown commit."""
    found = services.resolve_by_person(
        commit_id=commit_id,
        user=person_of(request),
        actor=actor_of(request),
        now=clock_now(),
        document=request.POST.get("document", "").strip()[:80] or None,
        comment=request.POST.get("comment", "").strip()[:2_000],
    )
    return lead_back(request, "Settled on your word; it is part of the evidence.", "commits:detail", found.public_id)
