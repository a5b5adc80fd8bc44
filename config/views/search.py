"""Looking for a page, a proposal or an agent: one answer for the search page and for the palette over every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from approvals.pages.words import PROPOSAL_TAGS
from config.navigation import HOME, places_of
from identity.console import person_of
from identity.permissions import Permission, permissions_of
from identity.queries import companies_of, visible_agents
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode
from proposals.models import Proposal

LENGTH_MAX = 80
PROPOSALS_MAX = 8
AGENTS_MAX = 5
# Words are looked for among the newest: a scan of millions would cost more than the answer is worth. Any id is found.
NEWEST = 5_000
# Which page an id leads to, and what the pages need to see it.
ADDRESSES = {
    Prefix.PROPOSAL: ("Proposal", "approvals:proposal", Permission.PROPOSAL_READ),
    Prefix.AGENT: ("Agent", "identity:agent", Permission.AGENT_READ),
    Prefix.POLICY: ("Policy", "approvals:policy", Permission.POLICY_READ),
    Prefix.COMMIT: ("Commit", "commits:detail", Permission.COMMIT_READ),
    Prefix.RUN: ("Reconciliation run", "reconciliation:run", Permission.RECONCILIATION_READ),
    Prefix.BREAK: ("Break", "reconciliation:break", Permission.RECONCILIATION_READ),
    Prefix.EVENT: ("Event", "audit:event", Permission.AUDIT_READ),
}


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found."""

    title: str
    sub: str
    url: str
    icon: str


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found of one kind."""

    title: str
    rows: Sequence[Hit]


@require_safe
@login_required
def search(request: HttpRequest) -> HttpResponse:
    """Show what matches; the palette gets the list alone."""
    words = " ".join(request.GET.get("q", "").replace("\0", "").split())[:LENGTH_MAX]
    groups = [group for group in found(person_of(request), words) if group.rows]
    context = {"q": words, "groups": groups, "number": sum(len(group.rows) for group in groups)}
    is_palette = request.headers.get("HX-Target") == "palette-results"
    return render(request, "parts/hits.html" if is_palette else "search.html", context)


def found(user: User, words: str) -> list[Hits]:
    """Return pages, then what an id names, then proposals and agents; everything a person may go to while nothing is looked for."""
    held = permissions_of(user)
    hits = [Hits("Pages", _pages(user, words)), Hits("By its id", _by_id(words, held))]
    if words and Permission.PROPOSAL_READ in held:
        hits.append(Hits("Proposals", _proposals(user, words)))
    if words and Permission.AGENT_READ in held:
        hits.append(Hits("Agents", _agents(user, words)))
    return hits


def _pages(user: User, words: str) -> list[Hit]:
    start = [Hit("Today", "What needs you", reverse(HOME), "bolt")]
    pages = [Hit(place.title, place.group, reverse(place.url_name), place.icon) for place in places_of(user)]
    help_page = [Hit("Help and shortcuts", "Keyboard", reverse("help"), "info")]
    wanted = words.lower()
    return [hit for hit in (*start, *pages, *help_page) if wanted in f"{hit.title} {hit.sub}".lower()]


def _by_id(words: str, held: frozenset[Permission]) -> list[Hit]:
    for prefix, (title, url_name, permission) in ADDRESSES.items():
        if words.startswith(f"{prefix}_") and permission in held:
            try:
                decode(prefix, words)
            except InvalidIdentifier:
                return []
            return [Hit(f"{title} {words}", "Open it", reverse(url_name, args=[words]), "arrow")]
    return []


def _proposals(user: User, words: str) -> list[Hit]:
    visible = Proposal.objects.filter(company__in=companies_of(user))
    matching = Proposal.objects.filter(pk__in=visible.order_by("-pk").values("pk")[:NEWEST])
    for word in words.split():
        matching = matching.filter(
            Q(headline__icontains=word) | Q(counterparty__iexact=word) | Q(counterparty_name__icontains=word) | Q(reference__icontains=word)
        )
    rows = matching.select_related("agent").only("headline", "state", "amount_minor", "currency", "company", "agent__name").order_by("-pk")
    return [
        Hit(
            title=row.headline,
            sub=f"{PROPOSAL_TAGS[row.state].word} · {row.company} · {row.amount} · {row.agent.name}",
            url=reverse("approvals:proposal", args=[row.public_id]),
            icon="list",
        )
        for row in rows[:PROPOSALS_MAX]
    ]


def _agents(user: User, words: str) -> list[Hit]:
    rows = visible_agents(user).filter(name__icontains=words)[:AGENTS_MAX]
    return [
        Hit(row.name, f"Agent, {row.get_state_display().lower()}", reverse("identity:agent", args=[row.public_id]), "agent") for row in rows
    ]
