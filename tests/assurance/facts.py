"""Facts for the rules: one plain write, changed as a test says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from approvals.rules import AccountFacts, Case, Entry, History, Line, Usage
from kernel.money import Money

# Wednesday 2026-11-18, 10:00 UTC: no weekend, no month's end, within anybody's hours.
ENTERED_AT = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)


def an_entry(amount: str = "1234.56", *, currency: str = "EUR", **changes: Any) -> Entry:
    """Return an order for vendor 70001 that no rule holds anything against."""
    values: dict[str, Any] = {
        "tool": "create_purchase_order",
        "company": "DE01",
        "agent": "agent_a",
        "amount": Money.parse(amount, currency),
        "counterparty": "70001",
        "effective_on": date(2026, 11, 18),
        "entered_at": ENTERED_AT,
    }
    return Entry(**{**values, **changes})


def a_journal_entry(*accounts: tuple[str, bool], **changes: Any) -> Entry:
    """Return an entry over these accounts (number, is it a debit); 6300 against 2000 unless said."""
    lines = tuple(Line(number, is_debit, 123456) for number, is_debit in accounts or (("6300", True), ("2000", False)))
    values: dict[str, Any] = {
        "tool": "post_journal_entry",
        "description": "Accrued cleaning, November",
        "lines": lines,
        "counterparty": "6300",
    }
    return an_entry(**{**values, **changes})


def a_history(**changes: Any) -> History:
    """Return a history without anything unusual in it."""
    values: dict[str, Any] = {
        "agent_writes": 100,
        "agent_writes_here": 10,
        "alike": (),
        "limit_minor": 0,
        "near_limit": 0,
        "observations": 40,
        "median_minor": 123_000,
        "deviation_minor": 10_000,
    }
    return History(**{**values, **changes})


def a_usage(postings: int = 1_000, **accounts: int) -> Usage:
    """Return the usage of accounts 6300 and 2000, often posted to and often together; `a6300=2` sets one count."""
    counts = {"6300": 50, "2000": 50} | {name.removeprefix("a"): count for name, count in accounts.items()}
    kinds = {"4": "revenue", "6": "expense", "2": "liability", "1": "asset"}
    facts = {number: AccountFacts(kinds[number[0]], "cash" if number == "1000" else "", count) for number, count in counts.items()}
    return Usage(postings, facts, {("6300", "2000"): 20})


def a_case(entry: Entry | None = None, **facts: Any) -> Case:
    """Return a case of this entry with these facts; a group that is not given is missing."""
    return Case(entry=entry or an_entry(), **facts)
