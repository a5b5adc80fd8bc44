"""The ends of a proposal: withdrawn, superseded, expired, voided, decided; each from a state that leads there."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from audit.models import Event
from identity import services as identity_services
from kernel.actors import Actor
from kernel.canonical import parse_json
from kernel.clock import now
from kernel.errors import StateConflict
from kernel.ids import Prefix, decode, encode
from proposals import services, tasks
from proposals.models import Feedback, Outcome, Proposal, ReadReceipt
from proposals.queries import lock_proposal
from proposals.states import OutcomeStatus, ProposalState
from tests.builders import identity
from tests.builders.proposals import submit
from tests.proposals.conftest import Door, bounded_door, only_refused, problem
from tests.proposals.test_status import PERSON, decide

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def kinds_of(proposal_id: str) -> list[str]:
    return list(Event.objects.filter(proposal=proposal_id).order_by("position").values_list("kind", flat=True))


def test_an_open_proposal_is_withdrawn_by_its_agent(door: Door) -> None:
    proposal_id = door.propose().json()["id"]
    response = door.post(f"proposals/{proposal_id}/withdraw")
    assert (response.status_code, response.json()["status"], response.json()["is_final"]) == (200, "withdrawn", True)
    assert kinds_of(proposal_id) == ["proposal:proposed", "proposal:withdrawn"]
    with only_refused("state_conflict"):
        problem(door.post(f"proposals/{proposal_id}/withdraw"), 409, "state_conflict")


def test_nobody_else_withdraws_it(door: Door, other_door: Door) -> None:
    proposal_id = door.propose().json()["id"]
    with only_refused("not_found"):
        problem(other_door.post(f"proposals/{proposal_id}/withdraw"), 404, "not_found")


def test_a_token_for_another_tool_does_not_withdraw(door: Door) -> None:
    proposal_id, other = door.propose().json()["id"], door.holding(tool="post_journal_entry")
    with only_refused("token_scope"):
        problem(other.post(f"proposals/{proposal_id}/withdraw"), 403, "token_scope")


def test_an_approved_proposal_is_not_withdrawn(door: Door) -> None:
    proposal_id = door.propose().json()["id"]
    decide(proposal_id, ProposalState.APPROVED)
    with only_refused("state_conflict"):
        problem(door.post(f"proposals/{proposal_id}/withdraw"), 409, "state_conflict")


def test_a_pending_proposal_expires_in_its_time(door: Door) -> None:
    early = submit(door.principal(), expires_in_seconds=600)
    late = submit(door.principal(), expires_in_seconds=6000)
    assert tasks.expire_due() == 0
    assert services.expire_due(now=early.expires_at) == 1
    assert services.expire_due(now=early.expires_at) == 0
    early.refresh_from_db()
    late.refresh_from_db()
    assert (early.state, late.state) == (ProposalState.EXPIRED, ProposalState.PENDING)
    assert kinds_of(early.public_id) == ["proposal:proposed", "proposal:expired"]


def test_an_expired_proposal_is_not_approved_even_before_the_sweep(door: Door) -> None:
    proposal = submit(door.principal())
    with pytest.raises(StateConflict):
        decide(proposal.public_id, ProposalState.APPROVED, at=proposal.expires_at)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.PENDING


def test_two_decisions_do_not_both_win(door: Door) -> None:
    proposal = submit(door.principal())
    stale = Proposal.objects.get(pk=proposal.pk)
    decide(proposal.public_id, ProposalState.REJECTED)
    with pytest.raises(StateConflict), transaction.atomic():
        services.void(proposal=stale, actor=PERSON, now=now(), code="drift", reason="Too late")
    assert kinds_of(proposal.public_id) == ["proposal:proposed", "proposal:rejected"]


def test_drift_voids_and_says_what_drifted(door: Door) -> None:
    proposal = decide(door.propose().json()["id"], ProposalState.APPROVED)
    drifted = [{"code": "vendor_bank_unchanged", "expected": "f1", "observed": "f2"}]
    with transaction.atomic():
        locked = lock_proposal(proposal.pk)
        services.void(
            proposal=locked, actor=Actor.system("worker"), now=now(), code="drift", reason="Bank details changed.", differences=drifted
        )
    answer = door.get(f"proposals/{proposal.public_id}").json()
    assert (answer["status"], answer["is_final"]) == ("voided", True)
    assert answer["feedback"] == {"reason_code": "drift", "comment": "Bank details changed.", "differences": drifted}
    record = parse_json(bytes(Event.objects.get(kind="proposal:voided").bytes))
    assert isinstance(record, dict)
    assert record["outcome"] == {"status": "voided", "code": "drift", "differences": 1}


def test_an_approved_log_only_proposal_is_logged(alice: User) -> None:
    door = bounded_door(alice, is_active=False)
    proposal = decide(door.propose().json()["id"], ProposalState.APPROVED)
    assert Outcome.objects.get().status == OutcomeStatus.LOGGED
    answer = door.get(f"proposals/{proposal.public_id}").json()
    assert (answer["status"], answer["is_final"]) == ("logged", True)


def test_a_decommissioned_agents_open_proposals_are_withdrawn(door: Door, other_door: Door, alice: User) -> None:
    mine = [door.propose().json()["id"] for _ in range(2)]
    decide(mine[1], ProposalState.CHANGES_REQUESTED)
    others = other_door.propose().json()["id"]
    identity_services.decommission_agent(agent_id=door.agent.pk, actor=identity.actor(alice), now=now(), reason="Replaced")
    queued = [task for task in map(SignedPackage.loads, OrmQ.objects.values_list("payload", flat=True)) if "withdraw" in task["func"]]
    assert [task["func"] for task in queued] == ["proposals.tasks.withdraw_of_decommissioned"]
    assert tasks.withdraw_of_decommissioned(*queued[0]["args"]) == 2
    states = {encode(Prefix.PROPOSAL, key): state for key, state in Proposal.objects.values_list("pk", "state")}
    assert states == {mine[0]: "withdrawn", mine[1]: "withdrawn", others: "pending"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE proposals_proposal SET payload = '{}'",
        "UPDATE proposals_proposal SET amount_minor = 1",
        "UPDATE proposals_proposal SET action_bytes = '\\x00', state = 'approved', decided_at = now()",
        "DELETE FROM proposals_proposal",
        "TRUNCATE proposals_proposal CASCADE",
        "UPDATE proposals_readreceipt SET company = 'US01'",
        "DELETE FROM proposals_readreceipt",
        "DELETE FROM proposals_citation",
        "UPDATE proposals_citation SET position = 7",
        "UPDATE proposals_feedback SET comment = ''",
        "DELETE FROM proposals_feedback",
    ],
)
def test_the_database_refuses_to_rewrite(door: Door, statement: str) -> None:
    decide(door.propose().json()["id"], ProposalState.REJECTED, services.FeedbackNote("duplicate", "Ordered already."))
    with connection.cursor() as cursor:
        # The deferred foreign keys of this test's own rows would otherwise stand in the way of TRUNCATE first.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match=r"fixed|only ever added"), transaction.atomic():
            cursor.execute(statement)
    assert Proposal.objects.count() == 1
    assert Feedback.objects.count() == 1
    assert ReadReceipt.objects.count() == 0


def test_the_state_alone_may_change(door: Door) -> None:
    proposal = submit(door.principal())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE proposals_proposal SET state = 'rejected', decided_at = now()")
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.REJECTED


def test_the_bundle_has_the_bytes_that_were_hashed(door: Door) -> None:
    from proposals.evidence import proposal_section

    reader = door.holding("read", "check_budget")
    read = reader.post("tools/check_budget/read", {"company": "DE01", "arguments": {"cost_centre": "4100", "year": 2026}}).json()
    proposal_id = door.propose(reads=[read["read_id"]]).json()["id"]
    members = proposal_section([proposal_id])(proposal_id)
    proposal = Proposal.objects.get(pk=decode(Prefix.PROPOSAL, proposal_id))
    assert members["proposal/action.json"] == bytes(proposal.action_bytes)
    assert members[f"proposal/reads/{read['read_id']}.json"] == bytes(ReadReceipt.objects.get().result_bytes)
    assert isinstance(parse_json(members["proposal/proposal.json"]), dict)
    assert proposal_section([proposal_id])("prop_01kas8v3q2f0ynh5tq3n8rzd1c") == {}
