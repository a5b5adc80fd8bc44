"""Real threads, real transactions: what must stay true when two workers do the same or compete for the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connections

from kernel.errors import StateConflict
from ledger import queries
from ledger.contracts import WriteRequest, WriteResult
from ledger.models import Budget, Stock
from ledger.services import close_period, lookups, plans
from tests.builders import ledger as build

# Only the ledger's own tables are emptied between these tests, which commit for real.
pytestmark = pytest.mark.django_db(databases=["ledger"], transaction=True, available_apps=["ledger"])

Result = TypeVar("Result")


@pytest.fixture
def company(transactional_db: None) -> str:
    """Return the code of a company that every connection sees."""
    return build.open_company()


def at_once(actions: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run every action in a thread of its own, all starting together, each on a connection of its own."""
    barrier = Barrier(len(actions))

    def run(action: Callable[[], Result]) -> Result:
        try:
            barrier.wait(timeout=30)
            return action()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=len(actions)) as pool:
        return list(pool.map(run, actions))


def writing(requests: Sequence[WriteRequest]) -> Callable[[], list[WriteResult]]:
    return lambda: build.write(*requests)


def test_sixteen_threads_with_one_key_have_one_effect(company: str) -> None:
    request = build.order_request()
    results = [result for (result,) in at_once([writing([request])] * 16)]
    assert Counter(result.status for result in results) == {"posted": 1, "replayed": 15}
    assert {result.document for result in results} == {"PO-2026-000001"}
    assert all(result.result == results[0].result for result in results)
    assert build.footprint()["purchaseorder"] == 1
    assert queries.check_budget(company=company, cost_centre="CC1", year=2026)["consumed"] == "100.52"


def test_two_batches_with_the_same_keys_in_opposite_order_do_not_deadlock(company: str) -> None:
    requests = [build.order_request() for _ in range(20)]
    forth, back = at_once([writing(requests), writing(requests[::-1])])
    assert Counter(result.status for result in forth + back) == {"posted": 20, "replayed": 20}
    assert [result.document for result in forth] == [result.document for result in back[::-1]]
    assert build.numbers_are_gapless()
    assert company


def test_two_threads_cannot_spend_one_budget_twice(company: str) -> None:
    batches = [[build.order_request(lines=[("I1", "1", "900.00")]) for _ in range(8)] for _ in range(2)]
    results = [result for batch in at_once([writing(batch) for batch in batches]) for result in batch]
    assert Counter(result.code for result in results) == {"": 11, "budget_exceeded": 5}
    assert Budget.objects.get().consumed_minor == 11 * 90000
    assert build.numbers_are_gapless()
    assert company


def test_two_threads_cannot_release_the_same_stock(company: str) -> None:
    requests = [build.request("release_inventory", build.release("30")) for _ in range(4)]
    results = [result for (result,) in at_once([writing([request]) for request in requests])]
    assert Counter(result.code for result in results) == {"": 3, "stock_insufficient": 1}
    assert Stock.objects.get(item__number="I1").quantity == 10
    assert company


def test_one_document_is_reversed_once_by_two_threads(company: str) -> None:
    order = build.write_one("create_purchase_order", build.order())
    action = build.reversal(order.document)
    by_number = {**action, "reverses": order.result["entry"]}
    requests = [build.request("post_journal_entry", one) for one in (action, by_number)]
    results = [result for (result,) in at_once([writing([request]) for request in requests])]
    assert Counter(result.code for result in results) == {"": 1, "already_reversed": 1}
    assert build.numbers_are_gapless()
    assert company


def test_numbers_have_no_gaps_under_concurrency_refusals_and_closing(company: str) -> None:
    chance = random.Random(20261123)  # noqa: S311  seeded, so that a failure comes back

    def requests() -> list[WriteRequest]:
        made = []
        for _ in range(25):
            kind = chance.randrange(5)
            if kind == 0:
                made.append(build.order_request(vendor="V2"))
            elif kind == 1:
                made.append(build.request("release_inventory", build.release("1")))
            elif kind == 2:
                made.append(build.request("post_journal_entry", build.entry("1.00", effective_on="2026-10-05")))
            else:
                made.append(build.order_request(lines=[("I1", "1", "1.00")]))
        return made

    def close_october() -> list[WriteResult]:
        try:
            close_period(company=company, year=2026, month=10)
        except StateConflict as error:
            raise AssertionError("only this thread closes the month") from error
        return []

    batches = [writing(requests()) for _ in range(4)]
    results = [result for batch in at_once([*batches, close_october]) for result in batch]
    codes = Counter(result.code for result in results)
    assert set(codes) <= {"", "vendor_blocked", "period_closed"}
    assert codes["vendor_blocked"] > 0
    assert len(results) == 100
    assert build.numbers_are_gapless()
    assert build.footprint()["idempotencyrecord"] == codes[""]
    assert queries.get_trial_balance(company=company)["is_balanced"] is True


def test_a_poison_item_does_not_stop_the_others(company: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service believes that the month is open, the trigger knows better: a cause that no plan foresees."""
    really_open = lookups.open_period

    def believing(book: object, owner: object, day: object, path: str) -> object:
        for period in book.periods.values():  # type: ignore[attr-defined]
            object.__setattr__(period, "state", "open")
        return really_open(book, owner, day, path)  # type: ignore[arg-type]

    monkeypatch.setattr(plans, "open_period", believing)
    results = build.write(build.order_request(), build.order_request(ordered_on=build.CLOSED_DAY), build.order_request())
    assert [result.code for result in results] == ["", "constraint_violated", ""]
    assert results[1].result["data"] == {"constraint": "ledger_entry_in_open_period"}
    assert build.footprint()["purchaseorder"] == 2
    assert build.numbers_are_gapless()
    assert company
