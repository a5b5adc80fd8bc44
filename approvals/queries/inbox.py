"""The inbox: what waits for me, for my groups, for others, and what I decided; a constant number of queries per page."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.contrib.auth.models import User
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from approvals.models import Decision, RouteStep
from approvals.queries.narrowing import InboxFilters, narrowed
from approvals.queries.turns import Person
from approvals.states import DecisionKind, StepState
from gateway.catalogue import get_tool
from gateway.errors import UnknownTool
from identity.policies import agent_standing
from kernel.context import current_origin
from kernel.money import Money
from kernel.verdicts import Denied
from proposals.models import Citation, Proposal
from proposals.states import ProposalState

PAGE_SIZE_MAX = 100
ORDERS = {
    "due": ("route__steps__due_at", "pk"),
    "-due": ("-route__steps__due_at", "-pk"),
    "amount": ("amount_minor", "pk"),
    "-amount": ("-amount_minor", "-pk"),
    "agent": ("agent__name", "expires_at", "pk"),
    "-agent": ("-agent__name", "expires_at", "pk"),
    "new": ("-pk",),
}
# Nobody needs to know whether 3,000 or 90,000 wait, and counting them would cost every page more than everything else on it.
COUNTED_MAX = 1_000


class View(StrEnum):
    """The tabs of the inbox."""

    MINE = "mine"
    GROUP = "group"
    WAITING = "waiting"
    DELEGATED = "delegated"
    DONE = "done"


NEAR = (View.MINE, View.GROUP)
# Nothing is ordered by the empty name: it is the cheapest way to the first so many, for counting.
NEAR_COLUMNS = {"": "expires_at", "amount": "amount_minor", "due": "route__steps__due_at"}
USUAL = "due"
NEAR_MAX = 2 * COUNTED_MAX


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
    size, wanted = max(1, min(size, PAGE_SIZE_MAX)), filters or InboxFilters()
    look = _look(user, now)
    chosen = next((known for known in View if known.value == view), View.MINE)
    keys = _first(look, chosen, wanted)
    pages = max(1, math.ceil(len(keys) / size))
    page = max(1, min(page, pages))
    shown = keys[(page - 1) * size : page * size]
    found = {item.pk: item for item in _with_columns(Proposal.objects.filter(pk__in=shown), user)}
    rows = tuple(_row(found[key], now) for key in shown if key in found)
    return InboxPage(rows=rows, total=len(keys), page=page, pages=pages)


def _first(look: _Look, view: View, filters: InboxFilters) -> list[uuid.UUID]:
    """Return the keys of the first thousand, in their order: all that is ever paged through, so that nothing else is read for those behind.

    Unfiltered they are counted at the same time, which the tabs would ask for again.
    """
    keys: list[uuid.UUID] = []
    if view in NEAR and (near := look.near(_order(filters))) is not None:
        keys = list(_ordered(look.person.by_each(), view, filters, near)[:COUNTED_MAX])
    if len(keys) < COUNTED_MAX:
        keys = list(_ordered(look.person, view, filters)[:COUNTED_MAX])
    if not filters.is_narrowing:
        look.counted[view] = len(keys)
    return keys


def _ordered(person: Person, view: View, filters: InboxFilters, near: Q | None = None) -> QuerySet[Proposal, uuid.UUID]:
    found = narrowed(_of_view(person, view, person.now), filters, person.now, is_pending=view is not View.DONE)
    if view is View.WAITING and not filters.is_narrowing:
        found = _among_the_first(person, found)
    if view is View.DONE:
        found = found.annotate(my_decision_at=_mine(person.user).values("decided_at")[:1])
        if filters.order not in ORDERS:
            return found.order_by("-my_decision_at", "-pk").values_list("pk", flat=True)
    order, due = ORDERS[_order(filters)], "route__steps__due_at"
    if near is not None:
        # The instants of open steps are an index: whatever waits has one open step, and it has known since it opened when it is due.
        found = found.filter(near & (Q(route__steps__state=StepState.OPEN) if order[0].endswith(due) else Q()))
    elif order[0].endswith(due):
        # Few are expected: found first by what narrows them, and then asked one by one when they are due.
        found = found.annotate(due_at=Subquery(RouteStep.objects.filter(route=OuterRef("pk"), state=StepState.OPEN).values("due_at")[:1]))
        order = (order[0].replace(due, "due_at"), *order[1:])
    return found.order_by(*order).values_list("pk", flat=True)


def _order(filters: InboxFilters) -> str:
    return filters.order if filters.order in ORDERS else USUAL


def badge(user: User, now: datetime) -> int:
    """Return how many proposals the person can act on now, by their own right or by somebody else's; COUNTED_MAX stands for more."""
    look = _look(user, now)
    return look.count(View.MINE) + look.count(View.DELEGATED)


