"""The kill switch over commits and proposals: frozen at once, shown as frozen, released when the agent is resumed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client

from approvals.errors import AgentSuspended
from commits import services
from commits.models import Commit
from identity.models import Agent, Role
from identity.services import decommission_agent, resume_agent, reviews, revoke_grant, suspend_agent
from identity.states import AgentState
from kernel.actors import Actor
from kernel.clock import now
from kernel.errors import DomainError
from proposals import tasks
from proposals.activity import rates_since
from proposals.models import Proposal
from proposals.services import void
from tests.builders.approvals import decided, opened
from tests.builders.commits import Gate, commit_of, kinds, landed_orders, run
from tests.builders.identity import actor, make_user

# Above what the matrix approves by itself.
LARGE = "2500.00"
pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def stop(gate: Gate) -> Agent:
    return suspend_agent(agent_id=gate.cast.agent.pk, actor=actor(gate.cast.olga), now=now(), reason="Odd orders")


def go_on(gate: Gate) -> Agent:
    return resume_agent(agent_id=gate.cast.agent.pk, actor=actor(gate.cast.olga), now=now())


def seen(gate: Gate, path: str, *, by: str = "alice") -> str:
    client = Client()
    client.force_login(getattr(gate.cast, by), backend="django.contrib.auth.backends.ModelBackend")
    return str(client.get(path).content.decode())


def test_queued_commits_freeze_at_once_and_are_released(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=now())
    agent = stop(gate)
    assert services.freeze_of_agent(agent_id=agent.pk, now=now()) == 1
    assert services.freeze_of_agent(agent_id=agent.pk, now=now()) == 1
    commit = commit_of(proposal)
    assert (commit.state, commit.code) == ("queued", "agent_suspended")
    assert kinds(proposal).count("commit:frozen") == 1
    assert services.release_of_agent(agent_id=agent.pk, now=now()) == 0  # it is still suspended
    run()
    assert landed_orders() == []

    go_on(gate)
    assert services.freeze_of_agent(agent_id=agent.pk, now=now()) == 0
    assert services.release_of_agent(agent_id=agent.pk, now=now()) == 1
    assert services.release_of_agent(agent_id=agent.pk, now=now()) == 0
    assert kinds(proposal).count("commit:released") == 1
    run()
    assert commit_of(proposal).state == "succeeded"
    assert len(landed_orders(proposal)) == 1


def test_what_is_no_longer_valid_is_not_released_into_the_erp(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=now())
    stop(gate)
    services.freeze_of_agent(agent_id=gate.cast.agent.pk, now=now())
    revoke_grant(grant_id=gate.cast.grant.pk, actor=actor(gate.cast.olga), now=now())
    go_on(gate)
    services.release_of_agent(agent_id=gate.cast.agent.pk, now=now())
    run()
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("failed", "grant_missing")
    assert landed_orders() == []


def test_frozen_proposals_say_so_and_nobody_decides(gate: Gate) -> None:
    proposal = gate.order(LARGE)
    page = opened(gate.cast.alice, proposal)
    stop(gate)
    with pytest.raises(AgentSuspended):
        decided(gate.cast.alice, page)
    with pytest.raises(AgentSuspended):
        decided(gate.cast.alice, page, "reject")
    shown = seen(gate, f"/proposals/{proposal.public_id}/")
    assert "Frozen" in shown
    assert "Nobody can decide on it until the agent may act again" in shown
    assert "Frozen" in seen(gate, "/inbox/?view=group")
    assert proposal.headline not in seen(gate, "/inbox/?view=mine")

    go_on(gate)
    shown = seen(gate, f"/proposals/{proposal.public_id}/")
    assert "Frozen" not in shown
    assert proposal.headline in seen(gate, "/inbox/?view=mine")
    decided(gate.cast.alice, opened(gate.cast.alice, proposal))
    assert Proposal.objects.get(pk=proposal.pk).state == "approved"


def test_approved_but_not_yet_sent_is_shown_as_frozen_too(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=now())
    stop(gate)
    assert "Its commit is not sent" in seen(gate, f"/proposals/{proposal.public_id}/")
    operator = make_user("ines", [Role.OPERATOR])
    client = Client()
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    assert b"Frozen" in client.get("/commits/").content
    assert b"Frozen" in client.get(f"/commits/{commit_of(proposal).public_id}/").content


def test_an_overdue_review_freezes_as_a_person_does(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=now())
    Agent.objects.update(expires_on=now().date() - timedelta(days=1))
    assert reviews.suspend_unreviewed(now=now()) == 1
    run()
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("queued", "agent_suspended")
    assert landed_orders() == []


def test_decommissioning_takes_everything_open_with_it(gate: Gate) -> None:
    approved, pending = gate.approved_order(), gate.order(LARGE)
    services.open_commits(now=now())
    page = seen(gate, f"/agents/{gate.cast.agent.public_id}/decommission/", by="olga")
    for wanted in ("1 pending proposal", "withdrawn", "1 approved proposal not yet committed", "1 live key", "1 open grant"):
        assert wanted in page
    decommission_agent(agent_id=gate.cast.agent.pk, actor=actor(gate.cast.olga), now=now())
    # The wake-up is lost; the sweep finds what it left.
    assert (tasks.withdraw_orphans(), tasks.withdraw_orphans()) == (1, 0)
    run()
    states = {proposal.pk: proposal.state for proposal in Proposal.objects.all()}
    assert states == {approved.pk: "voided", pending.pk: "withdrawn"}
    assert (commit_of(approved).state, commit_of(approved).code) == ("failed", "agent_decommissioned")
    assert landed_orders() == []
    assert "because its agent was decommissioned" in seen(gate, f"/proposals/{pending.public_id}/")


def test_the_rates_of_thirty_days(gate: Gate) -> None:
    cast = gate.cast
    gate.approved_order()
    decided(cast.alice, opened(cast.alice, gate.order(LARGE)), "reject")
    decided(cast.alice, opened(cast.alice, gate.order(LARGE)), "request_changes")
    gate.order(LARGE)
    for differences in ([{"label": "Budget", "was": "10", "now": "9"}], []):
        void(proposal=gate.order(LARGE), actor=Actor.system("test"), now=now(), code="voided", reason="A test.", differences=differences)
    rates = rates_since(cast.agent.pk, now() - timedelta(days=30))
    assert (rates.proposed, rates.approved, rates.rejected, rates.changes_requested, rates.pending) == (6, 1, 1, 1, 1)
    assert (rates.drifted, rates.other) == (1, 1)
    page = seen(gate, f"/agents/{cast.agent.public_id}/")
    assert "Of 6 proposals in 30 days: approved 1 (17 %)" in page
    assert rates_since(cast.agent.pk, now() + timedelta(days=1)).proposed == 0


@pytest.mark.django_db(transaction=True, databases=["default", "ledger"])
def test_approving_and_suspending_at_once_writes_nothing(gate: Gate) -> None:
    """Whichever comes first: an approval that slips in is frozen before anything is sent."""
    proposal = gate.order(LARGE)
    page = opened(gate.cast.alice, proposal)
    start = threading.Barrier(2)

    def attempt(step: object) -> None:
        start.wait()
        try:
            step()  # type: ignore[operator]
        except DomainError:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt, args=[step]) for step in (lambda: stop(gate), lambda: decided(gate.cast.alice, page))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run()
    assert Agent.objects.get().state == AgentState.SUSPENDED
    assert not Commit.objects.exclude(state="queued").exists()
    assert landed_orders() == []
