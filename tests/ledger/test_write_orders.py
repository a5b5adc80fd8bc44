from __future__ import annotations

from typing import Any

import pytest

from kernel.ids import new_id
from ledger import queries
from ledger.contracts import WriteStatus
from ledger.models import Account, JournalEntry, Period, PurchaseOrder
from ledger.services import close_period, set_vendor_status
from ledger.states import VendorStatus
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])


def test_an_order_consumes_its_budget_and_posts_its_commitment(company: str) -> None:
    # 2 × 50.26 = 100.52; 3 × 1.005 = 3.015, half-up 3.02; 3 × 45.5805 = 136.7415, half-up 136.74
    action = build.order([("I1", "2", "50.26"), ("I0", "3", "1.005"), ("I1", "3", "45.5805")], deliver_on="2026-12-01", note="To the yard")
    request = build.request("create_purchase_order", action)
    (result,) = build.write(request)

    assert result.status == WriteStatus.POSTED
    assert result.document == "PO-2026-000001"
    assert result.result == {
        "document": "PO-2026-000001",
        "entry": "JE-2026-000001",
        "tool": "create_purchase_order",
        "company": company,
        "reference": request.reference,
        "total": "240.28",
        "currency": "EUR",
        "effective_on": "2026-11-20",
        "recorded_at": "2026-11-23T09:00:00.000000Z",
        "budget_remaining": "9759.72",
    }
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026) == {
        "company": company,
        "cost_centre": "CC1",
        "year": 2026,
        "currency": "EUR",
        "amount": "10000.00",
        "consumed": "240.28",
        "remaining": "9759.72",
    }
    order = PurchaseOrder.objects.get(number=result.document)
    assert [line.amount_minor for line in order.lines.order_by("line_number")] == [10052, 302, 13674]
    assert (order.reference, order.written_by, order.state) == (request.reference, "countersign", "open")
    entry = JournalEntry.objects.get(number="JE-2026-000001")
    assert (entry.kind, entry.document, entry.effective_on.isoformat()) == ("commitment", "PO-2026-000001", "2026-11-20")
    assert queries.get_account_balance(company=company, account="9100")["balance"] == "240.28"
    assert queries.get_account_balance(company=company, account="9190")["balance"] == "-240.28"
    assert queries.get_trial_balance(company=company)["is_balanced"] is True


def test_an_order_reads_back_with_every_field_and_one_spelling_per_decimal(company: str) -> None:
    action = build.order([("I1", "2.50", "50.2600"), ("I0", "3", "1.005")])
    result = build.write_one("create_purchase_order", action)
    assert build.read_back(result.document)["fields"] == {
        "vendor": "V1",
        "reference": "REQ-1",
        "ordered_on": "2026-11-20",
        "deliver_on": "",
        "cost_centre": "CC1",
        "currency": "EUR",
        "note": "",
        "total": "128.67",
        "lines": [
            {"item": "I1", "description": "", "quantity": "2.5", "unit_price": "50.26"},
            {"item": "I0", "description": "", "quantity": "3", "unit_price": "1.005"},
        ],
    }
    assert company


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"vendor": "V9"}, "vendor_unknown", "/vendor"),
        ({"vendor": "V2"}, "vendor_blocked", "/vendor"),
        ({"ordered_on": build.CLOSED_DAY}, "period_closed", "/ordered_on"),
        ({"ordered_on": "2031-01-01"}, "period_missing", "/ordered_on"),
        ({"cost_centre": "CC9"}, "cost_centre_unknown", "/cost_centre"),
        ({"cost_centre": "CC2"}, "budget_missing", "/cost_centre"),
        ({"currency": "USD"}, "currency_not_kept", "/currency"),
        ({"lines": [{"item": "I9", "quantity": "1", "unit_price": "1"}]}, "item_unknown", "/lines/0/item"),
        ({"lines": [{"item": "I1", "quantity": "1", "unit_price": "0"}]}, "amount_not_positive", "/lines"),
        ({"lines": []}, "invalid_action", "/lines"),
        ({"lines": [{"item": "I1", "quantity": "-1", "unit_price": "1"}]}, "invalid_action", "/lines/0/quantity"),
        ({"lines": [{"item": "I1", "quantity": "1e3", "unit_price": "1"}]}, "invalid_action", "/lines/0/quantity"),
        ({"ordered_on": "20261120"}, "invalid_action", "/ordered_on"),
        ({"ordered_on": "2026-02-30"}, "invalid_action", "/ordered_on"),
        ({"deliver_on": "2026-11-19"}, "invalid_action", "/deliver_on"),
        ({"discount": "5"}, "invalid_action", "/discount"),
        ({"note": "a\0b"}, "invalid_action", "/note"),
        ({"note": 1.5}, "invalid_action", "/action/note"),
    ],
)
def test_a_refused_order_names_the_field_and_leaves_nothing(company: str, changes: dict[str, Any], code: str, path: str) -> None:
    before = build.footprint()
    result = build.write_one("create_purchase_order", build.order(**changes))
    assert (result.status, result.code, result.document) == (WriteStatus.REFUSED, code, "")
    errors: Any = result.result["errors"]
    assert errors[0]["path"] == path
    assert errors[0]["message"] == result.detail
    assert result.detail.endswith(".")
    assert build.footprint() == before


