from __future__ import annotations

import pytest

from ledger import queries
from ledger.models import PurchaseOrder, Stock
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])


def test_reversing_an_order_cancels_it_and_gives_its_budget_back(company: str) -> None:
    order = build.write_one("create_purchase_order", build.order())
    result = build.write_one("post_journal_entry", build.reversal(order.document))
    assert result.result["reverses"] == order.document
    assert PurchaseOrder.objects.get(number=order.document).state == "cancelled"
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026)["consumed"] == "0.00"
    assert queries.get_account_balance(company=company, account="9100")["balance"] == "0.00"
    landed = build.read_back(order.document)
    assert (landed["state"], landed["reversed_by"]) == ("cancelled", result.document)


def test_reversing_an_entry_gives_back_what_it_consumed(company: str) -> None:
    entry = build.write_one("post_journal_entry", build.entry("80.00"))
    assert build.write_one("post_journal_entry", build.reversal(entry.document)).is_landed
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026)["consumed"] == "0.00"
    assert queries.get_account_balance(company=company, account="6200")["balance"] == "0.00"


def test_reversing_a_release_brings_the_stock_back(company: str) -> None:
    release = build.write_one("release_inventory", build.release("3"))
    result = build.write_one("post_journal_entry", build.reversal(release.document))
    assert (result.result["stock_left"], result.result["movement"]) == ("100", "IM-2026-000002")
    assert Stock.objects.get(item__number="I1").quantity == 100
    assert queries.get_account_balance(company=company, account="1400")["balance"] == "0.00"
    assert queries.observe([queries.FactQuery("document_status", company, (release.document,))]) == ["reversed"]
    assert build.numbers_are_gapless()


def test_a_document_is_reversed_once_whatever_name_is_used(company: str) -> None:
    order = build.write_one("create_purchase_order", build.order())
    by_entry = build.reversal(order.document, reverses=order.result["entry"])
    first, second = build.write(
        build.request("post_journal_entry", build.reversal(order.document)), build.request("post_journal_entry", by_entry)
    )
    assert (first.code, second.code) == ("", "already_reversed")
    before = build.footprint()
    assert build.write_one("post_journal_entry", by_entry).code == "already_reversed"
    again = build.reversal(first.document)
    assert build.write_one("post_journal_entry", again).code == "document_not_reversible"
    assert build.footprint() == before


def test_a_reversal_that_is_no_mirror_is_refused(company: str) -> None:
    entry = build.write_one("post_journal_entry", build.entry("80.00"))
    before = build.footprint()
    wrong = {**build.entry("80.00"), "reverses": entry.document}
    assert build.write_one("post_journal_entry", wrong).code == "reversal_differs"
    assert build.footprint() == before


def test_a_document_of_another_company_cannot_be_reversed(company: str) -> None:
    entry = build.write_one("post_journal_entry", build.entry("80.00"))
    other = build.open_company("TS02")
    action = build.reversal(entry.document)
    before = build.footprint()
    assert build.write_one("post_journal_entry", action, company=other).code == "document_unknown"
    assert build.footprint() == before
