"""What people do with a break: explain it, write it off, have it corrected through the gate."""

from __future__ import annotations

from datetime import date

import pytest
from django.contrib.auth.models import User

from approvals.models import Exclusion
from audit.models import Event
from commits.errors import NotRecommittable
from commits.models import Commit, Receipt
from identity.models import Agent, Role
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, PermissionRefused, StateConflict
from ledger.contracts import GATE
from ledger.models import JournalEntry, PurchaseOrder
from ledger.services import place_staff_order
from proposals.models import Proposal
from reconciliation import services
from reconciliation.errors import CompensationUnavailable, NotCompensable, ReasonMissing
from reconciliation.models import Break
from tests.builders import ledger
from tests.builders.approvals import approved, decided_by
from tests.builders.audit import seal_all
from tests.builders.commits import Gate, as_owner, landed_orders, remove_order, run
from tests.builders.identity import COMPANY, actor, make_agent, make_grant, make_user

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def an_orphan(amount: str = "77.00") -> Break:
    action = ledger.order(lines=(("I1", "1", amount),))
    place_staff_order(company=COMPANY, action=action, written_by=GATE, now=clock_now())
    services.reconcile(company=COMPANY, now=clock_now())
    return Break.objects.get()


def internal_agent(gate: Gate) -> Agent:
    agent = make_agent(gate.cast.olga, name=f"Countersign reconciliation {COMPANY}")
    for tool in ("post_journal_entry", "create_purchase_order"):
        make_grant(agent, tool)
    return agent


def compensate(found: Break, user: User, **more: object) -> Proposal:
    return services.propose_compensation(
        break_id=found.public_id,
        user=user,
        actor=actor(user),
        now=clock_now(),
        **more,  # type: ignore[arg-type]
    )


def events(found: Break) -> list[str]:
    return [event.kind for event in Event.objects.filter(subject_id=found.public_id).order_by("recorded_at", "position")]


@pytest.mark.parametrize(
    ("service", "words", "state", "kind"),
    [
        (services.explain_break, "explanation", "explained", "reconciliation:break_explained"),
        (services.write_off, "reason", "written_off", "reconciliation:break_written_off"),
    ],
)
def test_closing_with_a_reason(gate: Gate, service: object, words: str, state: str, kind: str) -> None:
    found = an_orphan()
    arguments = {"break_id": found.public_id, "now": clock_now()}
    with pytest.raises(ReasonMissing):
        service(**arguments, user=gate.otto, actor=actor(gate.otto), **{words: "  "})  # type: ignore[operator]
    outsider = make_user("otis", [Role.OPERATOR], companies=("US01",))
    for user, refusal in ((gate.cast.alice, PermissionRefused), (outsider, NotVisible)):
        with pytest.raises(refusal):
            service(**arguments, user=user, actor=actor(user), **{words: "Because"})  # type: ignore[operator]
    found.refresh_from_db()
    assert (found.state, events(found)) == ("open", ["reconciliation:break_opened"])

    service(**arguments, user=gate.otto, actor=actor(gate.otto), **{words: "Agreed by phone"})  # type: ignore[operator]

    found.refresh_from_db()
    assert (found.state, found.explanation, found.handled_by) == (state, "Agreed by phone", gate.otto)
    assert events(found) == ["reconciliation:break_opened", kind]
    with pytest.raises(StateConflict):
        service(**arguments, user=gate.otto, actor=actor(gate.otto), **{words: "Again"})  # type: ignore[operator]
    assert services.reconcile(company=COMPANY, now=clock_now()).break_count == 0


def test_explained_break_is_open_again_when_it_looks_different(gate: Gate) -> None:
    found = an_orphan()
    services.explain_break(break_id=found.public_id, user=gate.otto, actor=actor(gate.otto), now=clock_now(), explanation="Known")
    as_owner("UPDATE ledger_purchaseorder SET note = 'more'", using="ledger")
    assert services.reconcile(company=COMPANY, now=clock_now()).break_count == 1
    found.refresh_from_db()
    assert found.state == "open"


def test_orphan_is_reversed_through_the_gate(gate: Gate) -> None:
    found = an_orphan()
    internal_agent(gate)

    proposal = compensate(found, gate.otto)

    found.refresh_from_db()
    assert (found.state, found.compensation, found.handled_by) == ("compensating", proposal, gate.otto)
    assert (proposal.tool, proposal.compensates, proposal.state) == ("post_journal_entry", found.public_id, "pending")
    assert proposal.idempotency_key == f"comp:{found.public_id}"
    assert Exclusion.objects.filter(route__proposal=proposal, user=gate.otto, reason="asked").exists()
    assert compensate(found, gate.otto) == proposal
    assert Proposal.objects.count() == 1
    assert events(found)[-1] == "compensation:proposed"

    approved(proposal, gate.cast.alice)
    run()
    assert PurchaseOrder.objects.get().state != "cancelled"  # a compensating entry is final only with a sealed receipt
    seal_all()
    run()

    assert PurchaseOrder.objects.get().state == "cancelled"
    reversal = JournalEntry.objects.get(reverses_document=found.document)
    assert reversal.number == Receipt.objects.get(commit__proposal=proposal).document
    assert services.reconcile(company=COMPANY, now=clock_now()).break_count == 1
    found.refresh_from_db()
    assert found.state == "compensating"  # it landed, and that is not sealed yet
    seal_all()
    done = services.reconcile(company=COMPANY, now=clock_now())
    assert (done.break_count, done.matched_count) == (0, 1)
    found.refresh_from_db()
    assert found.state == "resolved"
    assert services.reconcile(company=COMPANY, now=clock_now()).break_count == 0
    assert Break.objects.count() == 1


