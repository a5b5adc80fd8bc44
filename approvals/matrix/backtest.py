"""A version tried on what really happened: how the proposals of the last 90 days would route by it, and what that changes."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from approvals.matrix.rates import NoRate, Rates
from approvals.models import Policy, PolicyRow, Route
from approvals.routing import Question, StepRule, first_match, groups_of, rule_kind, step_rules
from approvals.states import RollingKey, StepRuleKind
from gateway.catalogue import TOOLS
from identity.models import Grant
from kernel.ids import Prefix, encode
from kernel.money import Money
from proposals.models import Proposal
from proposals.queries import COUNTED

DAYS = 90
PROPOSALS_MAX = 5_000
HISTORY_MAX = 50_000
SECOND = 2


class Change(StrEnum):
    """What the version would change for one proposal, the worst first."""

    AUTOMATIC = "automatic"
    LOSES_SECOND = "loses_second"
    REFUSED = "refused"
    GAINS_SECOND = "gains_second"
    OTHER_PEOPLE = "other_people"


@dataclass(frozen=True, slots=True)
class Differing:
    """One proposal that would route differently."""

    proposal_id: str
    headline: str
    amount: Money
    created_at: datetime
    state: str
    change: Change
    was: str
    would: str
    was_row: int
    row: int | None


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of trying; `is_complete` tells whether every proposal of the period was tried."""

    since: datetime
    tried: int
    is_complete: bool
    differing: tuple[Differing, ...]

    def count(self, *changes: Change) -> int:
        """Return how many proposals change in one of these ways."""
        return sum(item.change in changes for item in self.differing)


@dataclass(slots=True)
class _Past:
    """One earlier proposal as far as routing looks at it."""

    id: UUID
    agent_id: UUID
    tool: str
    company: str
    cost_centre: str
    counterparty: str
    accounts: tuple[str, ...]
    amount: Money
    state: str
    created_at: datetime
    headline: str
    is_log_only: bool

    def values(self, by: str) -> tuple[str, ...]:
        if by == RollingKey.ACCOUNT:
            return self.accounts
        return (self.cost_centre if by == RollingKey.COST_CENTRE else self.counterparty,)


@dataclass(slots=True)
class _Window:
    """The sums of one window, moved forward proposal by proposal."""

    days: int
    by: str
    queues: dict[tuple[UUID, str, str], deque[_Past]] = field(default_factory=lambda: defaultdict(deque))

    def earlier(self, past: _Past, base: str, rates: Rates) -> int:
        totals = []
        for value in past.values(self.by):
            queue = self.queues[past.agent_id, past.tool, value]
            while queue and queue[0].created_at <= past.created_at - timedelta(days=self.days):
                queue.popleft()
            totals.append(sum(_minor_in(item, past, base, rates) for item in queue))
        return max(totals, default=0)

    def add(self, past: _Past) -> None:
        for value in past.values(self.by):
            self.queues[past.agent_id, past.tool, value].append(past)


def backtest(policy: Policy, companies: Iterable[str], now: datetime) -> Backtest:
    """Return what the version would change for the proposals of the last 90 days in these companies.

    Groups and limits are not asked: it compares whom the rows ask, not who sits where today. A rolling sum counts what is pending or
    approved now; a vendor's class is that of the submission, known only where the matrix of then asked for one. At most the newest
    PROPOSALS_MAX are tried.
    """
    since = now - timedelta(days=DAYS)
    rows = list(policy.rows.all())
    windows = [_Window(days, by) for days, by in dict.fromkeys((row.rolling_days, str(row.rolling_by)) for row in rows if row.rolling_days)]
    reach = max((window.days for window in windows), default=0)
    visible = Proposal.objects.filter(company__in=set(companies), created_at__gt=since, created_at__lte=now, route__isnull=False)
    wanted = set(visible.order_by("-created_at").values_list("pk", flat=True)[: PROPOSALS_MAX + 1])
    is_complete = len(wanted) <= PROPOSALS_MAX
    history = _history(since - timedelta(days=reach), now) if wanted else []
    routes = _routes(wanted)
    grants = Grant.objects.in_bulk({then.grant for then in routes.values()})
    rates = Rates()
    found: list[Differing] = []
    for past in history:
        if past.id in wanted and past.id in routes:
            then = routes[past.id]
            differing = _try(past, rows, then, grants.get(then.grant), windows, rates)
            if differing is not None:
                found.append(differing)
        if past.state in COUNTED:
            for window in windows:
                window.add(past)
    order = list(Change)
    found.sort(key=lambda item: (order.index(item.change), -item.created_at.timestamp()))
    return Backtest(since, min(len(wanted), PROPOSALS_MAX), is_complete, tuple(found))


def _history(since: datetime, now: datetime) -> list[_Past]:
    rows = Proposal.objects.filter(created_at__gt=since, created_at__lte=now).order_by("-created_at", "-pk")
    values = rows.values_list(
        "pk", "agent_id", "tool", "company", "cost_centre", "counterparty", "payload__lines", "amount_minor", "currency", "state",
        "created_at", "headline", "is_log_only",
    )[:HISTORY_MAX]  # fmt: skip
    past = [
        _Past(key, agent, tool, company, centre, party, _accounts(lines), Money(minor, currency), state, at, headline, is_log_only)
        for key, agent, tool, company, centre, party, lines, minor, currency, state, at, headline, is_log_only in values
    ]
    return past[::-1]


