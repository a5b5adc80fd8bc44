"""Whatever mixture of writes comes: the books balance, numbers have no gaps, budgets and stock add up."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from ledger import queries
from ledger.contracts import WriteRequest
from ledger.models import Budget, Customer, Stock
from ledger.sql import execute, fetch
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])


def any_request(chance: random.Random, landed: list[str]) -> WriteRequest:
    day = chance.choice([build.OPEN_DAY, build.OPEN_DAY, "2026-10-02", build.CLOSED_DAY])
    amount = f"{chance.randrange(1, 90000) / 100:.2f}"
    match chance.randrange(6):
        case 0 | 1:
            lines = [
                (
                    chance.choice(["I1", "I0", "I9"] if chance.random() < 0.1 else ["I1", "I0"]),
                    str(chance.randrange(1, 9)),
                    f"{chance.randrange(1, 900000) / 10000:.4f}",
                )
                for _ in range(chance.randrange(1, 4))
            ]
            return build.order_request(lines=lines, ordered_on=day, vendor=chance.choice(["V1", "V1", "V1", "V2"]))
        case 2:
            return build.request("post_journal_entry", build.entry(amount, effective_on=day))
        case 3:
            return build.request("release_inventory", build.release(str(chance.randrange(1, 20)), effective_on=day))
        case 4:
            return build.request("update_customer", build.customer_update(chance.randrange(1, 4), payment_terms_days=chance.randrange(60)))
        case _ if landed:
            document = chance.choice(landed)
            return build.request("post_journal_entry", build.reversal(document))
        case _:
            return build.request("post_journal_entry", build.entry(amount))


@pytest.mark.parametrize("seed", range(5))
def test_the_books_are_right_after_any_mixture(company: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  seeded, so that a failure comes back
    landed: list[str] = []
    codes: set[str] = set()
    for _ in range(12):
        requests = [any_request(chance, landed) for _ in range(chance.randrange(1, 12))]
        for result in build.write(*requests):
            codes.add(result.code)
            if result.is_landed and result.result["entry"]:
                landed.append(result.document)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert len(codes) >= 4

    assert queries.get_trial_balance(company=company)["is_balanced"] is True
    assert build.numbers_are_gapless()
    ((on_expense,),) = fetch(
        "SELECT coalesce(sum(posting.debit_minor - posting.credit_minor), 0) FROM ledger_posting AS posting"
        " JOIN ledger_account AS account ON account.id = posting.account_id"
        " JOIN ledger_costcentre AS centre ON centre.id = posting.cost_centre_id"
        " WHERE account.kind = 'expense' AND centre.code = 'CC1'"
    )
    ((committed,),) = fetch("SELECT coalesce(sum(total_minor), 0) FROM ledger_purchaseorder WHERE state = 'open'")
    assert Budget.objects.get().consumed_minor == on_expense + committed
    assert queries.get_account_balance(company=company, account="9100")["balance"] == f"{Decimal(committed) / 100:.2f}"
    ((moved,),) = fetch(
        "SELECT coalesce(sum(CASE movement.kind WHEN 'release' THEN -quantity ELSE quantity END), 0)"
        " FROM ledger_inventorymovement AS movement JOIN ledger_item AS item ON item.id = movement.item_id WHERE item.number = 'I1'"
    )
    assert Stock.objects.get(item__number="I1").quantity == 100 + moved
    ((changes,),) = fetch("SELECT count(*) FROM ledger_customerchange")
    assert Customer.objects.get().version == 1 + changes
    for row in queries.extract(company=company):
        assert row.key is not None
        assert row.reference