def test_an_order_above_the_remaining_budget_is_refused_with_what_would_do(company: str) -> None:
    assert build.write_one("create_purchase_order", build.order([("I1", "1", "9999.50")])).is_landed
    before = build.footprint()
    result = build.write_one("create_purchase_order", build.order([("I1", "1", "0.51")]))
    assert result.code == "budget_exceeded"
    assert result.detail == "0.51 EUR is more than the 0.50 EUR that remain in the budget of TS01."
    assert result.result == {
        "errors": [{"path": "/lines", "message": result.detail, "acceptable": "at most 0.50 EUR"}],
        "data": {"remaining": "0.50", "requested": "0.51", "currency": "EUR"},
        "retryable": True,
    }
    assert build.footprint() == before
    assert build.write_one("create_purchase_order", build.order([("I1", "1", "0.50")])).is_landed


def test_refused_items_spoil_no_others_and_take_no_numbers(company: str) -> None:
    results = build.write(
        build.order_request(),
        build.order_request(vendor="V2"),
        build.request("no_such_tool", {}),
        build.request("create_purchase_order", build.order(), company="XX99"),
        build.order_request(),
        build.request("create_purchase_order", {"vendor": 1.0}),
    )
    assert [result.code or result.document for result in results] == [
        "PO-2026-000001",
        "vendor_blocked",
        "tool_unknown",
        "company_unknown",
        "PO-2026-000002",
        "invalid_action",
    ]
    assert build.numbers_are_gapless()


def test_a_batch_shares_one_budget_item_after_item(company: str) -> None:
    results = build.write(*(build.order_request(lines=[("I1", "1", "4000.00")]) for _ in range(3)))
    assert [result.code for result in results] == ["", "", "budget_exceeded"]
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026)["remaining"] == "2000.00"


def test_each_batch_sees_the_masters_as_they_are_now(company: str) -> None:
    set_vendor_status(company=company, vendor="V1", status=VendorStatus.BLOCKED)
    assert build.write_one("create_purchase_order", build.order()).code == "vendor_blocked"
    set_vendor_status(company=company, vendor="V1", status=VendorStatus.ACTIVE)
    close_period(company=company, year=2026, month=11)
    assert build.write_one("create_purchase_order", build.order()).code == "period_closed"
    Period.objects.filter(company__code=company, month=11).update(state="open")
    Account.objects.filter(company__code=company, number="9100").update(is_active=False)
    assert build.write_one("create_purchase_order", build.order()).code == "account_role_missing"
    Account.objects.filter(company__code=company, number="9100").update(is_active=True)
    assert build.write_one("create_purchase_order", build.order()).is_landed


def test_an_order_in_yen_has_no_decimal_places(db: None) -> None:
    company = build.open_company("JP01", currency="JPY", budget="10000")
    result = build.write_one("create_purchase_order", build.order([("I1", "3", "33.5")], currency="JPY"), company=company)
    assert (result.result["total"], result.result["budget_remaining"]) == ("101", "9899")


def test_nobody_finds_what_was_never_written(company: str) -> None:
    assert build.find(new_id()) is None
    assert company
