from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from kernel.canonical import canonical_bytes
from kernel.errors import NotVisible, ValidationFailed
from ledger import queries
from ledger.queries import FactQuery
from ledger.services import place_staff_order, post_staff_entry, set_vendor_bank_fingerprint
from ledger.sql import execute
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])


def test_every_read_has_canonical_bytes_and_bounded_pages(company: str) -> None:
    build.write(*(build.order_request() for _ in range(3)), build.request("post_journal_entry", build.entry()))
    answers: list[dict[str, Any]] = [
        queries.check_budget(company=company, cost_centre="CC1", year=2026),
        queries.get_account_balance(company=company, account="2000", until="2026-11-30"),
        queries.get_trial_balance(company=company, until="2026-11-30"),
        queries.get_period_status(company=company, on="2026-11-30"),
        queries.search_vendors(company=company, text="vendor"),
        queries.get_vendor(company=company, vendor="V1"),
        queries.list_purchase_orders(company=company, vendor="V1", ordered_from="2026-11-01"),
        queries.get_purchase_order(company=company, document="PO-2026-000001"),
        queries.get_stock(company=company, item="I1", location="MAIN"),
        queries.get_customer(company=company, customer="C1"),
        queries.find_similar_entries(company=company, amount="100.52", around="2026-11-01"),
        build.read_back("PO-2026-000001"),
    ]
    for answer in answers:
        assert canonical_bytes(answer)
    assert answers[3]["status"] == "open"
    assert [vendor["vendor"] for vendor in answers[4]["vendors"]] == ["V1", "V2"]
    assert [entry["document"] for entry in answers[10]["entries"]] == ["PO-2026-000001", "PO-2026-000002", "PO-2026-000003"]
    for size in (0, 101, True):
        with pytest.raises(ValidationFailed, match="page size"):
            queries.list_purchase_orders(company=company, limit=size)
    with pytest.raises(ValidationFailed, match="not a window"):
        queries.find_similar_entries(company=company, amount="1.00", around="2026-11-01", days=367)
    with pytest.raises(ValidationFailed, match="not a date"):
        queries.get_period_status(company=company, on="20261130")


def test_pages_continue_where_the_last_one_ended(company: str) -> None:
    build.write(*(build.order_request() for _ in range(5)))
    first = queries.list_purchase_orders(company=company, limit=3)
    rest = queries.list_purchase_orders(company=company, limit=3, after=str(first["next_after"]))
    listed: Any = [first["orders"], rest["orders"]]
    assert [[order["document"][-1] for order in page] for page in listed] == [["1", "2", "3"], ["4", "5"]]
    assert (first["next_after"], rest["next_after"]) == ("PO-2026-000003", "")
    vendors = queries.search_vendors(company=company, limit=1)
    assert vendors["next_after"] == "V1"


def test_a_balance_until_a_day_leaves_later_entries_out(company: str) -> None:
    build.write(
        build.request("post_journal_entry", build.entry("10.00", effective_on="2026-10-31")),
        build.request("post_journal_entry", build.entry("5.00", effective_on="2026-11-01")),
    )
    assert queries.get_account_balance(company=company, account="6200", until="2026-10-31")["balance"] == "10.00"
    assert queries.get_account_balance(company=company, account="6200", until="2026-11-01")["balance"] == "15.00"
    assert queries.get_trial_balance(company=company, until="2026-10-31")["totals"] == {
        "financial": {"debit": "10.00", "credit": "10.00"},
        "statistical": {"debit": "0.00", "credit": "0.00"},
    }


@pytest.mark.parametrize(
    ("read", "arguments"),
    [
        (queries.check_budget, {"cost_centre": "CC1", "year": 2027}),
        (queries.get_account_balance, {"account": "7"}),
        (queries.get_vendor, {"vendor": "V9"}),
        (queries.get_purchase_order, {"document": "PO-2026-000001"}),
        (queries.get_stock, {"item": "I9"}),
        (queries.get_customer, {"customer": "C9"}),
    ],
)
def test_what_is_not_there_is_not_visible_nor_is_what_another_company_has(company: str, read: Any, arguments: dict[str, Any]) -> None:
    other = build.open_company("TS02")
    build.write(build.request("create_purchase_order", build.order(), company=other))
    with pytest.raises(NotVisible):
        read(company=company, **arguments)
    with pytest.raises(NotVisible):
        read(company="XX99", **arguments)


