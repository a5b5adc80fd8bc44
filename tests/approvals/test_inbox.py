"""The inbox and the rail: what waits for whom, in a constant number of queries."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import Presentation, RouteStep
from approvals.queries import InboxFilters, badge, counts, inbox, may_decide, route_view
from approvals.states import DecisionKind, StepState
from identity.models import ApprovalGroupMember, Role
from kernel.clock import now as clock_now
from kernel.verdicts import Denied
from tests.builders.approvals import Cast, an_order, approved, decided_by
from tests.builders.commits import as_owner
from tests.builders.identity import make_user

pytestmark = pytest.mark.django_db


def ids(cast: Cast, who: str, view: str, filters: InboxFilters | None = None) -> set[str]:
    return {row.id for row in inbox(getattr(cast, who), view, filters, now=clock_now()).rows}


def test_each_view_holds_what_it_says(cast: Cast) -> None:
    small, large, asked = an_order(cast), an_order(cast, "30000.00"), an_order(cast, on_behalf_of="bob")
    everything = {small.public_id, large.public_id, asked.public_id}
    assert ids(cast, "alice", "mine") == everything
    assert ids(cast, "bob", "mine") == {small.public_id, large.public_id}
    assert ids(cast, "bob", "group") == everything
    assert ids(cast, "bob", "waiting") == {asked.public_id}
    assert ids(cast, "dora", "mine") == set()
    assert ids(cast, "dora", "waiting") == {large.public_id}
    for view in ("mine", "group", "waiting", "done"):
        assert ids(cast, "charlie", view) == set()
        assert ids(cast, "olga", view) == set()

    decided_by(cast.alice, large)
    assert ids(cast, "alice", "mine") == {small.public_id, asked.public_id}
    assert ids(cast, "alice", "waiting") == {large.public_id}
    assert ids(cast, "alice", "done") == {large.public_id}
    assert ids(cast, "bob", "mine") == {small.public_id}
    assert ids(cast, "dora", "mine") == {large.public_id}

    decided_by(cast.dora, large, DecisionKind.REJECT)
    assert ids(cast, "dora", "mine") == set()
    assert ids(cast, "alice", "waiting") == set()
    row = inbox(cast.dora, "done", now=clock_now()).rows[0]
    assert (row.my_decision, row.state) == (DecisionKind.REJECT, "rejected")


def test_the_badge_counts_what_i_can_act_on_now(cast: Cast) -> None:
    orders = [an_order(cast) for _ in range(3)]
    an_order(cast, on_behalf_of="alice")
    assert badge(cast.alice, clock_now()) == 3
    found = counts(cast.alice, clock_now())
    assert (found.mine, found.group, found.waiting) == (3, 4, 1)
    approved(orders[0], cast.bob)
    assert badge(cast.alice, clock_now()) == 2
    assert badge(cast.alice, orders[0].expires_at + timedelta(seconds=1)) == 0
    assert badge(cast.charlie, clock_now()) == 0


def test_a_limit_moves_it_from_mine_to_my_group(cast: Cast) -> None:
    ApprovalGroupMember.objects.filter(user=cast.alice).update(limit_minor=5_000_00, limit_currency="EUR")
    small, large = an_order(cast, "5000.00"), an_order(cast, "5000.01")
    assert ids(cast, "alice", "mine") == {small.public_id}
    assert ids(cast, "alice", "group") == {small.public_id, large.public_id}


def test_what_mine_shows_is_what_may_be_decided(cast: Cast) -> None:
    orders = [an_order(cast), an_order(cast, "30000.00"), an_order(cast, on_behalf_of="alice")]
    for user in (cast.alice, cast.bob, cast.dora, cast.olga):
        mine = {row.id for row in inbox(user, "mine", now=clock_now()).rows}
        allowed = {order.public_id for order in orders if may_decide(user, order, clock_now()).is_allowed}
        assert mine == allowed


def test_rows_carry_what_the_list_shows(cast: Cast) -> None:
    an_order(cast, "30000.00")
    row = inbox(cast.alice, "mine", now=clock_now()).rows[0]
    assert (row.step_text, row.step_group, row.approvals, row.min_approvals) == ("1 of 2", "Purchasing", 0, 1)
    assert (str(row.amount), row.risk, row.tool_title) == ("30,000.00 EUR", "medium", "Create a purchase order")
    assert (row.counterparty, row.counterparty_name, row.agent_name) == ("1580", "Litware, Inc.", "AP-Bot")
    assert not row.is_rolling
    assert not row.is_late


def test_filters_narrow(cast: Cast) -> None:
    one, other = an_order(cast), an_order(cast, vendor="1700")
    everything = {one.public_id, other.public_id}
    assert ids(cast, "alice", "mine", InboxFilters(company="DE01", tool="create_purchase_order", agent="AP-Bot")) == everything
    assert ids(cast, "alice", "mine", InboxFilters(q="1700")) == {other.public_id}
    assert ids(cast, "alice", "mine", InboxFilters(q="litware pedal")) == everything
    for nothing in (InboxFilters(company="US01"), InboxFilters(tool="x"), InboxFilters(agent="x"), InboxFilters(q="litware zzz")):
        assert ids(cast, "alice", "mine", nothing) == set()


def test_pages(cast: Cast) -> None:
    orders = [an_order(cast, now=clock_now() + timedelta(seconds=number)) for number in range(5)]
    first = inbox(cast.alice, "mine", now=clock_now(), size=2)
    assert (first.total, first.pages, first.page) == (5, 3, 1)
    assert [row.id for row in first.rows] == [order.public_id for order in orders[:2]]
    assert [row.id for row in inbox(cast.alice, "mine", now=clock_now(), page=99, size=2).rows] == [orders[4].public_id]


def test_the_first_are_the_same_however_they_are_found(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    now, module = clock_now(), import_module("approvals.queries.inbox")
    for number in range(5):
        an_order(cast, f"{300 - number}.00", now=now + timedelta(seconds=number))
    an_order(cast, "30000.00", now=now)
    now += timedelta(minutes=1)

    def found(order: str) -> list[str]:
        return [row.id for row in inbox(cast.alice, "mine", InboxFilters(order=order), now=now).rows]

    expected = {order: found(order) for order in ("", "amount", "-amount", "due", "-due", "agent")}
    assert {len(keys) for keys in expected.values()} == {6}
    monkeypatch.setattr(module, "COUNTED_MAX", 3)
    for near_max in (2, 4, 100):
        monkeypatch.setattr(module, "NEAR_MAX", near_max)
        for order, keys in expected.items():
            assert found(order) == keys[:3], (near_max, order)
        assert counts(cast.alice, now).mine == 3


def test_what_wants_a_look_and_what_is_clear(cast: Cast) -> None:
    orders = [an_order(cast, amount) for amount in ("30000.00", "9871.37", "4123.19", "20000.00")]
    looked_at = {order.public_id for order in orders if order.flags.exists() or order.facts.get("warnings") or "drift" in order.facts}
    assert looked_at
    assert ids(cast, "alice", "mine", InboxFilters(flagged="flagged")) == looked_at
    assert ids(cast, "alice", "mine", InboxFilters(flagged="clear")) == {order.public_id for order in orders} - looked_at
    decided_by(cast.alice, orders[0])
    decided_by(cast.alice, orders[1])
    done = {order.public_id for order in orders[:2]}
    assert ids(cast, "alice", "done", InboxFilters(flagged="flagged")) == done & looked_at
    assert ids(cast, "alice", "done", InboxFilters(flagged="clear")) == done - looked_at


def test_the_number_of_queries_does_not_grow(cast: Cast) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            inbox(cast.alice, "mine", now=clock_now())
        return len(captured)

    an_order(cast)
    one = queries()
    for amount in ("100.00", "30000.00", "200.00", "300.00"):
        an_order(cast, amount)
    assert queries() == one
    assert one <= 8


def test_the_rail_names_people_states_and_my_standing(cast: Cast) -> None:
    proposal = an_order(cast, "30000.00", on_behalf_of="erik")
    decided_by(cast.alice, proposal)
    with CaptureQueriesContext(connection) as captured:
        view = route_view(proposal, cast.alice, clock_now())
    assert len(captured) < 30
    assert (view.policy_version, view.row_title, view.current_position) == (1, "Larger orders", 2)
    first, second = view.steps
    assert (first.state, first.approvals, first.possible) == (StepState.SATISFIED, 1, ())
    assert [(item.name, item.kind) for item in first.decisions] == [("Alice", DecisionKind.APPROVE)]
    assert (second.state, second.possible) == (StepState.OPEN, ("Dora",))
    assert ("Erik", "asked") in {(item.name, item.reason) for item in view.exclusions}
    assert isinstance(view.standing, Denied)
    assert view.standing.code == "already_decided"


def test_steps_of_a_proposal_that_ended_otherwise_have_ended(cast: Cast) -> None:
    from proposals.services import expire_due

    proposal = an_order(cast, "30000.00")
    expire_due(now=proposal.expires_at + timedelta(seconds=1))
    proposal.refresh_from_db()
    view = route_view(proposal, cast.alice, clock_now())
    assert [step.state for step in view.steps] == [StepState.ENDED, StepState.ENDED]
    assert ids(cast, "alice", "mine") == set()


def test_the_page_is_stored_once_and_readable_after_the_end(cast: Cast) -> None:
    from tests.builders.approvals import opened

    proposal = an_order(cast)
    first = opened(cast.alice, proposal)
    assert opened(cast.bob, proposal).presentation_digest == first.presentation_digest
    assert Presentation.objects.count() == 1
    approved(proposal, cast.alice)
    auditor = make_user("ada", [Role.AUDITOR])
    page = opened(auditor, proposal)
    assert (page.presentation_digest, page.is_current, page.standing.is_allowed) == (first.presentation_digest, False, False)
    assert page.facts == first.facts


def test_what_is_due_first_is_at_the_top(cast: Cast) -> None:
    first, second, third = (an_order(cast) for _ in range(3))
    step = RouteStep.objects.get(route=third.pk)
    as_owner("UPDATE approvals_routestep SET due_at = due_at - interval '9 days' WHERE id = %s", [step.pk])
    rows = inbox(cast.alice, "mine", now=clock_now()).rows
    assert [row.id for row in rows] == [third.public_id, first.public_id, second.public_id]
    assert rows[0].is_late
    assert [row.id for row in inbox(cast.alice, "mine", InboxFilters(order="-due"), now=clock_now()).rows][-1] == third.public_id
