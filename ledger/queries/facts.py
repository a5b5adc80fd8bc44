"""The facts an approval leans on, observed again at commit: one statement per master table, one message, however many facts are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from kernel.clock import now as clock_now
from kernel.together import Reply, Together
from ledger.contracts import FactQuery
from ledger.decimals import decimal_text, minor_text
from ledger.queries.common import day_of, invalid
from ledger.sql import LEDGER, arrays

# The answer about what does not exist.
ABSENT = "absent"
# The bank fingerprint of a vendor without bank details; not the same as no vendor.
NO_BANK_DETAILS = "none"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where facts of one table come from: the parts of a subject with their types, the statement, and the answers per row.

    The statement's first column is the one-based position of the subject; the rest, and the instant, is handed to the answers.
    """

    parts: tuple[tuple[str, str], ...]
    statement: str
    answers: dict[str, Callable[[Row], str]]


def observe(queries: Sequence[FactQuery], *, now: datetime | None = None) -> list[str]:
    """Return the present value of each fact as text, in their order; "absent" where the subject does not exist.

    Raises ValidationFailed for a fact that is not known or a subject of the wrong form. `now` matters to business_date only.
    """
    instant = now or clock_now()
    by_source: dict[int, set[FactQuery]] = {}
    for query in queries:
        if query.kind not in _SOURCE_OF:
            raise invalid("kind", f"{query.kind!r} is no fact", ", ".join(sorted(_SOURCE_OF)))
        by_source.setdefault(_SOURCE_OF[query.kind], set()).add(query)
    together = Together(LEDGER)
    asked = [_ask(together, _SOURCES[position], wanted) for position, wanted in sorted(by_source.items())]
    together.send()
    answers: dict[FactQuery, str] = {}
    for item in asked:
        answers.update(_answers(item, instant))
    return [answers.get(query, ABSENT) for query in queries]


@dataclass(frozen=True, slots=True)
class _AskedSource:
    source: _Source
    wanted: set[FactQuery]
    subjects: list[tuple[str, ...]]
    asked: Reply


def _ask(together: Together, source: _Source, wanted: set[FactQuery]) -> _AskedSource:
    subjects: list[tuple[str, ...]] = sorted({(query.company, *query.subject) for query in wanted})
    for subject in subjects:
        _check(source, subject[1:])
    types = ", ".join(["%s::text[]", *(f"%s::{kind}[]" for _, kind in source.parts)])
    names = ", ".join(["owner", *(f"wanted_{name}" for name, _ in source.parts), "position"])
    origin = f"unnest({types}) WITH ORDINALITY AS wanted ({names}) JOIN ledger_company AS company ON company.code = wanted.owner"
    asked = together.ask(source.statement.format(origin=origin), arrays(subjects, len(source.parts) + 1))
    return _AskedSource(source, wanted, subjects, asked)


def _answers(item: _AskedSource, now: datetime) -> dict[FactQuery, str]:
    found = {item.subjects[position - 1]: tuple(values) for position, *values in item.asked.rows}
    answers = item.source.answers
    return {query: answers[query.kind]((*found[key], now)) for query in item.wanted if (key := (query.company, *query.subject)) in found}


def _check(source: _Source, subject: tuple[str, ...]) -> None:
    names = ", ".join(name for name, _ in source.parts) or "nothing"
    if len(subject) != len(source.parts):
        raise invalid("subject", f"{list(subject)!r} does not name {names}", names)
    for (name, kind), value in zip(source.parts, subject, strict=True):
        if kind == "date":
            day_of(value, name)
        if kind == "int" and not (value.isascii() and value.isdecimal() and len(value) <= 9):
            raise invalid(name, f"{value!r} is not a number", "digits")