def test_what_another_company_wrote_is_not_read_back(company: str) -> None:
    other = build.open_company("TS02")
    (order,) = build.write(build.request("create_purchase_order", build.order(), company=other))
    assert queries.read_back_many([(company, order.document), ("XX99", order.document)]) == {}
    assert set(queries.read_back_many([(company, order.document), (other, order.document)])) == {(other, order.document)}


def test_facts_are_observed_in_one_message(company: str) -> None:
    build.write(
        build.order_request(),
        build.request("release_inventory", build.release()),
        build.request("update_customer", build.customer_update()),
        build.request("post_journal_entry", build.entry("80.00")),
    )
    build.write_one("post_journal_entry", build.reversal("JE-2026-000003"))
    build.write(*(build.request("post_journal_entry", build.entry("70.00")) for _ in range(2)))
    asked = {
        FactQuery("company_currency", company, ()): "EUR",
        FactQuery("business_date", company, ()): "2026-11-23",
        FactQuery("period_status", company, ("2026-11-30",)): "open",
        FactQuery("period_status", company, ("2026-09-30",)): "closed",
        FactQuery("period_status", company, ("2031-09-30",)): "absent",
        FactQuery("vendor_status", company, ("V2",)): "blocked",
        FactQuery("vendor_name", company, ("V1",)): "Active vendor",
        FactQuery("vendor_bank_fingerprint", company, ("V1",)): "sha256:one",
        FactQuery("vendor_bank_fingerprint", company, ("V2",)): "none",
        FactQuery("vendor_status", "XX99", ("V1",)): "absent",
        FactQuery("cost_centre_name", company, ("CC2",)): "Second",
        FactQuery("budget_amount", company, ("CC1", "2026")): "10000.00",
        FactQuery("budget_consumed", company, ("CC1", "2026")): "240.52",
        FactQuery("budget_remaining", company, ("CC1", "2026")): "9759.48",
        FactQuery("budget_remaining", company, ("CC2", "2026")): "absent",
        FactQuery("account_name", company, ("2000",)): "Trade payables",
        FactQuery("account_kind", company, ("2000",)): "liability",
        FactQuery("account_status", company, ("6900",)): "inactive",
        FactQuery("order_count", company, ("V1", "REQ-1", "10052")): "1",
        FactQuery("release_count", company, ("I1", "SO-1", "3")): "1",
        FactQuery("entry_count", company, (build.OPEN_DAY, "8000", "6200", "2000")): "0",
        FactQuery("entry_count", company, (build.OPEN_DAY, "7000", "6200", "2000")): "2",
        FactQuery("entry_count", company, (build.OPEN_DAY, "7000", "2000", "6200")): "0",
        FactQuery("entry_count", company, (build.OPEN_DAY, "1", "6200", "2000")): "0",
        FactQuery("entry_count", company, (build.OPEN_DAY, "no amount", "6200", "2000")): "0",
        FactQuery("item_name", company, ("I1",)): "Item one",
        FactQuery("item_standard_cost", company, ("I1",)): "12.3456",
        FactQuery("stock_quantity", company, ("I1", "MAIN")): "97",
        FactQuery("customer_name", company, ("C1",)): "Customer one",
        FactQuery("customer_status", company, ("C1",)): "active",
        FactQuery("customer_version", company, ("C1",)): "2",
        FactQuery("customer_currency", company, ("C1",)): "EUR",
        FactQuery("customer_credit_limit", company, ("C1",)): "7500.00",
        FactQuery("customer_payment_terms_days", company, ("C1",)): "30",
        FactQuery("document_status", company, ("PO-2026-000001",)): "posted",
        FactQuery("document_status", company, ("IM-2026-000001",)): "posted",
        FactQuery("document_status", company, ("CU-2026-000001",)): "posted",
        FactQuery("document_status", company, ("JE-2026-000003",)): "reversed",
        FactQuery("document_status", company, ("JE-2026-000004",)): "reversal",
        # The entry behind the order is no document of its own.
        FactQuery("document_status", company, ("JE-2026-000001",)): "absent",
        FactQuery("document_status", company, ("PO-2026-000009",)): "absent",
    }
    with CaptureQueriesContext(connections["ledger"]) as captured:
        assert queries.observe(list(asked), now=build.NOW) == list(asked.values())
    assert len(captured) == 1
    assert {query.kind: len(query.subject) for query in asked} == {kind: len(parts) for kind, parts in queries.SUBJECT_PARTS.items()}
    set_vendor_bank_fingerprint(company=company, vendor="V1", bank_fingerprint="sha256:two")
    asked_again = [FactQuery(name, company, ("V1",)) for name in ("vendor_status", "vendor_bank_fingerprint")]
    assert queries.observe(asked_again) == ["active", "sha256:two"]


