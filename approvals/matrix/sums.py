"""Rolling sums of one agent per counterparty, account or cost centre: splitting an amount does not get round a threshold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db.models import Sum

from approvals.matrix.rates import Rates
from approvals.states import RollingKey
from kernel.money import Money
from kernel.together import Reply, Together
from proposals.gate import Draft
from proposals.models import Proposal
from proposals.queries import COUNTED
from proposals.rolling import ask_sums

# Company and currency of some earlier writes, and their sum.
Totals = dict[tuple[str, str], int]


class RollingSums:
    """The sums for the drafts of one transaction: what the rows say, asked once per tool, window and key, and what was planned."""

    def __init__(self, drafts: Sequence[Draft], rates: Rates) -> None:
        """Begin with nothing looked up."""
        self._drafts = drafts
        self._rates = rates
        self._found: dict[tuple[str, str, int], dict[str, Totals]] = {}
        self._planned: list[Draft] = []

    def count(self, draft: Draft) -> None:
        """Count a draft that was planned: it is going to be a proposal."""
        self._planned.append(draft)

    def earlier(self, draft: Draft, days: int, by: str) -> int:
        """Return what was proposed before under the same key, in minor units of the company's currency.

        Writes in that currency count whatever their company, writes of this company count whatever their currency. Where a write
        touches several accounts, the account with the largest sum decides. Raises NoRate.
        """
        base = self._rates.currency_of(draft.company, draft.effect.amount.currency)
        totals = []
        for value in _values(draft, by):
            found: Totals = defaultdict(int)
            for place, minor in self._stored(draft, days, by).get(value, {}).items():
                found[place] += minor
            for other in self._planned:
                if other.tool.name == draft.tool.name and value in _values(other, by):
                    found[other.company, other.effect.amount.currency] += other.effect.amount.minor
            totals.append(self._in_base(found, draft, base))
        return max(totals, default=0)

    def _in_base(self, found: Totals, draft: Draft, base: str) -> int:
        total = 0
        for (company, currency), minor in found.items():
            if currency == base:
                total += minor
            elif company == draft.company:
                total += self._rates.in_base(company, Money(minor, currency), draft.now.date()).base.minor
        return total

    def _stored(self, draft: Draft, days: int, by: str) -> dict[str, Totals]:
        tool = draft.tool.name
        key = (tool, by, days)
        if key not in self._found:
            found: dict[str, Totals] = defaultdict(dict)
            if by == RollingKey.ACCOUNT:
                rows = Proposal.objects.filter(
                    agent_id=draft.agent.pk, tool=tool, created_at__gt=draft.now - timedelta(days=days), state__in=COUNTED
                )
                for account in {value for other in self._drafts if other.tool.name == tool for value in _values(other, by)}:
                    touching = rows.filter(payload__lines__contains=[{"account": account}])
                    for company, currency, total in touching.values_list("company", "currency").annotate(total=Sum("amount_minor")):
                        found[account][company, currency] = total
                self._found[key] = found
            else:
                together = Together()
                self._ask(together, draft, days, by)
                together.send()
        return self._found[key]

    def ask(self, together: Together, measures: Iterable[tuple[str, int, str]]) -> None:
        """Ask with others for the sums that rows with these tools, windows in days and keys will compare."""
        by_tool = {draft.tool.name: draft for draft in self._drafts}
        for tool, days, by in measures:
            if tool in by_tool and by != RollingKey.ACCOUNT:
                self._ask(together, by_tool[tool], days, by)

    def _ask(self, together: Together, draft: Draft, days: int, by: str) -> None:
        tool = draft.tool.name
        wanted = {value for other in self._drafts if other.tool.name == tool for value in _values(other, by)}

        def keep(asked: Reply) -> None:
            found: dict[str, Totals] = defaultdict(dict)
            for value, company, currency, total in asked.rows:
                found[value][company, currency] = total
            self._found[tool, by, days] = found

        asked = ask_sums(together, draft.agent.pk, tool, by, sorted(wanted), since=draft.now - timedelta(days=days))
        asked.then = keep


def _values(draft: Draft, by: str) -> tuple[str, ...]:
    if by == RollingKey.ACCOUNT:
        return draft.effect.accounts
    return (draft.effect.cost_centre if by == RollingKey.COST_CENTRE else draft.effect.counterparty,)
