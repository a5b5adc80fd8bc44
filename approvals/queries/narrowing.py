"""What the inbox is narrowed to: conditions on proposals, each of which PostgreSQL answers from an index or in a look at one row."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.flags.models import Flag
from approvals.models import RouteStep
from approvals.states import StepState
from kernel.money import EXPONENTS
from proposals.models import NOTED, Proposal
from proposals.states import ProposalState

WORDS_MAX = 8
# Nothing wants a look: no rule struck, no warning of the tool, no fact that drifted.
IS_CLEAR = ~Exists(Flag.objects.filter(proposal=OuterRef("pk"))) & ~NOTED
AMOUNT = re.compile(r"\d{1,12}(\.\d{1,4})?")


@dataclass(frozen=True, slots=True)
class InboxFilters:
    """What narrows and orders the list; empty means all, what is due first at the top.

    `q` is looked for in headline, counterparty, reference; `due` is late, today or week; `flagged` is flagged or clear; `from_amount` is
    decimal text in each proposal's own currency; `order` is one of `inbox.ORDERS`.
    """

    company: str = ""
    tool: str = ""
    agent: str = ""
    q: str = ""
    due: str = ""
    flagged: str = ""
    from_amount: str = ""
    order: str = ""

    @property
    def is_narrowing(self) -> bool:
        """Return whether the list is less than the whole view."""
        return bool(self.company or self.tool or self.agent or self.q or self.due or self.flagged or self.from_amount)


def narrowed(found: QuerySet[Proposal], filters: InboxFilters, now: datetime, *, is_pending: bool) -> QuerySet[Proposal]:
    """Return the proposals that pass; `is_pending` tells that all of them wait."""
    if filters.company:
        found = found.filter(company=filters.company)
    if filters.tool:
        found = found.filter(tool=filters.tool)
    if filters.agent:
        found = found.filter(agent__name=filters.agent)
    until = {"late": now, "today": _end_of_day(now), "week": _end_of_day(now) + timedelta(days=6)}.get(filters.due)
    if until is not None:
        # A step is due before its proposal ends (`calendars.queries`), and what is due is an index of its own.
        found = found.filter(pk__in=RouteStep.objects.filter(state=StepState.OPEN, due_at__lte=until).values("route_id"))
    if filters.flagged:
        wants_look = _looked_up() if is_pending else ~IS_CLEAR
        found = found.filter(wants_look if filters.flagged == "flagged" else IS_CLEAR)
    if (amount := _amount(filters.from_amount)) is not None:
        found = found.filter(_at_least(amount))
    for word in filters.q.split()[:WORDS_MAX]:
        found = found.filter(
            Q(headline__icontains=word) | Q(counterparty__iexact=word) | Q(counterparty_name__icontains=word) | Q(reference__icontains=word)
        )
    return found


def _looked_up() -> Q:
    """Return the condition on what waits and wants a look: two short lists instead of a look at everything that waits."""
    waiting = Proposal.objects.filter(state=ProposalState.PENDING)
    struck = Flag.objects.filter(proposal__in=waiting)
    return Q(pk__in=struck.values("proposal_id").union(waiting.filter(NOTED).values("pk")))


def _end_of_day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _at_least(amount: Decimal) -> Q:
    """Return the condition on proposals of at least so much, each in its own currency."""
    condition = ~Q(currency__in=EXPONENTS) & Q(amount_minor__gte=math.ceil(amount * 100))
    for digits in set(EXPONENTS.values()):
        currencies = [code for code, places in EXPONENTS.items() if places == digits]
        condition |= Q(currency__in=currencies, amount_minor__gte=math.ceil(amount * 10**digits))
    return condition


def _amount(text: str) -> Decimal | None:
    """Return what was typed as an amount; None for anything else."""
    found = AMOUNT.fullmatch(text.replace(",", "").strip())
    return Decimal(found.group()) if found else None