@pytest.mark.parametrize(
    "query",
    [
        FactQuery("weather", "TS01", ()),
        FactQuery("vendor_status", "TS01", ()),
        FactQuery("period_status", "TS01", ("yesterday",)),
        FactQuery("budget_remaining", "TS01", ("CC1", "soon")),
    ],
)
def test_a_fact_of_the_wrong_form_is_refused(company: str, query: FactQuery) -> None:
    with pytest.raises(ValidationFailed):
        queries.observe([query])
    assert company


def test_the_extract_tells_ours_from_staff_and_orphans(company: str) -> None:
    ours = build.write(
        build.order_request(),
        build.request("post_journal_entry", build.entry("250.00")),
        build.request("release_inventory", build.release()),
        build.request("update_customer", build.customer_update()),
    )
    post_staff_entry(company=company, action=build.entry("1.00"), written_by="erp.accounting", now=build.NOW)
    orphan = place_staff_order(company=company, action=build.order(), written_by="countersign", reference=build.reference(), now=build.NOW)
    found = list(queries.extract(company=company))
    assert [row.reference for row in found] == sorted(row.reference for row in found)
    assert [(row.document, row.total_minor, row.counterparty) for row in found if row.key] == [
        ("PO-2026-000001", 10052, "V1"),
        ("JE-2026-000002", 25000, "6200"),
        ("IM-2026-000001", 3704, "I1"),
        ("CU-2026-000001", 250000, "C1"),
    ]
    assert [row.document for row in found if row.is_staff] == ["JE-2026-000004"]
    assert [row.document for row in found if not row.is_staff and row.key is None] == [orphan.document]
    assert {row.key for row in found if row.key} == {result.key for result in ours}
    later = build.NOW + timedelta(seconds=1)
    assert list(queries.extract(company=company, since=later)) == []
    assert len(list(queries.extract(company=company, since=build.NOW, until=later))) == 6
    assert list(queries.extract(company=company, until=datetime(2026, 1, 1, tzinfo=UTC))) == []


def test_the_content_digest_changes_exactly_when_content_does(company: str) -> None:
    result = build.write_one("create_purchase_order", build.order())
    before = build.read_back(result.document)
    (extracted,) = queries.extract(company=company)
    assert before["content_digest"] == extracted.content_digest
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute("ALTER TABLE ledger_purchaseorderline DISABLE TRIGGER USER")
    execute("UPDATE ledger_purchaseorderline SET unit_price = 50.2600")
    assert build.read_back(result.document)["content_digest"] == before["content_digest"]
    execute("UPDATE ledger_purchaseorderline SET unit_price = 50.2601")
    after = build.read_back(result.document)
    assert after["content_digest"] != before["content_digest"]
    (line,) = before["fields"]["lines"]
    assert line["unit_price"] == "50.26"
    assert after["fields"] == {**before["fields"], "lines": [{**line, "unit_price": "50.2601"}]}


def test_many_documents_are_read_back_in_a_fixed_number_of_statements(company: str) -> None:
    results = build.write(*(build.order_request() for _ in range(30)), build.request("post_journal_entry", build.entry()))
    with CaptureQueriesContext(connections["ledger"]) as captured:
        found = queries.read_back_many([(company, result.document) for result in results] + [(company, "PO-2026-999999")])
    assert set(found) == {(company, result.document) for result in results}
    assert len(captured) == 5


def test_a_refused_staff_entry_says_why(company: str) -> None:
    before = build.footprint()
    with pytest.raises(ValidationFailed, match="is closed"):
        post_staff_entry(company=company, action=build.entry(effective_on=build.CLOSED_DAY), written_by="erp.accounting", now=build.NOW)
    assert build.footprint() == before
