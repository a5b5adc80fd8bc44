"""Two people, or one person twice, at the same moment: one outcome, no double, each loser told clearly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from django.contrib.auth.models import User
from django.db import connections

from approvals.models import Decision, Policy, Route, RouteStep
from approvals.services import activate_policy, create_policy, submit_policy
from approvals.states import DecisionKind, PolicyState, StepState
from audit.models import Event
from kernel.clock import now as clock_now
from kernel.errors import DomainError
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import Cast, a_row, an_order, decided, decided_by, make_cast, opened
from tests.builders.identity import actor
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the wake-ups that were said."""
    said: list[str] = []

    def wake(name: str, *ids: str) -> None:
        said.append(name)

    monkeypatch.setattr("approvals.services.decisions.wake", wake)
    return said


def at_once(acts: Sequence[Callable[[], object]]) -> list[str]:
    """Run the acts at the same moment, each on a connection of its own; return "ok" or the refusal's code for each."""
    barrier, results = threading.Barrier(len(acts)), [""] * len(acts)

    def run(index: int) -> None:
        try:
            barrier.wait(timeout=20)
            acts[index]()
            results[index] = "ok"
        except DomainError as error:
            results[index] = error.code
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def ready(user: User, proposal: Proposal, kind: str = DecisionKind.APPROVE) -> Callable[[], object]:
    """Open the page for this person and return their click on it."""
    page = opened(user, proposal)
    return lambda: decided(user, page, kind)


def events(proposal: Proposal, kind: str) -> int:
    return Event.objects.filter(proposal=proposal.public_id, kind=kind).count()


def test_two_people_at_the_last_approval(erp: PlainErp, cast: Cast, wakes: list[str]) -> None:
    for _ in range(5):
        wakes.clear()
        proposal = an_order(cast)
        results = at_once([ready(cast.alice, proposal), ready(cast.bob, proposal)])
        assert sorted(results) == ["ok", "proposal_not_pending"]
        proposal.refresh_from_db()
        assert proposal.state == ProposalState.APPROVED
        assert Decision.objects.filter(proposal=proposal).count() == 1
        assert events(proposal, "approval:granted") == events(proposal, "approval:decided") == 1
        assert events(proposal, "approval:refused") == 1
        assert wakes == ["approved"]


def test_two_people_who_are_both_needed(erp: PlainErp, db: None, transactional_db: None) -> None:
    cast = make_cast([a_row(10, steps=({"group": "purchasing", "min_approvals": 2},))])
    proposal = an_order(cast)
    results = at_once([ready(cast.alice, proposal), ready(cast.bob, proposal)])
    assert results == ["ok", "ok"]
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED
    assert events(proposal, "approval:granted") == 1


def test_one_person_clicks_twice(erp: PlainErp, cast: Cast) -> None:
    proposal = an_order(cast, "30000.00")
    page = opened(cast.alice, proposal)
    results = at_once([lambda: decided(cast.alice, page)] * 2)
    assert sorted(results) == ["already_decided", "ok"]
    assert Decision.objects.filter(proposal=proposal).count() == 1
    assert [step.state for step in RouteStep.objects.filter(route_id=proposal.pk)] == [StepState.SATISFIED, StepState.OPEN]


def test_one_approves_while_another_rejects(erp: PlainErp, cast: Cast) -> None:
    for _ in range(5):
        proposal = an_order(cast)
        results = at_once([ready(cast.alice, proposal), ready(cast.bob, proposal, DecisionKind.REJECT)])
        assert sorted(results) == ["ok", "proposal_not_pending"]
        proposal.refresh_from_db()
        won = ProposalState.APPROVED if results[0] == "ok" else ProposalState.REJECTED
        assert proposal.state == won
        assert Decision.objects.filter(proposal=proposal).count() == 1


def test_one_page_is_opened_twice(erp: PlainErp, cast: Cast) -> None:
    proposal = an_order(cast)
    assert at_once([lambda: opened(cast.alice, proposal)] * 4) == ["ok"] * 4
    assert events(proposal, "proposal:opened") == 1


def test_two_policies_are_activated_at_once(erp: PlainErp, cast: Cast) -> None:
    drafts = []
    for title in ("One", "Other"):
        draft = create_policy(title=title, rows=[a_row()], user=cast.cora, actor=actor(cast.cora), now=clock_now())
        drafts.append(submit_policy(policy_id=draft.pk, user=cast.cora, actor=actor(cast.cora), now=clock_now()))

    def activate(draft: Policy) -> Callable[[], object]:
        return lambda: activate_policy(policy_id=draft.pk, user=cast.cem, actor=actor(cast.cem), now=clock_now())

    results = at_once([activate(draft) for draft in drafts])
    assert "ok" in results
    assert set(results) <= {"ok", "state_conflict"}
    assert Policy.objects.filter(state=PolicyState.ACTIVE).count() == 1


def test_a_refused_decision_is_recorded_and_rolls_back_alone(erp: PlainErp, cast: Cast) -> None:
    proposal = an_order(cast)
    with pytest.raises(DomainError):
        decided_by(cast.dora, proposal)
    assert events(proposal, "approval:refused") == 1
    assert Route.objects.get(pk=proposal.pk).steps.get().state == StepState.OPEN
