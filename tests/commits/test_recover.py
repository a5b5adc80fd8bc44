"""Workers die, answers get lost, connections break: what was approved lands exactly once all the same."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from commits import services
from commits.models import Attempt, Commit, Receipt
from commits.records import Counts
from commits.services.claiming import LEASE_SECONDS
from gateway import connections
from gateway.connections import connector_for, use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.errors import ErpUnavailable
from gateway.port import Level, SendStatus, WriteOutcome
from kernel.clock import now as clock_now
from ledger.services import execute_batch
from tests.builders.commits import WORKER, Gate, commit_of, kinds, landed_orders, last_event, outcome_of, run
from tests.builders.gateway import Fault, FaultyConnector
from tests.builders.identity import COMPANY

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
AFTER_LEASE = timedelta(seconds=LEASE_SECONDS + 1)


def faulty(*faults: Fault, **more: object) -> FaultyConnector:
    return FaultyConnector(EmbeddedConnector(), list(faults), **more)  # type: ignore[arg-type]


def attempts(commit: Commit) -> list[tuple[int, str]]:
    return [(item.number, item.outcome) for item in Attempt.objects.filter(commit=commit).order_by("number")]


def test_worker_dies_after_claim(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    services.claim(now=clock_now(), worker=WORKER)

    assert services.expire_leases(now=clock_now()) == Counts()
    later = clock_now() + AFTER_LEASE
    assert services.expire_leases(now=later) == Counts(unknown=1)
    assert commit_of(proposal).code == "lease_expired"
    assert services.resolve_unknown(now=later) == Counts(deferred=1)
    assert services.run(now=lambda: later + timedelta(seconds=2)) == Counts(claimed=1, succeeded=1)

    assert len(landed_orders(proposal)) == 1
    assert attempts(commit_of(proposal)) == [(1, "lost"), (2, "posted")]
    assert kinds(proposal)[-5:] == [
        "commit:started",
        "commit:unknown",
        "commit:deferred",
        "commit:started",
        "commit:succeeded",
    ]


def test_worker_dies_after_the_erp_committed(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    services.send(services.claim(now=clock_now(), worker=WORKER), now=clock_now())
    assert len(landed_orders(proposal)) == 1

    later = clock_now() + AFTER_LEASE
    counts = services.sweep(now=lambda: later)

    assert counts == Counts(unknown=1, succeeded=1)
    assert len(landed_orders(proposal)) == 1
    assert commit_of(proposal).state == "succeeded"
    assert Receipt.objects.get(commit__proposal=proposal).document == landed_orders(proposal)[0].number
    assert attempts(commit_of(proposal)) == [(1, "lost")]


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.RAISES_AFTER_COMMIT])
def test_connection_cut_after_the_erp_committed(gate: Gate, fault: Fault) -> None:
    proposals = gate.orders(2)
    connector = faulty(fault)
    with use_connector(connector):
        run()
        counts = services.sweep(now=clock_now)

    assert counts.succeeded + sum(commit_of(item).state == "succeeded" for item in proposals) >= 2
    assert [commit_of(item).state for item in proposals] == ["succeeded", "succeeded"]
    assert len(landed_orders()) == 2
    assert len({item.key for item in connector.sent}) == 2


def test_call_that_never_left_is_queued_again_with_backoff(gate: Gate) -> None:
    proposal = gate.approved_order()
    connector = faulty(Fault.NOT_SENT, Fault.NOT_SENT)
    with use_connector(connector):
        started = clock_now()
        assert services.run_round(now=lambda: started, worker=WORKER, since=None) == Counts(opened=1, claimed=1, deferred=1)
        assert services.run_round(now=lambda: started, worker=WORKER, since=None) == Counts()
        second = started + timedelta(seconds=1)
        assert services.run_round(now=lambda: second, worker=WORKER, since=None) == Counts(claimed=1, deferred=1)
        assert commit_of(proposal).not_before == second + timedelta(seconds=2)
        third = second + timedelta(seconds=2)
        assert services.run_round(now=lambda: third, worker=WORKER, since=None) == Counts(claimed=1, succeeded=1)

    assert attempts(commit_of(proposal)) == [(1, "not_sent"), (2, "not_sent"), (3, "posted")]
    assert len(connector.sent) == 1


def test_outage_before_sending_defers_for_ever(gate: Gate) -> None:
    proposal = gate.approved_order()
    at = clock_now()
    with use_connector(faulty(is_down=True)):
        for _ in range(12):
            at += timedelta(minutes=6)
            services.run_round(now=lambda moment=at: moment, worker=WORKER, since=None)  # type: ignore[misc]
    commit = commit_of(proposal)
    assert (commit.state, commit.code, commit.attempt_number) == ("queued", "erp_unavailable", 12)
    assert commit.not_before - at == timedelta(seconds=300)


@pytest.mark.parametrize("step", ["opening", "sending"])
def test_worker_that_starts_while_the_erp_is_down(gate: Gate, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    proposal = gate.approved_order()
    if step == "sending":
        services.open_commits(now=clock_now())

    def companies(self: EmbeddedConnector) -> list[object]:
        raise ErpUnavailable(detail="The database is starting up.")

    with monkeypatch.context() as patch:
        patch.setattr(connections, "_found", {})
        patch.setattr(EmbeddedConnector, "companies", companies)
        counts = run()
    assert counts == (Counts() if step == "opening" else Counts(claimed=1, deferred=1))

    later = clock_now() + timedelta(seconds=2)
    assert services.run(now=lambda: later).succeeded == 1
    assert len(landed_orders(proposal)) == 1


def test_late_settler_is_ignored(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    late = services.send(services.claim(now=clock_now(), worker="late"), now=clock_now())
    services.sweep(now=lambda: clock_now() + AFTER_LEASE)
    before = kinds(proposal)

    assert services.settle(late, now=clock_now()) == Counts(ignored=1)

    assert kinds(proposal) == before
    assert Receipt.objects.count() == 1
    assert len(landed_orders(proposal)) == 1


def test_paused_worker_does_not_send_when_its_lease_runs_out(gate: Gate) -> None:
    from dataclasses import replace

    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    claimed = [replace(item, deadline=item.deadline - LEASE_SECONDS) for item in services.claim(now=clock_now(), worker=WORKER)]

    assert services.settle(services.send(claimed, now=clock_now()), now=clock_now()) == Counts(deferred=1)
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("queued", "lease_short")
    assert landed_orders() == []


def test_slow_erp_of_a_lower_level_gets_what_it_can_do_within_the_lease(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    proposals = gate.orders(7)
    passed = iter([0.0] * 5 + [31.0] * 2)
    started = time.monotonic()
    connector = faulty(level=Level.B)
    with use_connector(connector):
        services.open_commits(now=clock_now())
        claimed = services.claim(now=clock_now(), worker=WORKER)
        monkeypatch.setattr(time, "monotonic", lambda: started + next(passed))
        settlements = services.send(claimed, now=clock_now())
    monkeypatch.undo()

    assert services.settle(settlements, now=clock_now()) == Counts(succeeded=5, deferred=2)
    assert len(connector.sent) == len(landed_orders()) == 5
    assert {commit_of(item).state for item in proposals} == {"succeeded", "queued"}


def test_batch_that_failed_as_a_whole_is_not_sent_again_at_a_lower_level(gate: Gate) -> None:
    proposals = gate.orders(3)
    connector = faulty(Fault.RAISES_AFTER_COMMIT, level=Level.B)
    with use_connector(connector):
        run()
    assert len(connector.sent) == 3
    assert {commit_of(item).state for item in proposals} == {"succeeded"}
    assert len(landed_orders()) == 3


def test_batch_that_failed_is_looked_up_before_anything_of_it_is_sent_again(gate: Gate) -> None:
    gate.orders(3)
    connector = faulty(Fault.RAISES_AFTER_COMMIT)
    with use_connector(connector):
        assert run().succeeded == 3
    assert len(connector.sent) == 3


def test_unknown_at_a_lower_level_waits_for_a_person(gate: Gate) -> None:
    proposal = gate.approved_order()
    connector = faulty(Fault.RAISES, level=Level.B)
    with use_connector(connector):
        run()
        at = clock_now() + timedelta(hours=1)
        assert services.resolve_unknown(now=at) == Counts()
        assert services.resolve_unknown(now=at) == Counts()
        assert connector.sent == []

    commit = commit_of(proposal)
    assert (commit.state, commit.code, commit.attempt_number) == ("unknown", "answer_lost", 1)
    assert commit.not_before > at
    assert proposal.outcome.status == "unknown"


def test_poison_item_does_not_stop_the_others(gate: Gate) -> None:
    proposals = gate.orders(3)
    poison = proposals[1]

    class Poisoned(FaultyConnector):
        def commit_many(self, requests, *, now):  # type: ignore[no-untyped-def]
            if any(item.reference == poison.public_id for item in requests):
                raise ValueError("this one always breaks the batch")
            return super().commit_many(requests, now=now)

    with use_connector(Poisoned(EmbeddedConnector())):
        run()
        assert [commit_of(item).state for item in proposals] == ["succeeded", "unknown", "succeeded"]
        at = clock_now()
        for _ in range(30):
            at += timedelta(minutes=6)
            services.sweep(now=lambda moment=at: moment)  # type: ignore[misc]

    commit = commit_of(poison)
    assert (commit.state, commit.code, commit.is_retryable, commit.attempt_number) == ("failed", "attempts_exhausted", True, 8)
    assert outcome_of(last_event(poison, "commit:failed"))["code"] == "attempts_exhausted"
    assert len(landed_orders()) == 2


def test_unsettleable_item_does_not_stop_the_others(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    from commits.services import settling

    proposals = gate.orders(3)
    original = settling._receipt

    def receipt(item, rows, *, now):  # type: ignore[no-untyped-def]
        if item.claim.proposal_id == proposals[0].pk and now < limit:
            raise ValueError("no receipt for this one")
        return original(item, rows, now=now)

    limit = clock_now() + timedelta(minutes=1)
    monkeypatch.setattr(settling, "_receipt", receipt)
    run()
    assert [commit_of(item).state for item in proposals] == ["in_flight", "succeeded", "succeeded"]

    services.sweep(now=lambda: clock_now() + AFTER_LEASE)
    assert commit_of(proposals[0]).state == "succeeded"
    assert len(landed_orders()) == 3


def test_unreadable_document_is_unknown_until_it_can_be_read(gate: Gate) -> None:
    proposal = gate.approved_order()

    class Blind(FaultyConnector):
        def read_back_many(self, company, documents):  # type: ignore[no-untyped-def]
            raise OSError("the reading half is down")

    with use_connector(Blind(EmbeddedConnector())):
        assert run() == Counts(opened=1, claimed=1, unknown=1)
    assert commit_of(proposal).code == "read_back_failed"

    assert services.sweep(now=clock_now).succeeded == 1
    assert len(landed_orders(proposal)) == 1


def test_difference_that_landed_is_recorded(gate: Gate) -> None:
    proposal = gate.approved_order()
    with use_connector(faulty(altered={"ordered_on": "2026-12-01"})):
        run()

    receipt = Receipt.objects.get(commit__proposal=proposal)
    difference = {"field": "/ordered_on", "approved": "2026-11-20", "landed": "2026-12-01"}
    assert receipt.differences == [difference]
    assert proposal.outcome.data["differences"] == [difference]
    assert kinds(proposal)[-2:] == ["commit:succeeded", "erp:difference_found"]
    assert outcome_of(last_event(proposal, "erp:difference_found")) == {"document": receipt.document, "fields": ["/ordered_on"]}


def test_refusal_of_the_erp_is_final_or_retryable_as_it_says(gate: Gate) -> None:
    proposal = gate.approved_order()
    with use_connector(faulty(Fault.REFUSED)):
        assert run() == Counts(opened=1, claimed=1, failed=1)

    commit = commit_of(proposal)
    assert (commit.state, commit.code, commit.is_retryable) == ("failed", "constraint_violated", False)
    assert (proposal.outcome.status, proposal.outcome.code) == ("failed", "constraint_violated")
    assert kinds(proposal)[-1] == "commit:failed"
    assert proposal.state == "approved"


def test_whatever_an_erp_says_can_be_stored(gate: Gate) -> None:
    proposal = gate.approved_order()

    class Rambling(FaultyConnector):
        def commit_many(self, requests, *, now):  # type: ignore[no-untyped-def]
            return [WriteOutcome(item.key, SendStatus.REFUSED, code="x" * 500, detail="no\0" * 5000) for item in requests]

    with use_connector(Rambling(EmbeddedConnector())):
        run()
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("failed", "x" * 64)


def test_same_key_with_another_payload_is_a_conflict(gate: Gate) -> None:
    from tests.builders import ledger

    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    key = Commit.objects.get().pk
    foreign = ledger.request("create_purchase_order", ledger.order(), company=COMPANY, key=key)
    execute_batch([foreign], now=clock_now())

    run()

    commit = commit_of(proposal)
    assert (commit.state, commit.code, commit.is_retryable) == ("failed", "key_reused", False)
    assert connector_for(COMPANY).level is Level.A
    assert landed_orders(proposal) == []
