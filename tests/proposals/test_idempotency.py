"""One key, one intent: replays, other bodies, missing keys, races."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connections

from audit.models import Event
from proposals.body import parse_key
from proposals.errors import IdempotencyKeyInvalid
from proposals.models import Proposal
from tests.builders.proposals import PlainErp, a_purchase_order, an_order_over
from tests.proposals.conftest import Door, a_body, bounded_door, only_refused, problem, row_counts

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def test_the_same_key_gives_the_same_answer(door: Door) -> None:
    first = door.propose(key="k-1")
    before, events = row_counts(), Event.objects.count()
    again = door.propose(key='"k-1"')
    assert (first.status_code, again.status_code) == (202, 200)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert (row_counts(), Event.objects.count()) == (before, events)


def test_a_replay_shows_where_the_proposal_stands_now(door: Door) -> None:
    first = door.propose(key="k-1").json()
    door.post(f"proposals/{first['id']}/withdraw")
    again = door.propose(key="k-1")
    assert (again.status_code, again.json()["status"]) == (200, "withdrawn")


def test_a_replay_asks_neither_the_erp_nor_the_ceilings(door: Door, erp: PlainErp) -> None:
    door.propose(key="k-1")
    erp.is_down = True
    assert door.propose(key="k-1").status_code == 200


def test_the_same_key_with_another_body_is_refused(door: Door) -> None:
    first = door.propose(key="k-1").json()
    with only_refused("idempotency_key_reused"):
        document = problem(door.propose(an_order_over("1.00"), key="k-1"), 422, "idempotency_key_reused")
    assert document["data"] == {"proposal_id": first["id"]}


def test_the_order_of_members_makes_no_other_body(door: Door) -> None:
    door.propose(key="k-1")
    turned = dict(reversed(a_purchase_order().items()))
    assert door.propose(turned, key="k-1").status_code == 200


def test_a_key_is_each_agents_own(door: Door, other_door: Door) -> None:
    assert door.propose(key="k-1").json()["id"] != other_door.propose(key="k-1").json()["id"]
    assert Proposal.objects.count() == 2


def test_a_missing_key_is_refused(door: Door) -> None:
    with only_refused("idempotency_key_missing"):
        problem(door.post("proposals", a_body()), 400, "idempotency_key_missing")


@pytest.mark.parametrize("key", ["with space", "ümlaut", "x" * 201, '""', '"open'[:-4] + '" x"'])
def test_a_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        parse_key(key)


@pytest.mark.parametrize(("header", "key"), [('"a"', "a"), ("a", "a"), (r'"a\"b\\c"', r'a"b\c'), (" a ", "a"), ("x" * 200, "x" * 200)])
def test_a_key_may_be_quoted(header: str, key: str) -> None:
    assert parse_key(header) == key


@pytest.mark.django_db(databases=["default", "ledger"], transaction=True)
def test_sixteen_at_once_make_one_proposal(door: Door) -> None:
    start = Barrier(16)

    def knock(_: int) -> tuple[int, str]:
        try:
            start.wait()
            response = door.propose(key="k-race")
            answer = response.json()
            return response.status_code, answer.get("id") or answer["code"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(knock, range(16)))
    statuses = Counter(status for status, _ in answers)
    proposal = Proposal.objects.get()
    assert statuses[202] == 1
    assert statuses[202] + statuses[200] + statuses[409] == 16
    assert {text for status, text in answers if status != 409} == {proposal.public_id}
    assert {text for status, text in answers if status == 409} <= {"idempotency_in_progress"}
    assert Event.objects.filter(kind="proposal:proposed").count() == 1
    assert Event.objects.filter(kind="proposal:refused").count() == statuses[409]
    assert door.propose(key="k-race").status_code == 200


@pytest.mark.django_db(databases=["default", "ledger"], transaction=True)
def test_sixteen_at_once_under_a_ceiling_never_exceed_it(alice: User) -> None:
    door = bounded_door(alice, ceiling_day_minor=500_00)
    start = Barrier(16)

    def knock(index: int) -> int:
        try:
            start.wait()
            return int(door.propose(an_order_over("100.00"), key=f"k-{index}").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as threads:
        statuses = Counter(threads.map(knock, range(16)))
    assert statuses == {202: 5, 403: 11}
    assert Proposal.objects.count() == 5
