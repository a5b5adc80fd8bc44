"""A small company in the ledger, and requests to write to it. Plain functions; every amount is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.catalogue.reversals import reversing_entry
from gateway.connectors.embedded import EmbeddedConnector
from kernel.ids import Prefix, encode, new_id
from kernel.money import Money
from ledger import queries
from ledger.charts import STANDARD_CHART
from ledger.contracts import WriteRequest, WriteResult
from ledger.masters import (
    BudgetMaster,
    CompanyMaster,
    CustomerMaster,
    StockMaster,
    VendorMaster,
    load_accounts,
    load_budgets,
    load_companies,
    load_cost_centres,
    load_customers,
    load_items,
    load_periods,
    load_stock,
    load_vendors,
)
from ledger.services import close_period, execute_batch
from ledger.sql import fetch

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
OPEN_DAY = "2026-11-20"
CLOSED_DAY = "2026-09-30"
Json = dict[str, Any]


def open_company(code: str = "TS01", *, currency: str = "EUR", budget: str = "10000.00") -> str:
    """Return the code of a company with a chart, 2026 (January to September closed), one budget, two vendors, stock, a customer.

    Vendor V1 is active, V2 blocked. Cost centre CC1 has the budget, CC2 none. Item I1 costs 12.3456 a piece, 100 at MAIN; item
    I0 costs nothing, 5 at MAIN. Customer C1 has a limit of 5000.00 and version 1.
    """
    load_companies([CompanyMaster(code, f"Company {code}", currency, "DE", "Europe/Berlin")])
    load_accounts(code, STANDARD_CHART)
    load_periods(code, date(2026, 1, 1), date(2026, 12, 31))
    for month in range(1, 10):
        close_period(company=code, year=2026, month=month)
    load_cost_centres(code, [("CC1", "First"), ("CC2", "Second")])
    load_budgets(code, [BudgetMaster("CC1", 2026, Money.parse(budget, currency))])
    load_vendors(
        code,
        [
            VendorMaster("V1", "Active vendor", date(2020, 1, 1), bank_fingerprint="sha256:one"),
            VendorMaster("V2", "Blocked vendor", date(2020, 1, 1), status="blocked"),
        ],
    )
    load_items(code, [("I1", "Item one", Decimal("12.3456")), ("I0", "Free item", Decimal(0))])
    load_stock(code, [StockMaster("I1", "MAIN", Decimal(100)), StockMaster("I0", "MAIN", Decimal(5))])
    load_customers(code, [CustomerMaster("C1", "Customer one", Money.parse("5000.00", currency))])
    return code


def reference() -> str:
    """Return a proposal's TypeID."""
    return encode(Prefix.PROPOSAL, new_id())


def order(lines: Sequence[tuple[str, str, str]] = (("I1", "2", "50.26"),), **changes: object) -> Json:
    """Return an order payload; lines are (item, quantity, unit price). As given: 100.52."""
    action: Json = {
        "vendor": "V1",
        "reference": "REQ-1",
        "ordered_on": OPEN_DAY,
        "cost_centre": "CC1",
        "currency": "EUR",
        "lines": [line if isinstance(line, dict) else dict(zip(("item", "quantity", "unit_price"), line, strict=True)) for line in lines],
    }
    return {**action, **changes}


def entry(amount: str = "100.00", **changes: object) -> Json:
    """Return a journal entry payload: travel of cost centre CC1 against payables."""
    action: Json = {
        "effective_on": OPEN_DAY,
        "currency": "EUR",
        "description": "Travel",
        "lines": [
            {"account": "6200", "cost_centre": "CC1", "debit": amount},
            {"account": "2000", "credit": amount},
        ],
    }
    return {**action, **changes}


def release(quantity: str = "3", **changes: object) -> Json:
    """Return a release payload. As given: 3 × 12.3456 = 37.04."""
    action: Json = {"item": "I1", "location": "MAIN", "quantity": quantity, "order": "SO-1", "effective_on": OPEN_DAY}
    return {**action, **changes}


def customer_update(expected_version: int = 1, **changes: object) -> Json:
    """Return a customer payload: the limit goes to 7500.00."""
    return {
        "customer": "C1",
        "expected_version": expected_version,
        "changes": changes or {"credit_limit": "7500.00"},
        "reason": "Larger orders agreed",
    }


def reversal(document: str, *, company: str = "TS01", **changes: object) -> Json:
    """Return the journal entry payload that reverses a document, as the gate makes it: the exact mirror of its entry."""
    landed = EmbeddedConnector().read_back_many(company, [document])[document]
    _, action = reversing_entry(document, landed, effective_on=OPEN_DAY)
    return {**action, **changes}


def request(tool: str, action: Mapping[str, object], *, company: str = "TS01", key: UUID | None = None, proposal: str = "") -> WriteRequest:
    """Return a write request with a new key and a new proposal unless given."""
    return WriteRequest(key or new_id(), tool, company, proposal or reference(), action)


def order_request(**changes: object) -> WriteRequest:
    """Return a request for an order."""
    return request("create_purchase_order", order(**changes))  # type: ignore[arg-type]


def write(*requests: WriteRequest, now: datetime = NOW) -> list[WriteResult]:
    """Execute the requests as one batch."""
    return execute_batch(requests, now=now)


def write_one(tool: str, action: Mapping[str, object], *, company: str = "TS01") -> WriteResult:
    """Execute one new request."""
    return write(request(tool, action, company=company))[0]


def find(key: UUID) -> WriteResult | None:
    """Return the stored answer to a key, or None."""
    return queries.find_many([key]).get(key)


def read_back(document: str, *, company: str = "TS01") -> Json:
    """Return one landed document."""
    return queries.read_back_many([(company, document)])[company, document]


def footprint() -> dict[str, Any]:
    """Return everything a write could change: row counts of documents, sequences, budgets, stock, customers, order states."""
    tables = ("journalentry", "posting", "purchaseorder", "purchaseorderline", "inventorymovement", "customerchange", "idempotencyrecord")
    counted: dict[str, Any] = {name: fetch(f"SELECT count(*) FROM ledger_{name}")[0][0] for name in tables}
    counted["sequences"] = fetch("SELECT company_id, series, year, last_number FROM ledger_documentsequence ORDER BY 1, 2, 3")
    counted["budgets"] = fetch("SELECT id, amount_minor, consumed_minor FROM ledger_budget ORDER BY id")
    counted["stock"] = fetch("SELECT id, quantity, version FROM ledger_stock ORDER BY id")
    counted["customers"] = fetch("SELECT id, status, credit_limit_minor, payment_terms_days, version FROM ledger_customer ORDER BY id")
    counted["orders"] = fetch("SELECT id, state FROM ledger_purchaseorder ORDER BY id")
    return counted


def numbers_are_gapless() -> bool:
    """Return whether each series has every number from 1 to the last one given, once."""
    given = fetch(
        """
        SELECT company_id, left(number, 7) AS series, array_agg(right(number, 6)::int ORDER BY number)
        FROM (
            SELECT company_id, number FROM ledger_journalentry UNION ALL SELECT company_id, number FROM ledger_purchaseorder
            UNION ALL SELECT company_id, number FROM ledger_inventorymovement
            UNION ALL SELECT company_id, number FROM ledger_customerchange
        ) AS document GROUP BY 1, 2
        """
    )
    last = {
        (company, f"{series}-{year}"): number
        for company, series, year, number in fetch("SELECT company_id, series, year, last_number FROM ledger_documentsequence")
    }
    return {(company, series): numbers for company, series, numbers in given} == {
        key: list(range(1, number + 1)) for key, number in last.items()
    }
