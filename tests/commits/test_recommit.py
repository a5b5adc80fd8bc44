"""What the ERP lost lands once more under the same key; what it still has, or remembers, does not."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from commits import services
from commits.errors import NotRecommittable
from commits.evidence import erp_section
from commits.models import Commit, Receipt, Relanding
from commits.queries import landed_differently, landing_of
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from identity.models import Role
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, PermissionRefused
from kernel.queue import depth
from ledger.models import IdempotencyRecord, PurchaseOrder
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.commits import Gate, as_owner, commit_of, kinds, landed_orders, last_event, outcome_of, remove_order, run
from tests.builders.gateway import FaultyConnector
from tests.builders.identity import COMPANY, actor, make_user

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def lost(gate: Gate, *, remembers_key: bool = False) -> tuple[Proposal, Commit]:
    """Return a commit whose order is gone from the ERP, as after a restore from a backup."""
    proposal = gate.approved_order()
    run()
    remove_order(PurchaseOrder.objects.get(reference=proposal.public_id).number)
    if not remembers_key:
        as_owner("DELETE FROM ledger_idempotencyrecord", using="ledger")
    return proposal, commit_of(proposal)


def again(gate: Gate, commit: Commit) -> Commit:
    return services.recommit(commit_id=commit.public_id, user=gate.otto, actor=actor(gate.otto), now=clock_now())


def test_lost_document_lands_again_under_the_same_key(gate: Gate) -> None:
    proposal, commit = lost(gate)
    waiting, first = depth(), Receipt.objects.get()

    queued = again(gate, commit)

    assert (queued.state, queued.landing_number, depth()) == ("queued", 2, waiting + 1)
    assert outcome_of(last_event(proposal, "commit:recommitted")) == {"status": "queued", "landing": 2, "attempts": 1}
    run()
    settled, order = commit_of(proposal), landed_orders(proposal)[0]
    assert (settled.state, settled.attempt_number) == ("succeeded", 2)
    assert [record.key for record in IdempotencyRecord.objects.all()] == [commit.pk]
    landing = landing_of(settled)
    assert isinstance(landing, Relanding)
    assert (landing.number, landing.document) == (2, order.number)
    assert Receipt.objects.get().document == first.document
    assert bytes(settled.request_bytes or b"") == bytes(proposal.action_bytes)
    assert {"erp/receipt.json", "erp/receipt_2.json", "erp/read_back_2.json"} <= set(erp_section([proposal.public_id])(proposal.public_id))
    assert kinds(proposal)[-3:] == ["commit:recommitted", "commit:started", "commit:succeeded"]


@pytest.mark.parametrize("reason", ["key_known", "document_there"])
def test_what_the_erp_has_or_remembers_is_refused(gate: Gate, reason: str) -> None:
    if reason == "key_known":
        proposal, commit = lost(gate, remembers_key=True)
    else:
        proposal = gate.approved_order()
        run()
        commit = commit_of(proposal)
        as_owner("DELETE FROM ledger_idempotencyrecord", using="ledger")
    events = kinds(proposal)

    with pytest.raises(NotRecommittable) as refusal:
        again(gate, commit)

    assert refusal.value.data["reason"] == reason
    assert (commit_of(proposal).state, commit_of(proposal).landing_number, kinds(proposal)) == ("succeeded", 1, events)


def test_second_time_and_without_an_approval_it_is_refused(gate: Gate) -> None:
    proposal, commit = lost(gate)
    Proposal.objects.filter(pk=proposal.pk).update(state=ProposalState.VOIDED)
    with pytest.raises(NotRecommittable):
        again(gate, commit)
    Proposal.objects.filter(pk=proposal.pk).update(state=ProposalState.APPROVED)
    again(gate, commit)
    with pytest.raises(NotRecommittable):
        again(gate, commit)
    assert kinds(proposal).count("commit:recommitted") == 1


def test_only_operators_of_the_company_may(gate: Gate) -> None:
    proposal, commit = lost(gate)
    outsider = make_user("otis", [Role.OPERATOR], companies=("US01",))
    for user, refusal in ((gate.cast.alice, PermissionRefused), (outsider, NotVisible)):
        with pytest.raises(refusal):
            services.recommit(commit_id=commit.public_id, user=user, actor=actor(user), now=clock_now())
    assert commit_of(proposal).state == "succeeded"


def test_everything_is_verified_again(gate: Gate) -> None:
    proposal, commit = lost(gate)
    again(gate, commit)
    as_owner("UPDATE proposals_proposal SET action_bytes = 'other' WHERE id = %s", [proposal.pk])
    run()
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("failed", "action_altered")
    assert landed_orders(proposal) == []


def test_relandings_stay_as_they_were_written(gate: Gate) -> None:
    proposal, commit = lost(gate)
    again(gate, commit)
    run()
    for statement in ("UPDATE commits_relanding SET document = 'x'", "DELETE FROM commits_relanding"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert landed_orders(proposal)


def test_what_landed_otherwise_is_listed_for_reconciliation(gate: Gate) -> None:
    gate.approved_order("2600.00")
    run()
    proposal = gate.approved_order()
    with use_connector(FaultyConnector(EmbeddedConnector(), altered={"ordered_on": "2026-12-01"})):
        run()
    found = list(landed_differently(COMPANY))
    assert [item.commit.proposal_id for item in found] == [proposal.pk]
    assert found[0].differences == [{"field": "/ordered_on", "approved": "2026-11-20", "landed": "2026-12-01"}]