def test_crash_between_proposal_and_break_proposes_once(gate: Gate) -> None:
    found = an_orphan()
    internal_agent(gate)
    proposal = compensate(found, gate.otto)
    Break.objects.filter(pk=found.pk).update(compensation=None)
    as_owner("UPDATE reconciliation_break SET state = 'open'")

    assert compensate(found, gate.otto) == proposal
    assert Proposal.objects.count() == 1


def test_refused_compensation_may_be_proposed_again(gate: Gate) -> None:
    found = an_orphan()
    internal_agent(gate)
    first = compensate(found, gate.otto)
    decided_by(gate.cast.alice, first, "reject")

    services.reconcile(company=COMPANY, now=clock_now())
    found.refresh_from_db()
    assert found.state == "open"
    second = compensate(found, gate.otto)

    assert second.pk != first.pk
    found.refresh_from_db()
    assert (found.state, found.compensation) == ("compensating", second)


def test_missing_order_is_proposed_once_more(gate: Gate) -> None:
    original = gate.order()
    run()
    remove_order(landed_orders(original)[0].number)
    services.reconcile(company=COMPANY, now=clock_now())
    found = Break.objects.get()
    internal_agent(gate)

    proposal = compensate(found, gate.otto)

    assert (found.kind, proposal.tool, proposal.payload) == ("missing", original.tool, original.payload)
    seal_all()
    run()
    assert len(landed_orders(proposal)) == 1


def recommit(found: Break, user: User) -> Commit:
    return services.recommit_break(break_id=found.public_id, user=user, actor=actor(user), now=clock_now())


def test_missing_order_is_committed_again_where_the_erp_forgot_the_key(gate: Gate) -> None:
    original = gate.order()
    run()
    remove_order(landed_orders(original)[0].number)
    services.reconcile(company=COMPANY, now=clock_now())
    found = Break.objects.get()
    with pytest.raises(NotRecommittable):
        recommit(found, gate.otto)
    as_owner("DELETE FROM ledger_idempotencyrecord", using="ledger")
    outsider = make_user("otis", [Role.OPERATOR], companies=("US01",))
    for user, refusal in ((gate.cast.alice, PermissionRefused), (outsider, NotVisible)):
        with pytest.raises(refusal):
            recommit(found, user)
    assert events(found) == ["reconciliation:break_opened"]

    queued = recommit(found, gate.otto)
    with pytest.raises(StateConflict):
        recommit(found, gate.otto)
    run()

    assert len(landed_orders(original)) == 1
    done = services.reconcile(company=COMPANY, now=clock_now())
    found.refresh_from_db()
    assert (done.break_count, done.matched_count, found.state) == (0, 1, "resolved")
    assert queued.proposal == original
    assert events(found)[1:] == ["reconciliation:break_recommitted", "reconciliation:break_resolved"]


def test_only_what_is_missing_is_committed_again(gate: Gate) -> None:
    with pytest.raises(NotCompensable):
        recommit(an_orphan(), gate.otto)


def test_accounting_date_may_be_moved(gate: Gate) -> None:
    found = an_orphan()
    internal_agent(gate)
    assert compensate(found, gate.otto, effective_on=date(2026, 12, 1)).effective_on == date(2026, 12, 1)


def test_compensation_is_refused_where_it_makes_no_sense(gate: Gate) -> None:
    found = an_orphan()
    with pytest.raises(CompensationUnavailable):
        compensate(found, gate.otto)
    internal_agent(gate)
    outsider = make_user("otis", [Role.OPERATOR], companies=("US01",))
    for user, refusal in ((gate.cast.alice, PermissionRefused), (outsider, NotVisible)):
        with pytest.raises(refusal):
            compensate(found, user)
    Break.objects.update(kind="unsettled")
    with pytest.raises(NotCompensable):
        compensate(found, gate.otto)
    Break.objects.update(kind="orphan")
    services.write_off(break_id=found.public_id, user=gate.otto, actor=actor(gate.otto), now=clock_now(), reason="Small")
    with pytest.raises(NotCompensable):
        compensate(found, gate.otto)
    assert not Proposal.objects.exists()
