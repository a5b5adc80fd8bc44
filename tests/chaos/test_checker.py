"""Does the checker notice? Each test breaks the databases in one way and expects exactly that to be found."""

from __future__ import annotations

import pytest

from audit.models import Event
from commits.models import Commit
from kernel.clock import now as clock_now
from ledger.contracts import GATE, WriteRequest
from ledger.services.batch import write_batch
from proposals.models import Proposal
from reconciliation.services import reconcile
from tests.builders import ledger
from tests.builders.approvals import approved, principal_of
from tests.builders.audit import seal_all, seal_and_sign
from tests.builders.commits import Gate, as_owner, commit_of, make_gate, outcome_of, remove_order, run
from tests.builders.identity import COMPANY, make_grant
from tests.builders.proposals import submit
from tests.chaos.checker import Findings, check

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.fixture(autouse=True)
def _own_checkpoints(tmp_path: object, settings: object) -> None:
    settings.AUDIT_CHECKPOINT_DIR = tmp_path  # type: ignore[attr-defined]


@pytest.fixture
def gate() -> Gate:
    return make_gate()


def checked(**values: object) -> Findings:
    """Seal, compare and check, as the end of a run does."""
    reconcile(company=COMPANY, now=clock_now())
    seal_and_sign()
    return check(**values)  # type: ignore[arg-type]


def landed(gate: Gate, count: int = 3) -> list[Proposal]:
    """Return so many orders that were approved and landed."""
    proposals = gate.orders(count)
    run()
    return proposals


def numbers(found: Findings) -> tuple[int, int, int, int, int, int]:
    return (
        found.approved_valid,
        found.committed,
        found.doubles,
        found.lost,
        found.landings_without_event,
        found.unexplained_breaks,
    )


def write_past_the_key(proposal: Proposal) -> None:
    """Let the order land once more, as an ERP without an idempotency table would."""
    request = WriteRequest(Commit.objects.get(proposal=proposal).pk, proposal.tool, COMPANY, proposal.public_id, proposal.payload)
    write_batch([request], now=clock_now(), written_by=GATE, is_keyed=False)


def test_sound_databases_hold(gate: Gate) -> None:
    proposals = landed(gate)
    gate.order("5000.00")  # pending: nobody approved it

    found = checked(acknowledged=[item.public_id for item in proposals])

    assert (found.holds, numbers(found), found.problems) == (True, (3, 3, 0, 0, 0, 0), [])


def test_double_is_noticed(gate: Gate) -> None:
    first, *_ = landed(gate)
    write_past_the_key(first)

    found = checked()

    # The second document is a double, no event names it, and reconciliation has a break for it.
    assert (found.holds, numbers(found)) == (False, (3, 3, 1, 0, 1, 1))
    assert any(sentence.startswith(f"Double: {first.public_id}") for sentence in found.problems)


def test_lost_one_is_noticed(gate: Gate) -> None:
    first, *_ = landed(gate)
    remove_order(commit_of(first).receipt.document)

    found = checked()

    assert (found.holds, numbers(found)) == (False, (3, 2, 0, 1, 0, 1))


def test_approved_and_never_committed_is_lost(gate: Gate) -> None:
    landed(gate, 1)
    gate.order()

    assert numbers(checked()) == (2, 1, 0, 1, 0, 0)


def test_landing_without_event_is_noticed(gate: Gate) -> None:
    first, *_ = landed(gate)
    key = Event.objects.get(chain=first.public_id, kind="commit:succeeded").pk
    as_owner("DELETE FROM audit_eventpayload WHERE event_id = %s", [key])
    as_owner("DELETE FROM audit_event WHERE event_id = %s", [key])

    found = checked()

    assert (found.holds, numbers(found)) == (False, (3, 3, 0, 0, 1, 0))


def test_landing_that_nobody_approved_is_noticed(gate: Gate) -> None:
    landed(gate, 1)
    pending = gate.order("5000.00")
    write_past_the_key_of_nobody(pending)

    found = checked()

    assert (found.holds, numbers(found)) == (False, (1, 2, 0, 0, 1, 1))


def write_past_the_key_of_nobody(proposal: Proposal) -> None:
    write_batch(
        [ledger.request(proposal.tool, proposal.payload, company=COMPANY, proposal=proposal.public_id)],
        now=clock_now(),
        written_by=GATE,
        is_keyed=True,
    )


def test_event_that_names_another_document_is_no_event(gate: Gate) -> None:
    first, second = landed(gate, 2)
    assert outcome_of(Event.objects.get(chain=first.public_id, kind="commit:succeeded"))["document"] == commit_of(first).receipt.document
    document = commit_of(second).receipt.document
    as_owner("UPDATE ledger_purchaseorder SET number = number || 'X' WHERE number = %s", [document], using="ledger")

    found = checked()

    assert not found.holds
    assert found.landings_without_event == 1


def test_altered_amount_without_a_break_is_noticed(gate: Gate) -> None:
    first, *_ = landed(gate)
    found = checked()
    as_owner("UPDATE ledger_purchaseorder SET total_minor = total_minor + 1 WHERE reference = %s", [first.public_id], using="ledger")

    assert found.holds
    found = check()
    # No run has seen it yet, and the ERP never said that it altered anything.
    assert (found.holds, found.unexplained_breaks) == (False, 2)
    found = checked(altered_by_the_erp=1)
    assert found.unexplained_breaks == 0


def test_broken_promise_is_lost(gate: Gate) -> None:
    proposals = landed(gate)
    never = ledger.reference()

    found = checked(acknowledged=[proposals[0].public_id, never], approved_by_people=[never])

    assert (found.holds, found.lost) == (False, 2)


def test_unsealed_event_breaks_the_chain(gate: Gate) -> None:
    landed(gate, 1)
    assert checked().is_chain_intact
    gate.order("5000.00")
    assert not check().is_chain_intact
    seal_all()
    assert check().is_chain_intact


def test_excuse_needs_a_reason_in_the_books(gate: Gate) -> None:
    """The engine's word that an approval was no longer valid is not taken for it."""
    from ledger.services import set_vendor_status
    from ledger.states import VendorStatus

    gate.approved_order()
    set_vendor_status(company=COMPANY, vendor="V1", status=VendorStatus.BLOCKED)
    run()
    assert numbers(checked()) == (0, 0, 0, 0, 0, 0)

    set_vendor_status(company=COMPANY, vendor="V1", status=VendorStatus.ACTIVE)
    assert numbers(checked()) == (1, 0, 0, 1, 0, 0)


def test_duplicate_in_the_books_excuses_its_twin_only(gate: Gate) -> None:
    cast = gate.cast
    principal = principal_of(cast.agent, make_grant(cast.agent, "post_journal_entry"), cast.principal.credential_thumbprint)

    def approve(amount: str) -> None:
        approved(submit(principal, "post_journal_entry", ledger.entry(amount)), cast.alice)

    approve("905.69")
    approve("905.69")
    run()
    assert numbers(checked()) == (1, 1, 0, 0, 0, 0)

    approve("905.70")

    assert numbers(checked()) == (2, 1, 0, 1, 0, 0)
