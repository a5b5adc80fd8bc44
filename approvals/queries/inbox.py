"""The inbox: what waits for me, for my groups, for others, and what I decided; a constant number of queries per page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.contrib.auth.models import User
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from approvals.models import Decision, RouteStep
from approvals.queries.turns import Person
from approvals.states import DecisionKind, StepState
from gateway.catalogue import get_tool
from gateway.errors import UnknownTool
from identity.policies import agent_standing
from kernel.money import Money
from kernel.verdicts import Denied
from proposals.models import Citation, Proposal
from proposals.states import ProposalState

PAGE_SIZE_MAX = 100


class View(StrEnum):
    """The tabs of the inbox."""

    MINE = "mine"
    GROUP = "group"
    WAITING = "waiting"
    DELEGATED = "delegated"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class InboxFilters:
    """What narrows the list; empty means all. `q` is looked for in headline, counterparty, reference."""

    company: str = ""
    tool: str = ""
    agent: str = ""
    q: str = ""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One proposal in the list."""

    id: str
    headline: str
    tool: str
    tool_title: str
    risk: str
    company: str
    counterparty: str
    counterparty_name: str
    amount: Money
    routed: Money
    agent_id: str
    agent_name: str
    state: ProposalState
    revision: int
    created_at: datetime
    due_at: datetime
    is_late: bool
    step_position: int
    step_count: int
    step_group: str
    approvals: int
    min_approvals: int
    warnings: tuple[str, ...]
    evidence_count: int
    is_log_only: bool
    is_frozen: bool
    my_decision: DecisionKind | None
    my_decision_at: datetime | None

    @property
    def step_text(self) -> str:
        """Return "2 of 3", or an empty text when no step is open."""
        return f"{self.step_position} of {self.step_count}" if self.step_position else ""

    @property
    def is_rolling(self) -> bool:
        """Return whether the rolling sum, not the single amount, found the route."""
        return self.amount != self.routed