def _accounts(lines: object) -> tuple[str, ...]:
    listed = lines if isinstance(lines, list) else []
    return tuple(dict.fromkeys(str(line["account"]) for line in listed if isinstance(line, dict) and "account" in line))


@dataclass(frozen=True, slots=True)
class _Then:
    """What routing found at submission: the row that decided, the rules that had struck, the vendor's class, and the grant."""

    row: PolicyRow
    flags: frozenset[str]
    vendor_class: str
    grant: UUID


def _routes(keys: set[UUID]) -> dict[UUID, _Then]:
    found = {}
    for route in Route.objects.select_related("row").filter(pk__in=keys):
        snapshot = route.snapshot
        found[route.pk] = _Then(
            route.row,
            frozenset(str(code) for code in snapshot.get("flags", ())),
            str(snapshot.get("vendor_class", "")),
            UUID(snapshot["grant"]),
        )
    return found


def _try(
    past: _Past,
    rows: list[PolicyRow],
    then: _Then,
    grant: Grant | None,
    windows: list[_Window],
    rates: Rates,
) -> Differing | None:
    """Return how the proposal would route otherwise, or None when it asks the same people in the same way."""
    tool = TOOLS.get(past.tool)
    try:
        base = rates.in_base(past.company, past.amount, past.created_at.date()).base
        question = Question(
            tool=past.tool,
            company=past.company,
            cost_centre=past.cost_centre,
            amount=base,
            may_be_automatic=bool(tool and tool.is_reversible) and not past.is_log_only and _is_within(grant, past.amount),
            accounts=past.accounts,
            counterparty=past.counterparty,
            vendor_class=then.vendor_class,
            flags=then.flags,
        )
        by_measure = {(window.days, window.by): window for window in windows}
        match = first_match(rows, question, lambda days, by: by_measure[days, str(by)].earlier(past, base.currency, rates))
    except NoRate:
        match = None
    was, would = then.row, match.row if match else None
    if would is not None and signature(would) == signature(was):
        return None
    return Differing(
        proposal_id=encode(Prefix.PROPOSAL, past.id),
        headline=past.headline,
        amount=past.amount,
        created_at=past.created_at,
        state=past.state,
        change=_change(was, would),
        was=asked(was),
        would=asked(would) if would is not None else "refused as unroutable",
        was_row=was.priority,
        row=would.priority if would is not None else None,
    )


def _change(was: PolicyRow, would: PolicyRow | None) -> Change:
    if would is None:
        return Change.REFUSED
    if would.is_automatic:
        return Change.AUTOMATIC
    before, after = approvals_asked(was), approvals_asked(would)
    if before >= SECOND > after:
        return Change.LOSES_SECOND
    if after >= SECOND > before:
        return Change.GAINS_SECOND
    return Change.OTHER_PEOPLE


def signature(row: PolicyRow) -> tuple[object, ...]:
    """Return whom a row asks and how many, in a form that compares."""
    return (row.is_automatic, *((tuple(sorted(groups_of(rule))), str(rule_kind(rule)), rule["min_approvals"]) for rule in step_rules(row)))


def approvals_asked(row: PolicyRow) -> int:
    """Return how many different people at least have to approve."""
    return sum(_people(rule) for rule in step_rules(row))


def _people(rule: StepRule) -> int:
    if rule_kind(rule) is StepRuleKind.PER_GROUP and rule.get("is_distinct", True):
        return rule["min_approvals"] * len(groups_of(rule))
    return rule["min_approvals"]


def asked(row: PolicyRow) -> str:
    """Return whom a row asks, shortly: 1 of purchasing, then 2 of finance."""
    if row.is_automatic:
        return "nobody: automatic"
    return ", then ".join(_asked(rule) for rule in step_rules(row))


def _asked(rule: StepRule) -> str:
    groups = groups_of(rule)
    words: Mapping[StepRuleKind, str] = {
        StepRuleKind.ANY: f"any one of {' or '.join(groups)}",
        StepRuleKind.ALL: f"everybody of {' and '.join(groups)}",
        StepRuleKind.PER_GROUP: f"{rule['min_approvals']} of each of {' and '.join(groups)}",
    }
    return words.get(rule_kind(rule), f"{rule['min_approvals']} of {' and '.join(groups)}")


def _is_within(grant: Grant | None, amount: Money) -> bool:
    return (
        grant is not None and grant.ceiling_minor is not None and grant.currency == amount.currency and amount.minor <= grant.ceiling_minor
    )


def _minor_in(item: _Past, past: _Past, base: str, rates: Rates) -> int:
    if item.amount.currency == base:
        return item.amount.minor
    if item.company != past.company:
        return 0
    return rates.in_base(item.company, item.amount, past.created_at.date()).base.minor
