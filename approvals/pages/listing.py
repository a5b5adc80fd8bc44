"""Every proposal of a person's companies, for those who follow rather than decide: owners, operators, auditors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.urls import reverse

from approvals.pages.words import PROPOSAL_TAGS, SHORT_RISK_TAGS, outcome_of, risk_of, status_tag
from identity.queries import companies_of
from kernel.display import Moment, Tag, ago
from kernel.listing import Page, address_with, page_of
from proposals.models import Proposal
from proposals.states import ProposalState

WORDS_MAX = 8


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """One proposal in the list."""

    url: str
    headline: str
    sub: str
    risk: Tag
    status: Tag
    amount: str
    agent: str
    document: str
    created: Moment


@dataclass(frozen=True, slots=True)
class ProposalsPage:
    """The list with its tabs."""

    list: Page[ProposalRow]
    tabs: Sequence[tuple[str, str, bool]]
    state: str
    q: str


def proposals_page(user: User, query: QueryDict, now: datetime) -> ProposalsPage:
    """Return the page of proposals that the address asks for, newest first."""
    asked, words = query.get("state", ""), query.get("q", "").strip()[:80]
    state = asked if asked in ProposalState.values else ""
    found = page_of(_matching(user, state, words), query)
    tabs = [("All", address_with(query, state=""), state == "")]
    tabs += [(PROPOSAL_TAGS[item].word, address_with(query, state=item.value), item == state) for item in ProposalState]
    return ProposalsPage(found.with_rows([_row(proposal, now) for proposal in found.rows]), tabs, state, words)


def _matching(user: User, state: str, words: str) -> QuerySet[Proposal]:
    rows = (
        Proposal.objects.filter(company__in=companies_of(user))
        .select_related("agent", "outcome")
        .defer("action_bytes", "payload", "facts", "preconditions", "rationale")
        .order_by("-pk")
    )
    if state:
        rows = rows.filter(state=state)
    for word in words.split()[:WORDS_MAX]:
        rows = rows.filter(
            Q(headline__icontains=word)
            | Q(counterparty__iexact=word)
            | Q(reference__icontains=word)
            | Q(agent__name__icontains=word)
            | Q(outcome__document__iexact=word)
        )
    return rows


def _row(proposal: Proposal, now: datetime) -> ProposalRow:
    outcome = outcome_of(proposal)
    return ProposalRow(
        url=reverse("approvals:proposal", args=[proposal.public_id]),
        headline=proposal.headline,
        sub=" · ".join(part for part in (proposal.company, proposal.counterparty_name) if part),
        risk=SHORT_RISK_TAGS[risk_of(proposal.tool)],
        status=status_tag(proposal, outcome),
        amount=str(proposal.amount),
        agent=proposal.agent.name,
        document=outcome.document if outcome else "",
        created=ago(proposal.created_at, now),
    )
