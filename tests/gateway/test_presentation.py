"""What the approver is shown, word for word, and what it leans on. No ERP: the facts come from a table."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.catalogue import Effect, Presented, get_write_tool
from gateway.errors import AccountNotActive, AlreadyReversed, CustomerVersionStale, PeriodClosed, VendorNotActive
from gateway.preconditions import Precondition, check_all
from kernel.canonical import canonical_bytes
from kernel.errors import ValidationFailed
from kernel.money import Money
from tests.builders.gateway import (
    COMPANY,
    PAYLOADS,
    SAMPLE_FACTS,
    StubConnector,
    customer_payload,
    entry_payload,
    order_payload,
    release_payload,
)


def stub(**facts: str) -> StubConnector:
    return StubConnector(facts={**SAMPLE_FACTS, **facts})


def present(tool: str, payload: dict[str, Any], connector: StubConnector | None = None) -> Presented:
    found = get_write_tool(tool)
    presented: Presented = found.present(found.validate(payload), COMPANY, connector or stub())
    return presented


def effect(tool: str, payload: dict[str, Any], connector: StubConnector | None = None) -> Effect:
    found = get_write_tool(tool)
    result: Effect = found.effect(found.validate(payload), COMPANY, connector or stub())
    return result


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_presentation_is_canonical_and_asks_the_erp_once(name: str) -> None:
    connector = stub()
    presented = present(name, PAYLOADS[name](), connector)
    canonical_bytes(presented.as_dict())
    keys = {column.key for column in presented.table.columns}
    assert all(set(row) == keys for row in presented.table.rows)
    assert len(presented.table.footer) in {0, len(keys)}
    assert presented.headline
    assert presented.preconditions
    for item in presented.preconditions:
        assert Precondition.from_dict(item.as_dict()) == item
    assert present(name, PAYLOADS[name](), stub()) == presented


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_precondition_holds_when_nothing_changed(name: str) -> None:
    connector = stub()
    checks = check_all(connector, present(name, PAYLOADS[name](), connector).preconditions)
    assert checks
    assert all(check.is_holding and not check.has_drifted for check in checks)


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_effect_is_money_on_a_date(name: str) -> None:
    found = effect(name, PAYLOADS[name]())
    assert isinstance(found.amount, Money)
    assert found.effective_on == date(2026, 11, 23)
    assert found.counterparty


def test_an_order() -> None:
    presented = present("create_purchase_order", order_payload(), stub(**{"item_name:P-1009": "Ball bearing 6001"}))
    # The larger line is named although it stands second.
    assert presented.headline == ("Order 37.5 × Hub, rear and 1 more line from Rheinland Stahlhandel GmbH for 1,250.90 EUR")
    assert presented.counterparty_name == "Rheinland Stahlhandel GmbH"
    assert presented.facts == (
        ("Vendor", "70001 Rheinland Stahlhandel GmbH"),
        ("Reference", "REQ-2026-0815"),
        ("Ordered on", "2026-11-23"),
        ("Deliver on", "2026-12-11"),
        ("Cost centre", "4010 Production"),
        ("Total", "1,250.90 EUR"),
    )
    assert presented.table.rows == (
        {
            "line": "1",
            "item": "P-1009",
            "name": "Ball bearing 6001",
            "quantity": "100",
            "unit_price": "0.959",
            "amount": "95.90",
        },
        {
            "line": "2",
            "item": "P-1003",
            "name": "Hub, rear (black)",
            "quantity": "37.5",
            "unit_price": "30.80",
            "amount": "1,155.00",
        },
    )
    assert presented.table.footer == ("", "", "Total", "", "", "1,250.90")
    assert presented.budget is not None
    assert presented.budget.as_dict() == {
        "label": "4010 Production, 2026",
        "currency": "EUR",
        "amount_minor": 48_000_000,
        "consumed_minor": 2_547_600,
        "after_minor": 2_672_690,
        "amount": "480,000.00 EUR",
        "consumed": "25,476.00 EUR",
        "after": "26,726.90 EUR",
        "remaining_after": "453,273.10 EUR",
        "is_exceeded": False,
    }
    assert [(item.code, item.severity.value, item.expected) for item in presented.preconditions] == [
        ("period_open", "hard", "open"),
        ("vendor_active", "hard", "active"),
        ("vendor_bank_unchanged", "hard", "sha256:0123"),
        ("budget_left:4010", "material", "1250.90"),
    ]


def test_an_order_is_the_sum_of_its_rounded_lines() -> None:
    lines = [{"item": "P-1005", "quantity": "3", "unit_price": "0.115"}] * 3
    # 3 × 0.115 = 0.345, rounded half-up per line to 0.35; unrounded it would be 1.035.
    assert effect("create_purchase_order", order_payload(lines=lines)).amount == Money(105, "EUR")


def test_an_order_of_one_line_says_no_more() -> None:
    lines = [{"item": "P-1003", "quantity": "1550", "unit_price": "1"}]
    assert present("create_purchase_order", order_payload(lines=lines)).headline == (
        "Order 1,550 × Hub, rear from Rheinland Stahlhandel GmbH for 1,550.00 EUR"
    )


def test_currencies_have_their_own_places() -> None:
    connector = stub(company_currency="JPY", budget_amount="500000", budget_consumed="0", budget_remaining="500000")
    lines = [{"item": "P-1003", "quantity": "3", "unit_price": "33.5"}]
    presented = present("create_purchase_order", order_payload(currency="JPY", lines=lines), connector)
    assert presented.headline.endswith("for 101 JPY")


def test_an_order_over_budget_is_shown_not_refused() -> None:
    presented = present("create_purchase_order", order_payload(), stub(budget_remaining="10.00", budget_consumed="479990.00"))
    assert presented.budget is not None
    assert presented.budget.is_exceeded
    budget = presented.preconditions[-1]
    assert not budget.holds(budget.observed)


@pytest.mark.parametrize(
    ("facts", "error", "path", "detail"),
    [
        ({"period_status": "closed"}, PeriodClosed, "/payload/ordered_on", "period 2026-11 of DE01 is closed."),
        ({"period_status": "absent"}, PeriodClosed, "/payload/ordered_on", "period 2026-11 of DE01 does not exist."),
        (
            {"vendor_status": "blocked"},
            VendorNotActive,
            "/payload/vendor",
            "vendor 70001 Rheinland Stahlhandel GmbH is blocked.",
        ),
        ({"vendor_name": "absent"}, ValidationFailed, "/payload/vendor", "there is no vendor 70001 in DE01."),
        (
            {"item_name:P-1003": "absent"},
            ValidationFailed,
            "/payload/lines/1/item",
            "/payload/lines/1/item: there is no item P-1003 in DE01.",
        ),
        (
            {"cost_centre_name": "absent"},
            ValidationFailed,
            "/payload/cost_centre",
            "there is no cost centre 4010 in DE01.",
        ),
        (
            {"budget_remaining": "absent"},
            ValidationFailed,
            "/payload/cost_centre",
            "cost centre 4010 has no budget for 2026.",
        ),
        (
            {"company_currency": "CHF"},
            ValidationFailed,
            "/payload/currency",
            "the books of DE01 are kept in CHF, not in EUR.",
        ),
    ],
)
def test_an_order_that_the_erp_could_only_refuse_is_refused(
    facts: dict[str, str], error: type[ValidationFailed], path: str, detail: str
) -> None:
    with pytest.raises(error) as refused:
        present("create_purchase_order", order_payload(), stub(**facts))
    assert type(refused.value) is error
    assert refused.value.detail == detail
    assert [item.path for item in refused.value.errors] == [path]
    assert refused.value.errors[0].acceptable


def test_an_entry() -> None:
    names = {
        "account_name:1570": "Input tax",
        "account_kind:1570": "asset",
        "account_name:2000": "Trade payables",
        "account_kind:2000": "liability",
    }
    presented = present("post_journal_entry", entry_payload(), stub(**names))
    assert presented.headline == "Post journal entry: 3 lines, 12,400.00 EUR, period 2026-11 open"
    assert presented.counterparty_name == "Software and licences"
    assert ("Credits", "12,400.00 EUR, balanced") in presented.facts
    assert presented.table.rows[2] == {
        "line": "3",
        "account": "2000",
        "name": "Trade payables",
        "cost_centre": "",
        "text": "",
        "debit": "",
        "credit": "12,400.00",
    }
    assert [(item.code, item.severity.value) for item in presented.preconditions] == [
        ("period_open", "hard"),
        ("account_active:6300", "hard"),
        ("account_active:1570", "hard"),
        ("account_active:2000", "hard"),
        ("budget_left:4030", "material"),
    ]
    assert presented.preconditions[-1].expected == "10000.00"
    found = effect("post_journal_entry", entry_payload())
    assert found.accounts == ("6300", "1570", "2000")
    assert (found.counterparty, found.cost_centre, found.amount) == ("6300", "4030", Money(1_240_000, "EUR"))


def test_an_entry_is_refused_on_a_closed_period_or_an_inactive_account() -> None:
    with pytest.raises(PeriodClosed) as closed:
        present("post_journal_entry", entry_payload(), stub(period_status="closed"))
    assert closed.value.errors[0].path == "/payload/effective_on"
    with pytest.raises(AccountNotActive) as inactive:
        present("post_journal_entry", entry_payload(), stub(**{"account_status:1570": "inactive"}))
    assert inactive.value.errors[0].path == "/payload/lines/1/account"


def test_an_entry_does_not_mix_statistical_accounts_with_others() -> None:
    with pytest.raises(ValidationFailed) as refused:
        present("post_journal_entry", entry_payload(), stub(**{"account_kind:2000": "statistical"}))
    assert refused.value.errors[0].path == "/payload/lines"


MIRROR = {
    "currency": "EUR",
    "postings": [
        {"account": "2000", "debit": "12400.00"},
        {"account": "6300", "cost_centre": "4030", "credit": "10000.00"},
        {"account": "1570", "credit": "2400.00"},
    ],
}


def test_a_reversal_is_the_exact_opposite_of_what_stands() -> None:
    payload = entry_payload(reverses="JE-2026-000007")
    connector = stub()
    connector.landed["JE-2026-000007"] = MIRROR
    presented = present("post_journal_entry", payload, connector)
    assert presented.headline == "Reverse JE-2026-000007 by a journal entry: 3 lines, 12,400.00 EUR, period 2026-11 open"
    assert "not_reversed" in [item.code for item in presented.preconditions]
    connector.landed["JE-2026-000007"] = {**MIRROR, "postings": MIRROR["postings"][:2]}
    with pytest.raises(ValidationFailed, match="exact opposite"):
        present("post_journal_entry", payload, connector)
    connector.facts = {**SAMPLE_FACTS, "document_status": "reversed"}
    with pytest.raises(AlreadyReversed):
        present("post_journal_entry", payload, connector)
    connector.facts = {**SAMPLE_FACTS, "document_status": "absent"}
    with pytest.raises(ValidationFailed, match="no document"):
        present("post_journal_entry", payload, connector)


def test_a_release() -> None:
    presented = present("release_inventory", release_payload(cost_centre="4010"))
    assert presented.headline == "Release 40 × Hub, rear from MAIN for order SO-20418"
    assert ("Value", "1,243.20 EUR") in presented.facts
    assert presented.table.rows == ({"location": "MAIN", "now": "331", "released": "40", "after": "291"},)
    assert [(item.code, item.severity.value, item.expected) for item in presented.preconditions] == [
        ("period_open", "hard", "open"),
        ("stock_left", "material", "40"),
        ("standard_cost_unchanged", "material", "31.08"),
        ("budget_left:4010", "material", "1243.20"),
    ]
    found = effect("release_inventory", release_payload())
    assert (found.amount, found.counterparty, found.reference) == (Money(124_320, "EUR"), "P-1003", "SO-20418")


@pytest.mark.parametrize("stock", ["39.999", "absent"])
def test_a_release_of_more_than_there_is_is_shown_not_refused(stock: str) -> None:
    presented = present("release_inventory", release_payload(), stub(stock_quantity=stock))
    check = presented.preconditions[1]
    assert not check.holds(check.observed)


def test_a_release_of_an_unknown_item_has_no_effect() -> None:
    with pytest.raises(ValidationFailed) as refused:
        effect("release_inventory", release_payload(), stub(item_standard_cost="absent"))
    assert refused.value.errors[0].path == "/payload/item"


@pytest.mark.parametrize(
    ("changes", "headline", "minor"),
    [
        (
            {"credit_limit": "35000"},
            "Raise credit limit of Radhaus Kiel from 25,000.00 to 35,000.00 EUR",
            1_000_000,
        ),
        (
            {"credit_limit": "0"},
            "Lower credit limit of Radhaus Kiel from 25,000.00 to 0.00 EUR",
            2_500_000,
        ),
        ({"payment_terms_days": 30}, "Change payment terms from 14 days to 30 days of Radhaus Kiel", 0),
        (
            {"credit_limit": "26000", "payment_terms_days": 30, "status": "on_hold"},
            (
                "Change credit limit from 25,000.00 EUR to 26,000.00 EUR, payment terms from 14 days to 30 days"
                " and status from active to on hold of Radhaus Kiel"
            ),
            100_000,
        ),
    ],
)
def test_a_customer_change(changes: dict[str, Any], headline: str, minor: int) -> None:
    payload = customer_payload(changes=changes)
    presented = present("update_customer", payload)
    assert presented.headline == headline
    assert len(presented.table.rows) == len(changes)
    assert effect("update_customer", payload).amount == Money(minor, "EUR")
    assert [(item.code, item.severity.value) for item in presented.preconditions] == [("customer_version", "hard")]


def test_a_customer_change_shows_before_and_after() -> None:
    presented = present("update_customer", customer_payload())
    assert presented.table.rows == ({"field": "Credit limit", "before": "25,000.00 EUR", "after": "35,000.00 EUR"},)


def test_a_customer_change_needs_the_present_version_and_a_difference() -> None:
    with pytest.raises(CustomerVersionStale) as stale:
        present("update_customer", customer_payload(), stub(customer_version="2"))
    assert stale.value.errors[0].path == "/payload/expected_version"
    with pytest.raises(ValidationFailed, match="like that already"):
        present("update_customer", customer_payload(changes={"credit_limit": "25000"}))
    with pytest.raises(ValidationFailed) as precise:
        effect("update_customer", customer_payload(changes={"credit_limit": "1.001"}))
    assert precise.value.errors[0].path == "/payload/changes/credit_limit"
    with pytest.raises(ValidationFailed, match="no customer"):
        effect("update_customer", customer_payload(), stub(customer_name="absent"))


def test_long_names_do_not_overflow() -> None:
    connector = stub(vendor_name="V" * 200, item_name="I" * 200)
    presented = present("create_purchase_order", order_payload(), connector)
    assert len(presented.headline) <= 300
    assert len(presented.counterparty_name) <= 120
