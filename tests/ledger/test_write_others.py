from __future__ import annotations

from typing import Any

import pytest

from ledger import queries
from ledger.contracts import WriteStatus
from ledger.models import Customer, CustomerChange, InventoryMovement, JournalEntry, Stock
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])


def refused(tool: str, action: dict[str, Any], code: str, path: str = "") -> None:
    before = build.footprint()
    result = build.write_one(tool, action)
    assert (result.status, result.code) == (WriteStatus.REFUSED, code)
    errors: Any = result.result["errors"]
    assert errors[0]["path"] == path
    assert build.footprint() == before


def test_an_entry_posts_and_consumes_the_budget_of_its_expense(company: str) -> None:
    result = build.write_one("post_journal_entry", build.entry("250.1"))
    assert (result.document, result.result["entry"], result.result["total"]) == ("JE-2026-000001", "JE-2026-000001", "250.10")
    assert queries.get_account_balance(company=company, account="6200")["balance"] == "250.10"
    assert queries.get_account_balance(company=company, account="2000")["balance"] == "-250.10"
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026)["consumed"] == "250.10"
    assert build.read_back(result.document)["fields"] == {
        "effective_on": "2026-11-20",
        "currency": "EUR",
        "description": "Travel",
        "reverses": "",
        "total": "250.10",
        "lines": [
            {"account": "6200", "cost_centre": "CC1", "debit": "250.10", "credit": "", "text": ""},
            {"account": "2000", "cost_centre": "", "debit": "", "credit": "250.10", "text": ""},
        ],
    }


def test_an_entry_without_budget_or_cost_centre_consumes_nothing(company: str) -> None:
    lines = [
        {"account": "6200", "cost_centre": "CC2", "debit": "10.00"},
        {"account": "6300", "debit": "5.00"},
        {"account": "2000", "credit": "15.00"},
    ]
    assert build.write_one("post_journal_entry", build.entry(lines=lines)).is_landed
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026)["consumed"] == "0.00"


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"effective_on": build.CLOSED_DAY}, "period_closed", "/effective_on"),
        ({"currency": "USD"}, "currency_not_kept", "/currency"),
        ({"reverses": "JE-2026-999999"}, "document_unknown", "/reverses"),
        ({"lines": [{"account": "6200", "debit": "1.00"}, {"account": "2000", "credit": "1.01"}]}, "entry_unbalanced", "/lines"),
        ({"lines": [{"account": "6900", "debit": "1.00"}, {"account": "2000", "credit": "1.00"}]}, "account_inactive", "/lines/0/account"),
        ({"lines": [{"account": "6200", "debit": "1.00"}, {"account": "7", "credit": "1.00"}]}, "account_unknown", "/lines/1/account"),
        ({"lines": [{"account": "9100", "debit": "1.00"}, {"account": "2000", "credit": "1.00"}]}, "accounts_mixed", "/lines"),
        ({"lines": [{"account": "6200", "debit": "1.00"}]}, "invalid_action", "/lines"),
        ({"lines": [{"account": "6200", "debit": "1.001"}, {"account": "2000", "credit": "1.001"}]}, "invalid_action", "/lines/0/debit"),
        ({"lines": [{"account": "6200", "debit": "1", "credit": "1"}, {"account": "2000", "credit": "1"}]}, "invalid_action", "/lines/0"),
        ({"lines": [{"account": "6200", "debit": "0"}, {"account": "2000", "credit": "0"}]}, "invalid_action", "/lines/0/debit"),
    ],
)
def test_a_refused_entry_leaves_nothing(company: str, changes: dict[str, Any], code: str, path: str) -> None:
    refused("post_journal_entry", build.entry(**changes), code, path)
    assert company


def test_an_entry_above_the_budget_is_refused(company: str) -> None:
    refused("post_journal_entry", build.entry("10000.01"), "budget_exceeded", "/lines")
    assert company


