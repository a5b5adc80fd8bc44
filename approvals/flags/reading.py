"""A payload as the rules see it: its lines, its words, what it reverses; the same for a draft and for a stored proposal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from approvals.rules import Entry, Line
from kernel.money import Money

# The field of each tool's payload in which somebody says what the write is for; a note to a vendor is none.
DESCRIBED_BY = {"post_journal_entry": "description", "update_customer": "reason"}


def entry_of(
    *,
    tool: str,
    company: str,
    agent: str,
    params: Mapping[str, Any],
    amount: Money,
    counterparty: str,
    effective_on: date,
    entered_at: datetime,
    is_asked_again: bool = False,
) -> Entry:
    """Return the write as the rules see it; `params` is the payload after validation and defaults."""
    described = DESCRIBED_BY.get(tool)
    return Entry(
        tool=tool,
        company=company,
        agent=agent,
        amount=amount,
        counterparty=counterparty,
        effective_on=effective_on,
        entered_at=entered_at,
        description=str(params.get(described) or "") if described else None,
        lines=lines_of(params, amount.currency),
        reverses=str(params.get("reverses") or ""),
        is_asked_again=is_asked_again,
    )


def lines_of(params: Mapping[str, Any], currency: str) -> tuple[Line, ...]:
    """Return the lines that post to accounts; none for what posts nothing by itself."""
    lines = params.get("lines") or ()
    return tuple(
        Line(str(line["account"]), bool(line.get("debit")), Money.parse(str(line.get("debit") or line.get("credit")), currency).minor)
        for line in lines
        if "account" in line
    )