@dataclass(frozen=True, slots=True)
class InboxPage:
    """One page of rows with the size of the whole."""

    rows: tuple[InboxRow, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many wait: for me, for my groups, on others, for me by the right of somebody else."""

    mine: int
    group: int
    waiting: int
    delegated: int


def inbox(user: User, view: str, filters: InboxFilters | None = None, *, now: datetime, page: int = 1, size: int = 50) -> InboxPage:
    """Return one page of the view, what is due first at the top; what I decided last at the top of `done`.

    An unknown view is `mine`; a page beyond the last is the last.
    """
    size = max(1, min(size, PAGE_SIZE_MAX))
    person = Person(user, now)
    chosen = next((known for known in View if known.value == view), View.MINE)
    found = _filtered(_of_view(person, chosen, now), filters or InboxFilters())
    total = found.count()
    pages = max(1, math.ceil(total / size))
    page = max(1, min(page, pages))
    listed = _with_columns(found, user)
    if chosen is View.DONE:
        listed = listed.order_by("-my_decision_at", "-pk")
    else:
        # One step of a route is open: its index gives what is due first without looking at everything.
        listed = listed.filter(route__steps__state=StepState.OPEN).order_by(F("route__steps__due_at").asc(nulls_last=True), "pk")
    chunk = listed[(page - 1) * size : page * size]
    return InboxPage(rows=tuple(_row(item, now) for item in chunk), total=total, page=page, pages=pages)


def badge(user: User, now: datetime) -> int:
    """Return how many proposals the person can act on now, by their own right or by somebody else's."""
    person = Person(user, now)
    return sum(_of_view(person, view, now).count() for view in ((View.MINE, View.DELEGATED) if person.held else (View.MINE,)))


def counts(user: User, now: datetime) -> Counts:
    """Return the numbers beside the tabs."""
    person = Person(user, now)
    return Counts(
        mine=_of_view(person, View.MINE, now).count(),
        group=_of_view(person, View.GROUP, now).count(),
        waiting=_of_view(person, View.WAITING, now).count(),
        delegated=_of_view(person, View.DELEGATED, now).count() if person.held else 0,
    )


def _of_view(person: Person, view: View, now: datetime) -> QuerySet[Proposal]:
    visible = Proposal.objects.filter(company__in=person.companies)
    if view is View.DONE:
        return visible.filter(Exists(Decision.objects.filter(proposal=OuterRef("pk"), user=person.user)))
    pending = visible.filter(state=ProposalState.PENDING, expires_at__gt=now)
    if view is View.MINE:
        return pending.filter(person.mine())
    if view is View.DELEGATED:
        return pending.filter(person.delegated())
    if view is View.GROUP:
        return pending.filter(person.asked())
    return pending.filter(person.involved()).exclude(person.mine())


def _filtered(found: QuerySet[Proposal], filters: InboxFilters) -> QuerySet[Proposal]:
    if filters.company:
        found = found.filter(company=filters.company)
    if filters.tool:
        found = found.filter(tool=filters.tool)
    if filters.agent:
        found = found.filter(agent__name=filters.agent)
    for word in filters.q.split()[:8]:
        found = found.filter(
            Q(headline__icontains=word) | Q(counterparty__iexact=word) | Q(counterparty_name__icontains=word) | Q(reference__icontains=word)
        )
    return found


def _with_columns(found: QuerySet[Proposal], user: User) -> QuerySet[Proposal]:
    open_steps = RouteStep.objects.filter(route=OuterRef("pk"), state=StepState.OPEN)
    mine = Decision.objects.filter(proposal=OuterRef("pk"), user=user)
    approvals = Decision.objects.filter(proposal=OuterRef("pk"), step__state=StepState.OPEN, kind=DecisionKind.APPROVE)
    return (
        found.select_related("agent", "route")
        .defer("action_bytes", "payload", "preconditions", "rationale")
        .annotate(
            step_position=Subquery(open_steps.values("position")[:1]),
            step_group=Subquery(open_steps.values("group__title")[:1]),
            step_due_at=Subquery(open_steps.values("due_at")[:1]),
            step_min_approvals=Subquery(open_steps.values("min_approvals")[:1]),
            step_count=_counted(RouteStep.objects.filter(route=OuterRef("pk")), "route"),
            approval_count=_counted(approvals, "proposal"),
            evidence_count=_counted(Citation.objects.filter(proposal=OuterRef("pk")), "proposal"),
            my_decision=Subquery(mine.values("kind")[:1]),
            my_decision_at=Subquery(mine.values("decided_at")[:1]),
            routed_minor=F("route__routed_minor"),
            routed_currency=F("route__routed_currency"),
        )
    )


def _counted(rows: QuerySet[RouteStep] | QuerySet[Decision] | QuerySet[Citation], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _row(proposal: Proposal, now: datetime) -> InboxRow:
    # The annotations of `_with_columns` are attributes that the model does not declare.
    columns = vars(proposal)
    title, risk = _tool_facts(proposal.tool)
    is_pending = proposal.state == ProposalState.PENDING
    due_at = columns["step_due_at"] or proposal.expires_at
    return InboxRow(
        id=proposal.public_id,
        headline=proposal.headline,
        tool=proposal.tool,
        tool_title=title,
        risk=risk,
        company=proposal.company,
        counterparty=proposal.counterparty,
        counterparty_name=proposal.counterparty_name,
        amount=proposal.amount,
        routed=Money(columns["routed_minor"], columns["routed_currency"] or proposal.currency),
        agent_id=proposal.agent.public_id,
        agent_name=proposal.agent.name,
        state=ProposalState(proposal.state),
        revision=proposal.revision,
        created_at=proposal.created_at,
        due_at=due_at,
        is_late=is_pending and due_at <= now,
        step_position=(columns["step_position"] or 0) if is_pending else 0,
        step_count=columns["step_count"],
        step_group=(columns["step_group"] or "") if is_pending else "",
        approvals=columns["approval_count"],
        min_approvals=(columns["step_min_approvals"] or 0) if is_pending else 0,
        warnings=tuple(str(text) for text in proposal.facts.get("warnings", ())),
        evidence_count=columns["evidence_count"],
        is_log_only=proposal.is_log_only,
        is_frozen=is_pending and isinstance(agent_standing(proposal.agent, now), Denied),
        my_decision=DecisionKind(columns["my_decision"]) if columns["my_decision"] else None,
        my_decision_at=columns["my_decision_at"],
    )


def _tool_facts(name: str) -> tuple[str, str]:
    """Return title and risk of a tool; a tool that has left the catalogue keeps its name."""
    try:
        tool = get_tool(name)
    except UnknownTool:
        return name, ""
    return tool.title, str(tool.risk)
