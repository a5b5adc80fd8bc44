"""An approval is verified again when it is used: what changed since stops the write, and the agent is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

import identity.services
from commits import services
from commits.models import Attempt
from commits.records import Counts
from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import now as clock_now
from ledger.services import close_period, place_staff_order, set_vendor_bank_fingerprint, set_vendor_status
from ledger.states import VendorStatus
from proposals.models import Feedback, Proposal
from tests.builders import ledger
from tests.builders.commits import Gate, as_owner, commit_of, kinds, landed_orders, last_event, make_gate, outcome_of, run
from tests.builders.identity import COMPANY, actor

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def assert_voided(proposal: Proposal, code: str) -> None:
    """Check that nothing was written and that everybody who asks is told why."""
    proposal = Proposal.objects.get(pk=proposal.pk)
    commit = commit_of(proposal)
    assert landed_orders(proposal) == []
    assert (proposal.state, commit.state, commit.code, commit.is_retryable) == ("voided", "failed", code, False)
    assert (proposal.outcome.status, proposal.outcome.code) == ("failed", code)
    assert Feedback.objects.get(proposal=proposal).code == code
    assert kinds(proposal)[-2:] == ["proposal:voided", "commit:failed"]
    assert outcome_of(last_event(proposal, "commit:failed"))["code"] == code


def test_altered_action_is_never_sent(gate: Gate) -> None:
    proposal = gate.approved_order()
    action = parse_json(bytes(proposal.action_bytes))
    assert isinstance(action, dict)
    action["params"]["lines"][0]["quantity"] = "1000"
    as_owner("UPDATE proposals_proposal SET action_bytes = %s WHERE id = %s", [canonical_bytes(action), proposal.pk])

    assert run().claimed == 0

    commit = commit_of(proposal)
    assert landed_orders() == []
    assert (commit.state, commit.code, commit.request_bytes) == ("failed", "action_altered", None)
    assert kinds(proposal)[-1] == "commit:failed"
    assert outcome_of(last_event(proposal, "commit:failed")) == {
        "status": "failed",
        "code": "action_altered",
        "attempt": 0,
        "sent": False,
    }


def test_suspended_agent_freezes_and_resumes(gate: Gate) -> None:
    proposal = gate.approved_order()
    agent, olga = gate.cast.agent, gate.cast.olga
    identity.services.suspend_agent(agent_id=agent.pk, actor=actor(olga), now=clock_now(), reason="Looking into it")

    run()
    run()

    commit = commit_of(proposal)
    assert (commit.state, commit.code, commit.attempt_number) == ("queued", "agent_suspended", 0)
    assert commit.not_before > clock_now() + timedelta(seconds=30)
    assert kinds(proposal).count("commit:frozen") == 1
    later = clock_now() + timedelta(minutes=2)
    services.run(now=lambda: later)
    assert kinds(proposal).count("commit:frozen") == 1
    assert landed_orders() == []

    identity.services.resume_agent(agent_id=agent.pk, actor=actor(olga), now=clock_now())
    services.run(now=lambda: later + timedelta(minutes=2))
    assert commit_of(proposal).state == "succeeded"
    assert len(landed_orders(proposal)) == 1


def test_decommissioned_agent_voids(gate: Gate) -> None:
    proposal = gate.approved_order()
    identity.services.decommission_agent(agent_id=gate.cast.agent.pk, actor=actor(gate.cast.olga), now=clock_now(), reason="Replaced")
    run()
    assert_voided(proposal, "agent_decommissioned")
    assert not Attempt.objects.exists()


def test_revoked_grant_voids(gate: Gate) -> None:
    proposal = gate.approved_order()
    identity.services.revoke_grant(grant_id=gate.cast.grant.pk, actor=actor(gate.cast.olga), now=clock_now())
    run()
    assert_voided(proposal, "grant_missing")


def test_lowered_ceiling_lets_the_earlier_ones_through(gate: Gate) -> None:
    first, second = gate.approved_order("3000.00"), gate.approved_order("3000.00")
    as_owner("UPDATE identity_grant SET ceiling_day_minor = 400000 WHERE id = %s", [gate.cast.grant.pk])
    run()
    assert commit_of(first).state == "succeeded"
    assert_voided(second, "ceiling_day")


def test_approver_who_became_the_owner_voids(gate: Gate) -> None:
    proposal = gate.approved_order()
    as_owner("UPDATE identity_agent SET owner_id = %s WHERE id = %s", [gate.cast.alice.pk, gate.cast.agent.pk])
    run()
    assert_voided(proposal, "approver_excluded")


def test_closed_period_voids(gate: Gate) -> None:
    proposal = gate.approved_order()
    close_period(company=COMPANY, year=2026, month=11)

    assert run() == Counts(opened=1, claimed=1, failed=1)

    assert_voided(proposal, "drift")
    told = Feedback.objects.get(proposal=proposal).differences
    assert [(item["field"], item["approved"], item["landed"]) for item in told] == [("period_open", "open", "closed")]
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["not_sent"]


def test_changed_bank_details_void(gate: Gate) -> None:
    proposal = gate.approved_order()
    set_vendor_bank_fingerprint(company=COMPANY, vendor="V1", bank_fingerprint="sha256:two")
    run()
    assert_voided(proposal, "drift")


def test_blocked_vendor_voids_only_its_own(gate: Gate) -> None:
    proposal = gate.approved_order()
    set_vendor_status(company=COMPANY, vendor="V1", status=VendorStatus.BLOCKED)
    run()
    assert_voided(proposal, "drift")


def spend(amount: str) -> None:
    """Let the ERP's own people spend this much of the budget."""
    action = ledger.order(lines=(("I1", "1", amount),))
    place_staff_order(company=COMPANY, action=action, written_by="staff", now=clock_now())


def test_spent_budget_is_material() -> None:
    """Nobody was asked the first time, so nobody is asked again: a revision goes through the gate like any other."""
    gate = make_gate(budget="10000.00")
    proposal = gate.order("900.00")
    spend("9500.00")

    run()

    assert_voided(proposal, "material_drift")
    assert "Propose a revision" in Feedback.objects.get(proposal=proposal).comment


def test_drift_of_one_lets_the_others_land() -> None:
    gate = make_gate(budget="10000.00")
    small, large = gate.order("500.00"), gate.order("950.00")
    spend("9100.00")
    run()
    assert commit_of(small).state == "succeeded"
    assert_voided(large, "material_drift")


def test_budget_that_runs_out_within_one_batch() -> None:
    gate = make_gate(budget="10000.00")
    first, second = gate.approved_order("6000.00"), gate.approved_order("6000.01")
    run()
    assert commit_of(first).state == "succeeded"
    refused = commit_of(second)
    assert (refused.state, refused.code) == ("failed", "budget_exceeded")
    assert len(landed_orders()) == 1


def test_worker_whose_clock_is_behind_voids_nothing(gate: Gate) -> None:
    """Found by chaos: an hour ago the grant had not begun."""
    proposal = gate.approved_order()
    behind = clock_now() - timedelta(hours=1)
    services.run(now=lambda: behind, is_complete=True)
    assert commit_of(proposal).state == "succeeded"
    assert len(landed_orders(proposal)) == 1
