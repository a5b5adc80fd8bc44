"""What the rules need of the ERP, asked before the transaction of a submission: how accounts are used, what an entry reverses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from approvals.flags.queries import thresholds_in_force
from approvals.flags.reading import entry_of
from approvals.rules import AccountFacts, Entry, Thresholds, Usage
from approvals.rules.history_rules import NO_USAGE
from gateway.connections import connector_for
from gateway.port import AccountUsage, Connector, TellsUsage
from kernel.errors import DomainError
from proposals.gate import Asked

USAGE, ORIGINAL_ON, MISSING = "usage", "original_on", "missing"


def observe(asked: Sequence[Asked]) -> list[Mapping[str, object]]:
    """Return, for each write, what the ERP told about its accounts and about what it reverses; one question for each company.

    An ERP that can't tell, or does not answer, refuses nothing here: the rules that need the answer are then not tested.
    """
    found: list[Mapping[str, object]] = [{} for _ in asked]
    by_company: dict[str, list[tuple[int, Entry]]] = {}
    for index, item in enumerate(asked):
        if any("account" in line for line in item.params.get("lines") or ()):
            by_company.setdefault(item.company, []).append((index, _entry(item)))
    thresholds = thresholds_in_force(by_company) if by_company else {}
    for company, entries in by_company.items():
        seen = _seen(company, [entry for _, entry in entries], thresholds[company].thresholds, asked[0].now)
        for (index, _), answer in zip(entries, seen, strict=True):
            found[index] = answer
    return found


def _entry(item: Asked) -> Entry:
    return entry_of(
        tool=item.tool.name,
        company=item.company,
        agent="",
        params=item.params,
        amount=item.effect.amount,
        counterparty=item.effect.counterparty,
        effective_on=item.effect.effective_on,
        entered_at=item.now,
    )


def _seen(company: str, entries: Sequence[Entry], thresholds: Thresholds, now: datetime) -> list[Mapping[str, object]]:
    try:
        connector = connector_for(company)
        usage = usage_of(connector, company, entries, thresholds, until=None, today=now.date())
        originals = _originals(connector, company, entries)
    except DomainError as error:
        return [{MISSING: f"the ERP did not answer: {error.title}"} for _ in entries]
    seen: list[Mapping[str, object]] = []
    for entry in entries:
        facts: dict[str, object] = {USAGE: usage} if usage else {MISSING: NO_USAGE}
        if entry.reverses:
            facts[ORIGINAL_ON] = originals.get(entry.reverses)
        seen.append(facts)
    return seen


def usage_of(
    connector: Connector, company: str, entries: Sequence[Entry], thresholds: Thresholds, *, until: date | None, today: date
) -> Usage | None:
    """Return how the accounts of these entries were used in the window before `until`, or None where the ERP does not tell."""
    if not isinstance(connector, TellsUsage):
        return None
    accounts = sorted({account for entry in entries for account in entry.accounts})
    pairs = sorted({pair for entry in entries for pair in entry.pairs})
    since = (until or today) - timedelta(days=thresholds.usage_days)
    bound = max(thresholds.usage_postings_from, thresholds.seldom_uses, thresholds.pair_uses) + 1
    return _usage(connector.account_usage(company, accounts, pairs, since=since, until=until, bound=bound))


def _usage(found: AccountUsage) -> Usage:
    uses = {number: AccountFacts(item.kind, item.role, item.postings) for number, item in found.accounts.items()}
    return Usage(found.postings, uses, found.pairs)


def _originals(connector: Connector, company: str, entries: Sequence[Entry]) -> dict[str, date]:
    """Return the accounting dates of the documents that some of the entries reverse, where the ERP tells them."""
    documents = sorted({entry.reverses for entry in entries if entry.reverses})
    landed = connector.read_back_many(company, documents) if documents else {}
    return {document: day for document, fields in landed.items() if (day := _day(fields))}


def _day(landed: Mapping[str, object]) -> date | None:
    for name in ("effective_on", "ordered_on"):
        try:
            return date.fromisoformat(str(landed.get(name, "")))
        except ValueError:
            continue
    return None
