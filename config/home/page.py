"""The page of today: what needs me, what is due first, what changed since yesterday, and two weeks as bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.urls import reverse

from approvals.models import Decision
from approvals.pages.words import OUTCOME_TAGS, PROPOSAL_TAGS, SHORT_RISK_TAGS, risk_of
from approvals.queries import View, inbox
from approvals.states import DecisionKind
from config.home.needs import Need, needs_of
from identity.models import Role
from identity.queries import companies_of
from kernel.charts import Chart, Series, stacked_bars
from kernel.display import Moment, Tag, Tone, counted, due
from proposals.models import Outcome, Proposal
from proposals.states import OutcomeStatus, ProposalState

DAYS = 14
FIRST = 6
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """One proposal that this person can decide on."""

    url: str
    headline: str
    amount: str
    risk: Tag
    due: Moment


@dataclass(frozen=True, slots=True)
class Change:
    """How often something happened since yesterday."""

    tag: Tag
    number: str
    url: str


@dataclass(frozen=True, slots=True)
class HomePage:
    """Everything the page shows."""

    greeting: str
    summary: str
    needs: Sequence[Need]
    due: Sequence[Due]
    is_approver: bool
    changes: Sequence[Change]
    charts: Sequence[Chart]


def home_page(user: User, roles: frozenset[Role], now: datetime) -> HomePage:
    """Return the page of one person's roles."""
    companies = companies_of(user)
    needs = needs_of(user, roles, now)
    is_approver = Role.APPROVER in roles
    charts = [_proposals_chart(companies, now), *([_decisions_chart(user, now)] if is_approver else [])]
    return HomePage(
        greeting=user.first_name or user.get_username(),
        summary=_summary([need for need in needs if need.tag.tone in {Tone.WARN, Tone.BAD}]),
        needs=needs,
        due=_due(user, now) if is_approver else [],
        is_approver=is_approver,
        changes=_changes(companies, now),
        charts=charts,
    )


def _summary(pressing: Sequence[Need]) -> str:
    """Return what needs the person in a sentence; where it is more than one thing, how many of the figures below are theirs."""
    if len(pressing) == 1:
        return f"{pressing[0].number} {pressing[0].text}."
    return f"{len(pressing)} of the figures below need you." if pressing else "Nothing needs you at the moment."


def _due(user: User, now: datetime) -> list[Due]:
    rows = inbox(user, View.MINE, now=now, size=FIRST).rows
    return [
        Due(
            reverse("approvals:proposal", args=[row.id]),
            row.headline,
            str(row.amount),
            SHORT_RISK_TAGS[risk_of(row.tool)],
            due(row.due_at, now),
        )
        for row in rows
    ]


def _changes(companies: Collection[str], now: datetime) -> list[Change]:
    """Return what became of proposals in the last 24 hours, by where they stand, the most frequent first."""
    since, url = now - DAY, reverse("approvals:proposals")
    settled = Outcome.objects.filter(proposal__company__in=companies, updated_at__gte=since, proposal__state=ProposalState.APPROVED)
    ended = Proposal.objects.filter(~Q(state=ProposalState.APPROVED), company__in=companies, decided_at__gte=since)
    outcomes = settled.values_list("status").annotate(Count("pk"))
    states = ended.values_list("state").annotate(number=Count("*"))
    found = [Change(OUTCOME_TAGS[status], f"{number:,}", f"{url}?state=approved") for status, number in outcomes]
    found += [Change(PROPOSAL_TAGS[state], f"{number:,}", f"{url}?state={state}") for state, number in states]
    return sorted(found, key=lambda change: (-int(change.number.replace(",", "")), change.tag.word))


A = ProposalState.APPROVED
ENDINGS: Sequence[tuple[str, Tone, frozenset[str]]] = (
    ("Landed", Tone.GOOD, frozenset({f"{A}/{OutcomeStatus.COMMITTED}", f"{A}/{OutcomeStatus.LOGGED}"})),
    ("Refused by people", Tone.WARN, frozenset({ProposalState.REJECTED, ProposalState.CHANGES_REQUESTED})),
    ("Expired, voided or failed", Tone.BAD, frozenset({ProposalState.EXPIRED, ProposalState.VOIDED, f"{A}/{OutcomeStatus.FAILED}"})),
)


def _proposals_chart(companies: Collection[str], now: datetime) -> Chart:
    days = _days(now)
    rows = (
        Proposal.objects.filter(company__in=companies, created_at__gte=now - DAYS * DAY)
        .annotate(day=TruncDate("created_at"))
        .values_list("day", "state", "outcome__status")
        .annotate(Count("pk"))
    )
    numbers: dict[str, Counter[date]] = {title: Counter() for title in [*(title for title, _, _ in ENDINGS), "Still open"]}
    for day, state, status, number in rows:
        key = f"{state}/{status}" if state == ProposalState.APPROVED else str(state)
        title = next((title for title, _, keys in ENDINGS if key in keys), "Still open")
        numbers[title][day] += number
    tones = {title: tone for title, tone, _ in ENDINGS} | {"Still open": Tone.PLAIN}
    total = sum(sum(counter.values()) for counter in numbers.values())
    landed = sum(numbers["Landed"].values())
    return stacked_bars(
        name="proposals",
        title="Proposals of the last 14 days",
        sentence=f"{counted(total, 'proposal', 'proposals')}, {landed:,} landed, by the day they were proposed.",
        label_title="Day",
        labels=[day.isoformat() for day in days],
        series=[Series(title, tones[title], [counter[day] for day in days]) for title, counter in numbers.items()],
    )


def _decisions_chart(user: User, now: datetime) -> Chart:
    days = _days(now)
    rows = (
        Decision.objects.filter(user=user, decided_at__gte=now - DAYS * DAY)
        .annotate(day=TruncDate("decided_at"))
        .values_list("day", "kind")
        .annotate(Count("pk"))
    )
    numbers: dict[str, Counter[date]] = {kind: Counter() for kind in DecisionKind.values}
    for day, kind, number in rows:
        numbers[kind][day] += number
    titles = {
        DecisionKind.APPROVE: ("Approved", Tone.GOOD),
        DecisionKind.REQUEST_CHANGES: ("Changes requested", Tone.WARN),
        DecisionKind.REJECT: ("Rejected", Tone.BAD),
    }
    total = sum(sum(counter.values()) for counter in numbers.values())
    return stacked_bars(
        name="decisions",
        title="Your decisions of the last 14 days",
        sentence=f"{counted(total, 'decision', 'decisions')}, {sum(numbers[DecisionKind.APPROVE].values()):,} of them approvals.",
        label_title="Day",
        labels=[day.isoformat() for day in days],
        series=[Series(title, tone, [numbers[kind][day] for day in days]) for kind, (title, tone) in titles.items()],
    )


def _days(now: datetime) -> list[date]:
    today = now.date()
    return [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
