"""The embedded ERP misbehaves as real ones did; what was approved lands exactly once, or says why not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest

from commits import services
from commits.models import Attempt, Receipt
from commits.records import Counts
from gateway.connections import connector_for
from gateway.connectors.embedded import EmbeddedConnector
from gateway.errors import FaultsNotAllowed
from gateway.faults import FaultMode
from gateway.faults import connector as faulty
from gateway.faults.switches import fault_counts, forget, switch_on, use_faults
from gateway.models import Fault
from kernel.actors import Actor
from kernel.clock import now as clock_now
from ledger.models import Draft, PurchaseOrder
from proposals.models import Proposal
from tests.builders.commits import Gate, commit_of, kinds, landed_orders, last_event, outcome_of, run
from tests.builders.identity import COMPANY

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
LATER = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _demo(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.IS_DEMO = True
    monkeypatch.setattr(faulty, "SLOW_SECONDS", 0)
    forget()
    yield
    forget()
    faulty._late.clear()


def on(*modes: FaultMode, count: int | None = 1) -> AbstractContextManager[None]:
    return use_faults("embedded", *modes, now=clock_now(), count=count)


def sweep_until_settled(proposal: Proposal) -> None:
    """Sweep as the clock goes on, until the commit of the proposal is settled."""
    at = clock_now()
    for _ in range(6):
        at += LATER
        services.sweep(now=lambda moment=at: moment)  # type: ignore[misc]
        if commit_of(proposal).settled_at is not None:
            return
    raise AssertionError(f"{commit_of(proposal)} {commit_of(proposal).code}")


def attempts(proposal: Proposal) -> list[str]:
    return list(Attempt.objects.filter(commit__proposal=proposal).order_by("number").values_list("outcome", flat=True))


def differences(proposal: Proposal) -> list[dict[str, str]]:
    found: list[dict[str, str]] = Receipt.objects.get(commit__proposal=proposal).differences
    return found


# Mode → what the first attempt leads to, how each attempt ended in the end.
SURVIVED = {
    FaultMode.DOWN: ("queued", "erp_unavailable", ["not_sent", "posted"]),
    FaultMode.RATE_LIMITED: ("queued", "rate_limited", ["not_sent", "posted"]),
    FaultMode.LOCKED: ("queued", "erp_busy", ["not_sent", "posted"]),
    FaultMode.NO_ANSWER: ("unknown", "answer_lost", ["lost", "posted"]),
    FaultMode.COMMIT_THEN_DROP: ("unknown", "answer_lost", ["lost"]),
    FaultMode.LATE_ANSWER: ("unknown", "answer_lost", ["lost", "replayed"]),
    FaultMode.DELIVERED_TWICE: ("succeeded", "", ["replayed"]),
    FaultMode.ERROR_IN_OK: ("unknown", "answer_without_document", ["lost", "posted"]),
    FaultMode.DUPLICATE_500: ("unknown", "erp_error", ["lost"]),
}


@pytest.mark.parametrize("mode", list(SURVIVED))
def test_what_was_approved_lands_once_as_approved(gate: Gate, mode: FaultMode) -> None:
    proposal = gate.approved_order()
    state, code, outcomes = SURVIVED[mode]

    with on(mode):
        run()
        assert (commit_of(proposal).state, commit_of(proposal).code) == (state, code)
        sweep_until_settled(proposal)

    assert commit_of(proposal).state == "succeeded"
    assert [order.reference for order in landed_orders()] == [proposal.public_id]
    assert differences(proposal) == []
    assert attempts(proposal) == outcomes
    assert fault_counts() == {mode.value: 1}


def test_slow_erp_keeps_its_worker_and_nobody_takes_over(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal, taken = gate.approved_order(), []

    def sleep(seconds: float) -> None:
        taken.append(services.recover(now=lambda: clock_now() + timedelta(seconds=seconds)))

    monkeypatch.setattr(faulty, "SLOW_SECONDS", 20.0)
    monkeypatch.setattr(time, "sleep", sleep)
    with on(FaultMode.SLOW):
        run()
    assert taken == [Counts()]
    assert attempts(proposal) == ["posted"]


def test_connection_waits_as_long_as_the_erp_asks(gate: Gate) -> None:
    proposal = gate.approved_order()
    at = clock_now()
    with on(FaultMode.RATE_LIMITED):
        services.run_round(now=lambda: at, worker="w", since=None)
    assert commit_of(proposal).not_before - at == timedelta(seconds=faulty.RETRY_AFTER_SECONDS)


def test_answer_that_names_a_document_of_another_is_not_believed(gate: Gate) -> None:
    first, second = gate.approved_order("2500.00"), gate.approved_order("2600.00")
    with on(FaultMode.WRONG_ANSWER, count=2):
        run()

    orders = {order.reference: order.number for order in PurchaseOrder.objects.all()}
    assert set(orders) == {first.public_id, second.public_id}
    for proposal in (first, second):
        receipt = Receipt.objects.get(commit__proposal=proposal)
        assert receipt.document == orders[proposal.public_id]
        assert [item["field"] for item in receipt.differences] == ["/document"]


def test_landing_that_cannot_be_confirmed_is_unknown(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = gate.approved_order()
    with on(FaultMode.WRONG_ANSWER), monkeypatch.context() as patch:
        patch.setattr(EmbeddedConnector, "find_many", lambda *_: {})
        run()
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("unknown", "landing_not_confirmed")
    sweep_until_settled(proposal)
    assert (commit_of(proposal).state, len(landed_orders())) == ("succeeded", 1)


def test_renumbered_document_is_found_by_its_key(gate: Gate) -> None:
    proposal = gate.approved_order()
    with on(FaultMode.RENUMBERED):
        assert run().succeeded == 1

    receipt, order = Receipt.objects.get(), landed_orders(proposal)[0]
    assert receipt.document == order.number
    assert receipt.differences == [
        {"field": "/document", "approved": f"TMP-{commit_of(proposal).pk.hex[-8:].upper()}", "landed": order.number}
    ]
    assert last_event(proposal, "erp:difference_found")


def test_redated_and_taxed_documents_are_differences_with_both_values(gate: Gate) -> None:
    redated, taxed = gate.approved_order("2500.00"), gate.approved_order("3000.00")
    with on(FaultMode.REDATED, FaultMode.TAXED):
        assert run().succeeded == 2

    by_reference = {order.reference: order for order in PurchaseOrder.objects.all()}
    assert by_reference[redated.public_id].ordered_on.isoformat() == "2026-12-01"
    assert {"field": "/ordered_on", "approved": "2026-11-20", "landed": "2026-12-01"} in differences(redated)
    assert by_reference[taxed.public_id].total_minor == 3450_00
    assert {"field": "/total", "approved": "3000.00", "landed": "3450.00"} in differences(taxed)
    assert kinds(taxed)[-2:] == ["commit:succeeded", "erp:difference_found"]
    assert taxed.outcome.data["differences"] == differences(taxed)


def test_refusal_names_the_draft_it_left(gate: Gate) -> None:
    proposal = gate.approved_order()
    with on(FaultMode.STRAY_DRAFT):
        assert run().failed == 1

    draft = Draft.objects.get()
    commit = commit_of(proposal)
    assert (draft.reference, commit.code, commit.is_retryable) == (proposal.public_id, "erp_refused", False)
    assert draft.number in commit.detail
    assert outcome_of(last_event(proposal, "erp:draft_left")) == {"draft": draft.number, "attempt": 1}
    assert landed_orders() == []


def test_batch_is_struck_write_by_write(gate: Gate) -> None:
    proposals = gate.orders(6)
    with on(FaultMode.COMMIT_THEN_DROP, FaultMode.NO_ANSWER, FaultMode.LATE_ANSWER, FaultMode.ERROR_IN_OK):
        assert run() == Counts(opened=6, claimed=6, succeeded=2, unknown=4)
        for proposal in proposals:
            sweep_until_settled(proposal)
    assert len(landed_orders()) == 6
    assert fault_counts() == {"commit_then_drop": 1, "no_answer": 1, "late_answer": 1, "error_in_ok": 1}


def test_faults_need_a_demonstration(gate: Gate, settings: Any, django_assert_num_queries: Any) -> None:
    proposal = gate.approved_order()
    switch_on(connection="embedded", mode=FaultMode.NO_ANSWER, actor=Actor.system("test"), now=clock_now())
    settings.IS_DEMO = False
    with pytest.raises(FaultsNotAllowed):
        switch_on(connection="embedded", mode=FaultMode.DOWN, actor=Actor.system("test"), now=clock_now())
    with django_assert_num_queries(0):
        assert type(connector_for(COMPANY)) is EmbeddedConnector
    run()
    assert commit_of(proposal).state == "succeeded"
    assert Fault.objects.get().struck_count == 0
