"""Many proposals in one request: each is taken or refused by itself."""

from __future__ import annotations

import pytest

from audit.models import Event
from proposals.models import Proposal
from tests.builders.proposals import a_key, a_purchase_order, an_order_over
from tests.proposals.conftest import Door, a_body, only_refused, problem

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
