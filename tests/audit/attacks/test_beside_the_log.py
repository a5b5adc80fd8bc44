"""The log is whole, and somebody edits what lies beside it: verification ties those rows to the log, and names them."""

from __future__ import annotations

import pytest
from django.db import transaction

from audit.models import Event
from audit.records import NewEvent, Subject
from audit.services import record_many
from audit.verification import Verification, verify_chain
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from proposals.models import Proposal, ReadReceipt
from tests.builders.audit import INSTANT, seal_and_sign
from tests.builders.commits import Gate, as_owner, commit_of, make_gate, run

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.fixture
def order() -> Proposal:
    """Return an order that was committed; everything is sealed and signed."""
    gate: Gate = make_gate()
    proposal = gate.order()
    run()
    assert commit_of(proposal).state == "succeeded"
    seal_and_sign()
    return proposal


def verification() -> Verification:
    return verify_chain(with_ties=True)


def named() -> set[str]:
    return {problem.code for problem in verification().findings.problems}


def document_of(proposal: Proposal) -> str:
    return str(commit_of(proposal).receipt.document)


def test_what_was_committed_is_tied_to_the_log_and_to_the_ledger(order: Proposal) -> None:
    found = verification()
    assert found.holds, found.findings.problems
    assert ("What landed is what the log says, and still stands in the ERP", True, "1 landings") in found.findings.checks


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_purchaseorder SET total_minor = total_minor + 100 WHERE number = %s",
        "UPDATE ledger_purchaseorder SET reference = 'prop_01kas8v3q2f0ynh5tq3n8rzd1c' WHERE number = %s",
    ],
)
def test_a_ledger_row_edited_under_an_intact_log_is_named(order: Proposal, statement: str) -> None:
    as_owner(statement, [document_of(order)], using="ledger")
    assert named() == {"ledger_edited"}


def test_a_document_that_is_gone_is_named(order: Proposal) -> None:
    as_owner("UPDATE ledger_purchaseorder SET number = 'PO-0' WHERE number = %s", [document_of(order)], using="ledger")
    assert named() == {"ledger_missing"}


def test_a_receipt_rewritten_to_fit_the_edited_ledger_is_named(order: Proposal) -> None:
    as_owner("UPDATE commits_receipt SET read_back_bytes = %s", [canonical_bytes({"landed": {}})])
    assert "receipt_forged" in named()


def a_read(order: Proposal) -> ReadReceipt:
    """Return a read receipt that nobody recorded."""
    stored = canonical_bytes({"remaining": "1000000.00"})
    return ReadReceipt.objects.create(
        agent=order.agent, tool="check_budget", tool_version=1, company=order.company, arguments={}, as_of=INSTANT,
        result_bytes=stored, result_digest=digest_of_bytes("countersign.read/1", stored),
    )  # fmt: skip


def test_a_read_receipt_that_the_log_does_not_know_is_named(order: Proposal) -> None:
    a_read(order)
    assert named() == {"read_forged"}


def test_a_read_receipt_whose_result_is_edited_is_named(order: Proposal) -> None:
    row = a_read(order)
    item = {"role": "read", "source": row.public_id, "digest": row.result_digest}
    subject = Subject(kind="read", id=row.public_id, company=row.company, tool=row.tool)
    with transaction.atomic():
        record_many([NewEvent(kind="read:taken", actor=Actor.system("test"), subject=subject, now=INSTANT, evidence=(item,))])
    seal_and_sign()
    assert named() == set()
    edited = canonical_bytes({"remaining": "9000000.00"})
    as_owner(
        "UPDATE proposals_readreceipt SET result_bytes = %s, result_digest = %s", [edited, digest_of_bytes("countersign.read/1", edited)]
    )
    assert named() == {"read_forged"}
    assert Event.objects.filter(kind="read:taken").count() == 1
