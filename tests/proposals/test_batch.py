"""Many proposals in one request: each is taken or refused by itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from proposals.models import Proposal
from proposals.services import storing
from tests.builders.proposals import PlainErp, PlainGate, a_key, a_purchase_order, an_order_over
from tests.proposals.conftest import Door, a_body, bounded_door, only_refused, problem

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def test_a_batch_takes_each_by_itself(door: Door) -> None:
    replayed = door.propose(key="k-0").json()
    items = [
        {**a_body(), "idempotency_key": "k-0"},
        {**a_body(), "idempotency_key": "k-1"},
        {**a_body(a_purchase_order(vendor=7)), "idempotency_key": "k-2"},
        {**a_body(an_order_over("1.00")), "idempotency_key": "k-1"},
        {**a_body(company="US01"), "idempotency_key": "k-4"},
        a_body(),
        "nothing",
        {**a_body(an_order_over("2.00")), "idempotency_key": "k-7"},
    ]
    response = door.post("proposals/batch", {"items": items})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [item["status"] for item in results] == [200, 202, 422, 422, 403, 400, 400, 202]
    assert results[0]["is_replay"]
    assert results[0]["proposal"] == replayed
    codes = [item["problem"] and item["problem"]["code"] for item in results]
    assert codes == [
        None, None, "validation_failed", "idempotency_key_reused", "token_scope",
        "idempotency_key_missing", "idempotency_key_missing", None,
    ]  # fmt: skip
    assert Proposal.objects.count() == 3
    assert Event.objects.filter(kind="proposal:refused").count() == 5


@pytest.mark.parametrize("body", [{}, {"items": []}, {"items": {}}, {"items": [1] * 501}, {"items": [1], "more": 1}])
def test_a_batch_of_another_form_is_refused(door: Door, body: dict[str, object]) -> None:
    with only_refused("validation_failed"):
        problem(door.post("proposals/batch", body, key=a_key()), 422, "validation_failed")


def items_over(*amounts: str, **fields: Any) -> list[dict[str, Any]]:
    """Return one item per amount, each under a key of its own."""
    return [{**a_body(an_order_over(amount), **fields), "idempotency_key": a_key()} for amount in amounts]


def batch(door: Door, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results of a batch."""
    results: list[dict[str, Any]] = door.post("proposals/batch", {"items": items}).json()["results"]
    return results


def codes(results: list[dict[str, Any]]) -> list[str]:
    """Return the refusal's code of each result, "" where it was taken."""
    return [item["problem"]["code"] if item["problem"] else "" for item in results]


def test_earlier_items_count_against_the_ceilings_of_later_ones(alice: User) -> None:
    door = bounded_door(alice, ceiling_day_minor=100_00)
    results = batch(door, items_over("60.00", "50.00", "40.00", "0.01"))
    assert codes(results) == ["", "ceiling_day", "", "ceiling_day"]
    assert "With 100.00 EUR proposed" in results[3]["problem"]["detail"]
    assert sorted(Proposal.objects.values_list("amount_minor", flat=True)) == [40_00, 60_00]
    # What the batch left counts like what single proposals left.
    problem(door.propose(an_order_over("0.01")), 403, "ceiling_day")


def test_the_count_per_hour_counts_within_a_batch(alice: User) -> None:
    results = batch(bounded_door(alice, count_per_hour=2), items_over("1.00", "1.00", "1.00"))
    assert codes(results) == ["", "", "count_per_hour"]


def test_what_the_gate_refuses_counts_for_nothing(gate: PlainGate, alice: User) -> None:
    gate.limit_minor = 50_00
    door = bounded_door(alice, ceiling_day_minor=100_00)
    results = batch(door, items_over("90.00", "50.00", "50.00"))
    assert codes(results) == ["unroutable", "", ""]


def test_a_key_twice_in_one_batch_is_one_proposal(door: Door) -> None:
    (item,) = items_over("1.00")
    results = batch(door, [item, *items_over("2.00"), item])
    assert [result["status"] for result in results] == [202, 202, 200]
    assert results[2]["proposal"]["id"] == results[0]["proposal"]["id"]
    assert Proposal.objects.count() == 2


def test_a_refused_revision_leaves_its_predecessor_open(door: Door, gate: PlainGate) -> None:
    first = door.propose(an_order_over("1.00")).json()["id"]
    gate.limit_minor = 50_00
    results = batch(door, items_over("2.00") + items_over("90.00", supersedes=first) + items_over("3.00"))
    assert codes(results) == ["", "unroutable", ""]
    assert Proposal.objects.get(amount_minor=1_00).state == "pending"
    revised = batch(door, items_over("2.50", supersedes=first))
    assert codes(revised) == [""]
    assert revised[0]["proposal"]["supersedes"] == first


def test_a_batch_asks_and_stores_in_one_set_of_statements(door: Door, erp: PlainErp) -> None:
    batch(door, items_over("1.00"))
    counted = []
    for size in (2, 20):
        with CaptureQueriesContext(connection) as asked:
            assert codes(batch(door, items_over(*["1.00"] * size))) == [""] * size
        counted.append(len(asked))
    assert counted[0] == counted[1]


def test_when_the_erp_is_down_each_is_refused(door: Door, erp: PlainErp) -> None:
    erp.is_down = True
    assert codes(batch(door, items_over("1.00", "2.00"))) == ["erp_unavailable"] * 2
    assert not Proposal.objects.exists()


@pytest.mark.django_db(transaction=True, databases=["default", "ledger"])
def test_what_cannot_be_stored_together_is_stored_one_by_one(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    store = storing.store

    def refuse_more_than_one(accepted: Any) -> Any:
        if len(accepted) > 1:
            raise IntegrityError("something that no check foresaw")
        return store(accepted)

    monkeypatch.setattr("proposals.services.submission.store", refuse_more_than_one)
    assert codes(batch(door, items_over("1.00", "2.00"))) == ["", ""]
    assert Event.objects.filter(kind="proposal:proposed").count() == 2
