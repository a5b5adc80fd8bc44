"""From approval to document: what is approved lands once, is read back, and every part of it says so."""

from __future__ import annotations

import pytest

from audit.models import Event
from commits import services
from commits.evidence import erp_section
from commits.models import Attempt, Commit, Receipt
from commits.records import Counts
from kernel.canonical import digest_of_bytes, parse_json
from kernel.clock import now as clock_now
from ledger.models import IdempotencyRecord
from tests.builders.commits import WORKER, Gate, commit_of, kinds, landed_orders, last_event, make_gate, outcome_of, run

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def test_approved_proposal_lands_once(gate: Gate) -> None:
    proposal = gate.approved_order("2500.00")

    assert run() == Counts(opened=1, claimed=1, succeeded=1)

    commit = commit_of(proposal)
    order = landed_orders(proposal)[0]
    assert (commit.state, commit.attempt_number, commit.lease_until, commit.code) == ("succeeded", 1, None, "")
    assert bytes(commit.request_bytes or b"") == bytes(proposal.action_bytes)
    assert (order.total_minor, order.currency) == (2500_00, "EUR")
    assert [record.key for record in IdempotencyRecord.objects.all()] == [commit.pk]
    receipt = Receipt.objects.get(commit=commit)
    assert (receipt.document, receipt.differences) == (order.number, [])
    assert len(receipt.content_digest) == 64
    assert proposal.outcome.status == "committed"
    assert proposal.outcome.document == order.number
    assert [(attempt.number, attempt.outcome) for attempt in Attempt.objects.filter(commit=commit)] == [(1, "posted")]


def test_events_tell_the_story_in_order(gate: Gate) -> None:
    proposal = gate.approved_order()
    run()

    assert kinds(proposal)[-2:] == ["commit:started", "commit:succeeded"]
    succeeded = last_event(proposal, "commit:succeeded")
    record = parse_json(bytes(succeeded.bytes))
    assert isinstance(record, dict)
    receipt = Receipt.objects.get(commit__proposal=proposal)
    assert record["action_digest"] == proposal.payload_digest
    assert outcome_of(succeeded) == {
        "status": "succeeded",
        "attempt": 1,
        "document": receipt.document,
        "answered": "posted",
        "differences": 0,
        "receipt_digest": digest_of_bytes("countersign.receipt/1", bytes(receipt.answer_bytes)),
        "read_back_digest": digest_of_bytes("countersign.read_back/1", bytes(receipt.read_back_bytes)),
    }


def test_evidence_holds_request_receipt_and_read_back(gate: Gate) -> None:
    proposal = gate.approved_order()
    assert erp_section([proposal.public_id])(proposal.public_id) == {}
    run()

    members = erp_section([proposal.public_id])(proposal.public_id)
    receipt = Receipt.objects.get(commit__proposal=proposal)
    assert sorted(members) == ["erp/attempts.json", "erp/read_back.json", "erp/receipt.json", "erp/request.json"]
    assert members["erp/request.json"] == bytes(proposal.action_bytes)
    parsed = {name: parse_json(content) for name, content in members.items()}
    assert parsed["erp/receipt.json"]["document"] == receipt.document  # type: ignore[index]
    assert parsed["erp/read_back.json"]["differences"] == []  # type: ignore[index]


def test_automatic_and_pending_proposals(gate: Gate) -> None:
    automatic, pending = gate.order("100.00"), gate.order("2000.00")

    assert run() == Counts(opened=1, claimed=1, succeeded=1)

    assert len(landed_orders(automatic)) == 1
    assert not Commit.objects.filter(proposal=pending).exists()


def test_a_task_delivered_twice_changes_nothing(gate: Gate) -> None:
    proposal = gate.approved_order()
    run()
    events = Event.objects.count()

    assert run() == Counts()

    assert len(landed_orders()) == 1
    assert Event.objects.count() == events
    assert commit_of(proposal).attempt_number == 1


def test_a_batch_takes_a_constant_number_of_statements(gate: Gate, django_assert_max_num_queries: object) -> None:
    gate.orders(30)
    services.open_commits(now=clock_now())

    with django_assert_max_num_queries(25) as few:  # type: ignore[operator]
        claimed = services.claim(now=clock_now(), worker=WORKER, limit=5)
    with django_assert_max_num_queries(len(few)):  # type: ignore[operator]
        more = services.claim(now=clock_now(), worker=WORKER, limit=25)

    assert (len(claimed), len(more)) == (5, 25)
    settlements = services.send(claimed + more, now=clock_now())
    with django_assert_max_num_queries(15):  # type: ignore[operator]
        assert services.settle(settlements, now=clock_now()) == Counts(succeeded=30)


def test_log_only_proposals_never_get_a_commit() -> None:
    gate = make_gate(is_log_only=True)
    proposal = gate.approved_order()

    assert run() == Counts()

    assert proposal.state == "approved"
    assert proposal.outcome.status == "logged"
    assert landed_orders() == []