_SOURCES = (
    _Source(
        (),
        "SELECT position, company.currency, company.time_zone FROM {origin}",
        {
            "company_currency": lambda row: str(row[0]),
            "business_date": lambda row: row[-1].astimezone(ZoneInfo(row[1])).date().isoformat(),
        },
    ),
    _Source(
        (("on", "date"),),
        "SELECT position, period.state FROM {origin} JOIN ledger_period AS period ON period.company_id = company.id"
        " AND period.year = extract(year FROM wanted_on) AND period.month = extract(month FROM wanted_on)",
        {"period_status": lambda row: str(row[0])},
    ),
    _Source(
        (("vendor", "text"),),
        "SELECT position, vendor.name, vendor.status, vendor.bank_fingerprint FROM {origin}"
        " JOIN ledger_vendor AS vendor ON vendor.company_id = company.id AND vendor.number = wanted_vendor",
        {
            "vendor_name": lambda row: str(row[0]),
            "vendor_status": lambda row: str(row[1]),
            "vendor_bank_fingerprint": lambda row: str(row[2] or NO_BANK_DETAILS),
        },
    ),
    _Source(
        (("cost_centre", "text"),),
        "SELECT position, centre.name FROM {origin}"
        " JOIN ledger_costcentre AS centre ON centre.company_id = company.id AND centre.code = wanted_cost_centre",
        {"cost_centre_name": lambda row: str(row[0])},
    ),
    _Source(
        (("cost_centre", "text"), ("year", "int")),
        "SELECT position, budget.amount_minor, budget.consumed_minor, budget.currency FROM {origin}"
        " JOIN ledger_costcentre AS centre ON centre.company_id = company.id AND centre.code = wanted_cost_centre"
        " JOIN ledger_budget AS budget ON budget.cost_centre_id = centre.id AND budget.year = wanted_year",
        {
            "budget_amount": lambda row: minor_text(row[0], row[2]),
            "budget_consumed": lambda row: minor_text(row[1], row[2]),
            "budget_remaining": lambda row: minor_text(row[0] - row[1], row[2]),
        },
    ),
    _Source(
        (("account", "text"),),
        "SELECT position, account.name, account.kind, account.is_active FROM {origin}"
        " JOIN ledger_account AS account ON account.company_id = company.id AND account.number = wanted_account",
        {
            "account_name": lambda row: str(row[0]),
            "account_kind": lambda row: str(row[1]),
            "account_status": lambda row: "active" if row[2] else "inactive",
        },
    ),
    _Source(
        (("item", "text"),),
        "SELECT position, item.name, item.standard_cost FROM {origin}"
        " JOIN ledger_item AS item ON item.company_id = company.id AND item.number = wanted_item",
        {
            "item_name": lambda row: str(row[0]),
            "item_standard_cost": lambda row: decimal_text(row[1]),
        },
    ),
    _Source(
        (("item", "text"), ("location", "text")),
        "SELECT position, stock.quantity FROM {origin}"
        " JOIN ledger_item AS item ON item.company_id = company.id AND item.number = wanted_item"
        " JOIN ledger_stock AS stock ON stock.item_id = item.id AND stock.location = wanted_location",
        {"stock_quantity": lambda row: decimal_text(row[0])},
    ),
    _Source(
        (("customer", "text"),),
        "SELECT position, customer.name, customer.status, customer.version, customer.currency,"
        " customer.credit_limit_minor, customer.payment_terms_days FROM {origin}"
        " JOIN ledger_customer AS customer ON customer.company_id = company.id AND customer.number = wanted_customer",
        {
            "customer_name": lambda row: str(row[0]),
            "customer_status": lambda row: str(row[1]),
            "customer_version": lambda row: str(row[2]),
            "customer_currency": lambda row: str(row[3]),
            "customer_credit_limit": lambda row: minor_text(row[4], row[3]),
            "customer_payment_terms_days": lambda row: str(row[5]),
        },
    ),
    _Source(
        (("vendor", "text"), ("reference", "text"), ("total", "text")),
        # What was cancelled is no duplicate of anything.
        "SELECT position, count(document.id) FROM {origin}"
        " JOIN ledger_vendor AS vendor ON vendor.company_id = company.id AND vendor.number = wanted_vendor"
        " LEFT JOIN ledger_purchaseorder AS document ON document.vendor_id = vendor.id AND document.order_reference = wanted_reference"
        "  AND document.total_minor::text = wanted_total AND document.state = 'open'"
        " GROUP BY position",
        {"order_count": lambda row: str(row[0])},
    ),
    _Source(
        (("item", "text"), ("order", "text"), ("quantity", "text")),
        "SELECT position, count(document.id) FROM {origin}"
        " JOIN ledger_item AS item ON item.company_id = company.id AND item.number = wanted_item"
        " LEFT JOIN ledger_inventorymovement AS document ON document.item_id = item.id AND document.order_reference = wanted_order"
        "  AND document.quantity = CASE WHEN wanted_quantity ~ '^[0-9.]+$' THEN wanted_quantity::numeric END AND document.kind = 'release'"
        " GROUP BY position",
        {"release_count": lambda row: str(row[0])},
    ),
    _Source(
        (("on", "date"), ("total", "text"), ("debited", "text"), ("credited", "text")),
        # What an order or a release posted by itself, what was reversed and what reverses is no duplicate of anything. A day can hold
        # millions, and one is too many already: counted up to gateway.facts.SAME_ENTRIES_MAX.
        "SELECT position, (SELECT count(*) FROM (SELECT FROM ledger_journalentry AS entry"
        "  WHERE entry.company_id = company.id AND entry.effective_on = wanted_on AND entry.kind = 'general' AND entry.reverses_id IS NULL"
        "   AND entry.total_minor = CASE WHEN wanted_total ~ '^[0-9]+$' AND length(wanted_total) < 19 THEN wanted_total::bigint END"
        "   AND NOT EXISTS (SELECT FROM ledger_journalentry AS reversal WHERE reversal.reverses_id = entry.id)"
        "   AND EXISTS (SELECT FROM ledger_posting AS posting"
        "    WHERE posting.entry_id = entry.id AND posting.debit_minor > 0 AND posting.account_id = debited.id)"
        "   AND EXISTS (SELECT FROM ledger_posting AS posting"
        "    WHERE posting.entry_id = entry.id AND posting.credit_minor > 0 AND posting.account_id = credited.id)"
        "  LIMIT 20) AS same) FROM {origin}"
        " JOIN ledger_account AS debited ON debited.company_id = company.id AND debited.number = wanted_debited"
        " JOIN ledger_account AS credited ON credited.company_id = company.id AND credited.number = wanted_credited",
        {"entry_count": lambda row: str(row[0])},
    ),
    _Source(
        (("document", "text"),),
        # A purchase order and a release are reversed through their entry; a customer change is never reversed, only restored.
        # The entry that an effect made by itself is no document of its own.
        "SELECT position, reversal.id IS NOT NULL, document.reverses_id IS NOT NULL FROM {origin}"
        " JOIN LATERAL ("
        "  SELECT id AS entry_id, reverses_id FROM ledger_journalentry"
        "   WHERE company_id = company.id AND number = wanted_document AND kind = 'general'"
        "  UNION ALL SELECT entry_id, NULL FROM ledger_purchaseorder"
        "   WHERE company_id = company.id AND number = wanted_document"
        "  UNION ALL SELECT entry_id, NULL FROM ledger_inventorymovement"
        "   WHERE company_id = company.id AND number = wanted_document"
        "  UNION ALL SELECT NULL, NULL FROM ledger_customerchange"
        "   WHERE company_id = company.id AND number = wanted_document"
        " ) AS document ON true"
        " LEFT JOIN ledger_journalentry AS reversal ON reversal.reverses_id = document.entry_id",
        {"document_status": lambda row: "reversed" if row[0] else "reversal" if row[1] else "posted"},
    ),
)
_SOURCE_OF = {kind: position for position, source in enumerate(_SOURCES) for kind in source.answers}
# The names of a subject's parts by kind of fact, in the order of `FactQuery.subject`.
SUBJECT_PARTS = {kind: tuple(name for name, _ in source.parts) for source in _SOURCES for kind in source.answers}
