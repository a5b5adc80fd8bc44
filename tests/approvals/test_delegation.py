"""Deciding for somebody else: within dates and bounds, never more than the delegator could, and it shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from approvals.delegation.events import DelegationEvent
from approvals.delegation.models import LENGTH_MAX, Delegation
from approvals.delegation.services import end_delegation
from approvals.models import Decision
from approvals.queries import badge, inbox, may_decide, route_view, verify_route
from approvals.queries.verification import Problem
from audit.models import Event
from identity.models import Agent, ApprovalGroupMember, RoleAssignment
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.errors import DomainError, NotVisible, StateConflict, ValidationFailed
from kernel.money import Money
from kernel.verdicts import Denied
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import Cast, a_row, an_order, approved, decided, decided_by, make_cast, opened
from tests.builders.identity import actor, make_group
from tests.builders.proposals import PlainErp
from tests.builders.work import delegated

pytestmark = pytest.mark.django_db


def ids(user: User, view: str) -> set[str]:
    return {row.id for row in inbox(user, view, now=clock_now()).rows}


def refusal(user: User, proposal: Proposal) -> str:
    verdict = may_decide(user, proposal, clock_now())
    return verdict.code if isinstance(verdict, Denied) else ""


def test_what_is_pending_already_moves_and_comes_back(cast: Cast) -> None:
    order = an_order(cast)
    assert refusal(cast.dora, order) == "not_a_member"
    made = delegated(cast.alice, cast.dora)
    assert (ids(cast.dora, "delegated"), ids(cast.dora, "mine")) == ({order.public_id}, set())
    assert ids(cast.alice, "mine") == set()
    assert ids(cast.alice, "waiting") == {order.public_id}
    assert (badge(cast.dora, clock_now()), badge(cast.alice, clock_now())) == (1, 0)
    assert refusal(cast.dora, order) == refusal(cast.alice, order) == ""
    end_delegation(user=cast.dora, delegation_id=made.pk, actor=actor(cast.dora), now=clock_now())
    assert ids(cast.alice, "mine") == {order.public_id}
    assert (ids(cast.dora, "delegated"), refusal(cast.dora, order)) == (set(), "not_a_member")


def test_it_ends_by_itself_and_begins_when_it_says(cast: Cast) -> None:
    order, at = an_order(cast), clock_now()
    delegated(cast.alice, cast.dora, starts_at=at + timedelta(hours=1), ends_at=at + timedelta(hours=2))
    answers = [may_decide(cast.dora, order, at + timedelta(minutes=minutes)).is_allowed for minutes in (0, 59, 60, 119, 120)]
    assert answers == [False, False, True, True, False]


def test_b_for_a_stands_in_the_row_the_event_the_rail_and_the_history(cast: Cast) -> None:
    from approvals.pages.history import history

    order = an_order(cast)
    made = delegated(cast.alice, cast.dora)
    decision = decided_by(cast.dora, order)
    assert (decision.acting_for, decision.delegation) == (cast.alice, made)
    event = Event.objects.get(proposal=order.public_id, kind="approval:decided")
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    assert record["human"]["acting_for"] == str(cast.alice.pk)
    assert record["human"]["delegation"] == made.public_id
    granted = parse_json(bytes(Event.objects.get(proposal=order.public_id, kind="approval:granted").bytes))
    assert isinstance(granted, dict)
    assert [item["actor"]["delegation"] for item in (record, granted)] == [made.public_id, made.public_id]
    order.refresh_from_db()
    assert order.state == ProposalState.APPROVED
    view = route_view(order, cast.bob, clock_now())
    assert [item.name for step in view.steps for item in step.decisions] == ["Dora for Alice"]
    assert "Dora approved for Alice" in [entry.text for entry in history(order.public_id, "AP-Bot")]


def test_one_right_counts_once_whoever_uses_it(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, steps=({"group": "purchasing", "min_approvals": 2},))])
    order = an_order(cast)
    delegated(cast.alice, cast.dora)
    delegated(cast.alice, cast.erik)
    decided_by(cast.dora, order)
    assert refusal(cast.erik, order) == refusal(cast.alice, order) == "already_decided"
    for person in (cast.erik, cast.alice):
        with pytest.raises(DomainError) as refused:
            decided_by(person, order)
        assert refused.value.code == "already_decided"
    assert Decision.objects.filter(proposal=order).count() == 1
    approved(order, cast.bob)
    order.refresh_from_db()
    assert order.state == ProposalState.APPROVED


def test_it_never_goes_beyond_the_delegators_limit_nor_the_delegations(cast: Cast) -> None:
    ApprovalGroupMember.objects.filter(user=cast.alice).update(limit_minor=10_000_00, limit_currency="EUR")
    delegated(cast.alice, cast.dora, limit=Money(5_000_00, "EUR"))
    delegated(cast.alice, cast.erik)
    small, middle, large = an_order(cast, "5000.00"), an_order(cast, "5000.01"), an_order(cast, "10000.01")
    assert [refusal(cast.dora, item) for item in (small, middle, large)] == ["", "over_limit", "over_limit"]
    assert [refusal(cast.erik, item) for item in (small, middle, large)] == ["", "", "over_limit"]
    assert ids(cast.dora, "delegated") == {small.public_id}
    assert ids(cast.erik, "delegated") == {small.public_id, middle.public_id}


@pytest.mark.parametrize("scope", [{"tools": ("post_journal_entry",)}, {"groups": ("finance",)}])
def test_outside_its_scope_it_gives_nothing(cast: Cast, scope: dict[str, Any]) -> None:
    make_group("finance", cast.alice)
    order = an_order(cast)
    delegated(cast.alice, cast.erik, **scope)
    assert refusal(cast.erik, order) == "not_a_member"
    assert ids(cast.erik, "delegated") == set()


def test_there_are_no_chains(cast: Cast) -> None:
    order = an_order(cast)
    delegated(cast.alice, cast.dora)
    delegated(cast.dora, cast.erik)
    assert refusal(cast.erik, order) == "not_a_member"
    assert ids(cast.erik, "delegated") == set()


def test_the_exclusions_of_both_people_are_inherited(cast: Cast) -> None:
    asked_by_delegator, asked_by_delegate = an_order(cast, on_behalf_of="alice"), an_order(cast, on_behalf_of="dora")
    delegated(cast.alice, cast.dora)
    verdict = may_decide(cast.dora, asked_by_delegator, clock_now())
    assert isinstance(verdict, Denied)
    assert verdict.reason.startswith("You would decide for Alice, who is excluded because the agent acted on their behalf")
    assert (verdict.code, refusal(cast.dora, asked_by_delegate)) == ("sod_asked", "sod_asked")
    assert ids(cast.dora, "delegated") == set()
    # What the delegate may not decide stays with the delegator.
    assert asked_by_delegate.public_id in ids(cast.alice, "mine")


def test_a_delegator_who_came_to_change_the_agent_undoes_the_approval(cast: Cast) -> None:
    order = an_order(cast)
    delegated(cast.alice, cast.dora)
    order = approved(order, cast.dora)
    Agent.objects.filter(pk=cast.agent.pk).update(last_edited_by=cast.alice)
    found = verify_route(order, clock_now())
    assert isinstance(found, Problem)
    assert found.code == "approver_excluded"


def _leave(cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.pk).update(is_active=False)


def _lose_role(cast: Cast) -> None:
    RoleAssignment.objects.filter(user=cast.alice).delete()


def _lose_seat(cast: Cast) -> None:
    ApprovalGroupMember.objects.filter(user=cast.alice).delete()


@pytest.mark.parametrize("change", [_leave, _lose_role, _lose_seat])
def test_what_the_delegator_loses_the_delegate_loses(cast: Cast, change: Callable[[Cast], None]) -> None:
    order = an_order(cast)
    delegated(cast.alice, cast.dora)
    change(cast)
    assert refusal(cast.dora, order) in {"not_a_member", "permission_denied"}
    assert ids(cast.dora, "delegated") == set()


def test_what_could_not_stand_is_refused_and_recorded(cast: Cast) -> None:
    at = clock_now()
    attempts: list[tuple[User, User, dict[str, Any], str]] = [
        (cast.alice, cast.alice, {}, "/to"),
        (cast.alice, cast.charlie, {}, "/to"),
        (cast.alice, cast.olga, {}, "/to"),
        (cast.alice, cast.dora, {"companies": ("US01",)}, "/companies"),
        (cast.alice, cast.dora, {"companies": ()}, "/companies"),
        (cast.alice, cast.dora, {"groups": ("finance",)}, "/groups"),
        (cast.alice, cast.dora, {"tools": ("close_period",)}, "/tools"),
        (cast.alice, cast.dora, {"ends_at": at}, "/ends_at"),
        (cast.alice, cast.dora, {"ends_at": at + LENGTH_MAX + timedelta(minutes=1)}, "/ends_at"),
    ]
    for delegator, to, changes, path in attempts:
        with pytest.raises(ValidationFailed) as refused:
            delegated(delegator, to, now=at, **changes)
        assert path in [error.path for error in refused.value.errors]
    with pytest.raises(DomainError, match="proposal:decide"):
        delegated(cast.olga, cast.dora)
    assert not Delegation.objects.exists()
    assert Event.objects.filter(kind=DelegationEvent.REFUSED).count() == len(attempts) + 1


def test_only_the_two_end_it_and_once(cast: Cast) -> None:
    made = delegated(cast.alice, cast.dora)
    with pytest.raises(NotVisible):
        end_delegation(user=cast.bob, delegation_id=made.pk, actor=actor(cast.bob), now=clock_now())
    end_delegation(user=cast.alice, delegation_id=made.pk, actor=actor(cast.alice), now=clock_now())
    with pytest.raises(StateConflict):
        end_delegation(user=cast.alice, delegation_id=made.pk, actor=actor(cast.alice), now=clock_now())


def test_the_database_refuses_a_decision_without_a_delegation_in_force(cast: Cast) -> None:
    order = an_order(cast)
    made = delegated(cast.alice, cast.dora)
    page = opened(cast.dora, order)
    end_delegation(user=cast.alice, delegation_id=made.pk, actor=actor(cast.alice), now=clock_now())
    values = {
        "proposal": order,
        "step": order.route.steps.get(),
        "user": cast.dora,
        "kind": "approve",
        "payload_digest": order.payload_digest,
        "presentation": order.presentations.get(digest=page.presentation_digest),
        "shown_at": page.shown_at,
        "decided_at": clock_now(),
    }
    for more, constraint in (({}, "member"), ({"acting_for": cast.alice, "delegation": made}, "delegation")):
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            Decision.objects.create(**values, **more)
        assert refused.value.__cause__.diag.constraint_name == f"approvals_guard_{constraint}"  # type: ignore[union-attr]
    with pytest.raises(IntegrityError, match="a delegation stays"), transaction.atomic():
        Delegation.objects.filter(pk=made.pk).update(limit_minor=None, ended_at=None, ended_by=None)


def test_it_ends_between_page_and_button(cast: Cast) -> None:
    order = an_order(cast)
    made = delegated(cast.alice, cast.dora)
    page = opened(cast.dora, order)
    end_delegation(user=cast.alice, delegation_id=made.pk, actor=actor(cast.alice), now=clock_now())
    with pytest.raises(DomainError) as refused:
        decided(cast.dora, page)
    assert refused.value.code == "not_a_member"
    assert not Decision.objects.filter(proposal=order).exists()