def test_a_release_lowers_stock_and_posts_at_standard_cost(company: str) -> None:
    result = build.write_one("release_inventory", build.release("3.0", cost_centre="CC1"))
    # 3 × 12.3456 = 37.0368, half-up 37.04
    assert (result.document, result.result["entry"]) == ("IM-2026-000001", "JE-2026-000001")
    assert (result.result["total"], result.result["stock_left"]) == ("37.04", "97")
    assert queries.get_stock(company=company, item="I1")["locations"] == [{"location": "MAIN", "quantity": "97", "version": 2}]
    assert queries.get_account_balance(company=company, account="5000")["balance"] == "37.04"
    assert queries.get_account_balance(company=company, account="1400")["balance"] == "-37.04"
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026)["consumed"] == "37.04"
    assert build.read_back(result.document)["fields"] == {
        "item": "I1",
        "location": "MAIN",
        "quantity": "3",
        "order": "SO-1",
        "effective_on": "2026-11-20",
        "cost_centre": "CC1",
    }


def test_a_release_of_what_costs_nothing_moves_stock_only(company: str) -> None:
    result = build.write_one("release_inventory", build.release("5", item="I0"))
    assert (result.result["entry"], result.result["total"], result.result["stock_left"]) == ("", "0.00", "0")
    assert not JournalEntry.objects.exists()
    assert company


def test_stock_never_goes_below_zero(company: str) -> None:
    results = build.write(*(build.request("release_inventory", build.release("40")) for _ in range(3)))
    assert [result.code for result in results] == ["", "", "stock_insufficient"]
    assert results[2].result["data"] == {"on_hand": "20", "requested": "40"}
    assert Stock.objects.get(item__number="I1").quantity == 20
    refused("release_inventory", build.release("20.0000000001"), "stock_insufficient", "/quantity")
    refused("release_inventory", build.release("1", location="NOWHERE"), "stock_insufficient", "/quantity")
    refused("release_inventory", build.release("1", item="I9"), "item_unknown", "/item")
    refused("release_inventory", build.release("1", effective_on=build.CLOSED_DAY), "period_closed", "/effective_on")
    assert InventoryMovement.objects.count() == 2
    assert company


def test_a_customer_changes_under_its_version_with_its_history(company: str) -> None:
    result = build.write_one("update_customer", build.customer_update(1, credit_limit="7500.00", payment_terms_days=14))
    assert (result.document, result.result["version"]) == ("CU-2026-000001", 2)
    customer = Customer.objects.get(number="C1")
    assert (customer.credit_limit_minor, customer.payment_terms_days, customer.status, customer.version) == (750000, 14, "active", 2)
    change = CustomerChange.objects.get()
    assert (change.credit_limit_minor_before, change.credit_limit_minor_after) == (500000, 750000)
    assert (change.payment_terms_days_before, change.payment_terms_days_after) == (30, 14)
    assert (change.status_before, change.status_after) == (None, None)
    assert build.read_back(result.document)["fields"] == {
        "customer": "C1",
        "expected_version": 1,
        "changes": {"credit_limit": "7500", "payment_terms_days": 14},
        "reason": "Larger orders agreed",
    }
    assert company


def test_a_stale_customer_version_is_refused_also_within_one_batch(company: str) -> None:
    results = build.write(
        build.request("update_customer", build.customer_update(1)),
        build.request("update_customer", build.customer_update(1, status="on_hold")),
        build.request("update_customer", build.customer_update(2, status="on_hold")),
    )
    assert [result.code for result in results] == ["", "customer_version_stale", ""]
    assert results[1].result["data"] == {"version": 2, "expected": 1}
    assert Customer.objects.get(number="C1").status == "on_hold"
    refused("update_customer", build.customer_update(1), "customer_version_stale", "/expected_version")
    refused("update_customer", {**build.customer_update(3), "customer": "C9"}, "customer_unknown", "/customer")
    refused("update_customer", build.customer_update(3, status="gone"), "invalid_action", "/changes/status")
    refused("update_customer", build.customer_update(3, credit_limit="1.005"), "invalid_action", "/changes/credit_limit")
    refused("update_customer", {**build.customer_update(3), "changes": {}}, "invalid_action", "/changes")
    assert company