def counts(user: User, now: datetime) -> Counts:
    """Return the numbers beside the tabs."""
    look = _look(user, now)
    return Counts(*(look.count(view) for view in (View.MINE, View.GROUP, View.WAITING, View.DELEGATED)))


@dataclass(slots=True)
class _Look:
    """What one person may see, and how much of it was counted already."""

    person: Person
    request_id: str
    counted: dict[View, int] = field(default_factory=dict)
    nearest: dict[str, Q | None] = field(default_factory=dict)

    def count(self, view: View) -> int:
        """Return how many proposals the view has without filters."""
        if view not in self.counted:
            is_empty = view is View.DELEGATED and not self.person.held
            self.counted[view] = 0 if is_empty else self._found(view)
        return self.counted[view]

    def _found(self, view: View) -> int:
        if view in NEAR and (near := self.near("")) is not None:
            found = _of_view(self.person.by_each(), view, self.person.now).filter(near)
            if found.order_by("expires_at")[:COUNTED_MAX].count() == COUNTED_MAX:
                return COUNTED_MAX
        rows = _of_view(self.person, view, self.person.now)
        if view is View.WAITING:
            rows = _among_the_first(self.person, rows)
        return rows.order_by("expires_at")[:COUNTED_MAX].count()

    def near(self, order: str) -> Q | None:
        """Return the condition on the first NEAR_MAX of everything that waits in this order; None where less waits, or it has no index.

        A thousand of the person's own are nearly always among them, and are then found without a look at what is behind.
        """
        name, is_down = NEAR_COLUMNS.get(order.removeprefix("-"), ""), order.startswith("-")
        if None in self.nearest.values():
            return None  # less waits, in whatever order
        if name and order not in self.nearest:
            first = RouteStep.objects.filter(state=StepState.OPEN) if "__" in name else _pending(self.person, self.person.now)
            column = name.rpartition("__")[2]
            last = first.order_by(f"-{column}" if is_down else column).values_list(column, flat=True)[NEAR_MAX - 1 : NEAR_MAX].first()
            self.nearest[order] = None if last is None else Q(**{f"{name}__{'gte' if is_down else 'lte'}": last})
        return self.nearest.get(order)


def _look(user: User, now: datetime) -> _Look:
    """Return what the person may see: within one request the badge, the tabs and the list share it, outside it is looked up anew."""
    request_id = current_origin().request_id
    kept = vars(user).get("_look")
    if isinstance(kept, _Look) and request_id and kept.request_id == request_id:
        return kept
    look = vars(user)["_look"] = _Look(Person(user, now), request_id)
    return look


def _of_view(person: Person, view: View, now: datetime) -> QuerySet[Proposal]:
    visible = Proposal.objects.filter(company__in=person.companies)
    if view is View.DONE:
        return visible.filter(Exists(Decision.objects.filter(proposal=OuterRef("pk"), user=person.user)))
    pending = _pending(person, now)
    if view is View.MINE:
        return pending.filter(person.mine())
    if view is View.DELEGATED:
        return pending.filter(person.delegated())
    if view is View.GROUP:
        return pending.filter(person.asked())
    return pending.filter(person.involved()).exclude(person.mine())


def _among_the_first(person: Person, waiting: QuerySet[Proposal]) -> QuerySet[Proposal]:
    """Return what waits for others among the first thousand that the person is involved in: most of that is theirs, and not looked for."""
    involved = _pending(person, person.now).filter(person.involved()).order_by("expires_at")
    return waiting.filter(pk__in=involved.values("pk")[:COUNTED_MAX])


def _pending(person: Person, now: datetime) -> QuerySet[Proposal]:
    return Proposal.objects.filter(company__in=person.companies, state=ProposalState.PENDING, expires_at__gt=now)


def _with_columns(found: QuerySet[Proposal], user: User) -> QuerySet[Proposal]:
    open_steps = RouteStep.objects.filter(route=OuterRef("pk"), state=StepState.OPEN)
    mine = _mine(user)
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


def _mine(user: User) -> QuerySet[Decision]:
    """Return the person's decisions on the proposal around them."""
    return Decision.objects.filter(proposal=OuterRef("pk"), user=user)


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
