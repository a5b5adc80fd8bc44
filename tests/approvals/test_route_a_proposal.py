"""Routing: which row decides, on which amount, whom it asks, and what nobody could ever decide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from approvals.errors import NoApprover
from approvals.models import Route
from approvals.routing import Question, StepNeed, first_match, unsatisfiable_step
from approvals.states import StepState
from audit.models import Event
from identity.models import ApprovalGroupMember
from identity.services import suspend_agent
from kernel.clock import now as clock_now
from kernel.money import Money
from proposals.gate import Unroutable
from proposals.models import Proposal
from proposals.states import OutcomeStatus, ProposalState
from tests.builders.approvals import (
    TOOL,
    Cast,
    a_row,
    an_order,
    decided_by,
    make_cast,
    make_policy,
    usual_rows,
)
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db


def kinds_of(proposal: Proposal) -> list[str]:
    return list(Event.objects.filter(proposal=proposal.public_id).order_by("position").values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("amount", "row", "steps"),
    [
        ("0.01", 10, ["purchasing"]),
        ("25000.00", 10, ["purchasing"]),
        ("25000.01", 20, ["purchasing", "finance"]),
        ("50000.00", 20, ["purchasing", "finance"]),
    ],
)
def test_the_band_decides_and_both_of_its_ends_belong_to_it(cast: Cast, amount: str, row: int, steps: list[str]) -> None:
    proposal = an_order(cast, amount)
    route = proposal.route
    assert route.row.priority == row
    assert [step.group.code for step in route.steps.all()] == steps
    assert [step.state for step in route.steps.all()] == [StepState.OPEN, StepState.WAITING][: len(steps)]
    assert kinds_of(proposal) == ["proposal:proposed", "gate:routed"]
    assert proposal.state == ProposalState.PENDING


def test_above_every_band_it_is_unroutable_and_nothing_is_stored(cast: Cast) -> None:
    with pytest.raises(Unroutable, match="No row of policy v1 covers") as refusal:
        an_order(cast, "50000.01")
    assert refusal.value.code == "unroutable"
    bands = [item["band"] for item in refusal.value.data["acceptable"]]  # type: ignore[attr-defined]
    assert bands == ["0.00 EUR to 25,000.00 EUR", "25,000.01 EUR to 50,000.00 EUR"]
    assert "25,000.01 EUR to 50,000.00 EUR" in refusal.value.detail
    assert not Proposal.objects.exists()
    assert not Route.objects.exists()


def test_no_active_policy_routes_nothing(db: None, erp: PlainErp) -> None:
    cast = make_cast()
    # The only policy is retired by hand: what a restore of half a backup could leave.
    cast.policy.__class__.objects.filter(pk=cast.policy.pk).update(state="retired")
    with pytest.raises(Unroutable, match="No policy is active"):
        an_order(cast)


def test_ten_times_4900_routes_as_49000(db: None, erp: PlainErp) -> None:
    rows = [
        a_row(10, up_to_minor=5_000_00, rolling_days=30),
        a_row(20, up_to_minor=60_000_00, rolling_days=30, steps=({"group": "finance", "min_approvals": 1},)),
    ]
    cast = make_cast(rows)
    routed = [an_order(cast, "4900.00").route.routed_minor for _ in range(10)]
    assert routed == [4_900_00 * count for count in range(1, 11)]
    last = Route.objects.get(routed_minor=49_000_00)
    assert last.row.priority == 20
    assert "rolling sum of 49,000.00 EUR over 30 days counts" in last.reason
    # Another vendor starts from nothing, and a window that has passed counts no more.
    assert an_order(cast, "4900.00", vendor="1700").route.row.priority == 10
    later = clock_now() + timedelta(days=31)
    assert an_order(cast, "4900.00", now=later).route.routed_minor == 4_900_00


def test_a_rejected_order_no_longer_counts_in_the_rolling_sum(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, up_to_minor=50_000_00, rolling_days=30)])
    first = an_order(cast, "4900.00")
    assert an_order(cast, "4900.00").route.routed_minor == 9_800_00
    decided_by(cast.alice, first, "reject")
    assert an_order(cast, "4900.00").route.routed_minor == 9_800_00


def test_the_first_row_by_priority_decides(db: None, erp: PlainErp) -> None:
    finance = ({"group": "finance", "min_approvals": 2},)
    cast = make_cast([a_row(30), a_row(20, cost_centre="4100", steps=finance), a_row(10, company="US01")])
    assert an_order(cast).route.row.priority == 20


@pytest.mark.parametrize("changes", [{"tool": "post_journal_entry"}, {"currency": "USD"}, {"company": "US01"}, {"cost_centre": "9999"}])
def test_a_row_for_something_else_does_not_match(db: None, erp: PlainErp, changes: dict[str, Any]) -> None:
    cast = make_cast([a_row(10, **changes)])
    with pytest.raises(Unroutable):
        an_order(cast)


def test_a_small_reversible_write_is_approved_automatically(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(5, up_to_minor=500_00, is_automatic=True, steps=(), rolling_days=1), *usual_rows()])
    proposal = an_order(cast, "500.00")
    assert proposal.state == ProposalState.APPROVED
    assert proposal.route.is_automatic
    assert kinds_of(proposal) == ["proposal:proposed", "gate:routed", "approval:granted"]
    # The cap holds for the rolling sum: the next one asks a person.
    assert an_order(cast, "0.01").state == ProposalState.PENDING


def test_a_log_only_grant_is_never_approved_automatically(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(5, up_to_minor=500_00, is_automatic=True, steps=()), *usual_rows()], is_log_only=True)
    proposal = an_order(cast, "100.00")
    assert proposal.state == ProposalState.PENDING
    assert proposal.route.row.priority == 10
    decided_by(cast.alice, proposal)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED
    assert proposal.outcome.status == OutcomeStatus.LOGGED


def test_an_irreversible_tool_is_never_approved_automatically() -> None:
    automatic = a_row(5, up_to_minor=500_00, is_automatic=True, steps=())
    rows = [_unsaved(automatic), _unsaved(a_row(10))]
    amount = Money(100, "EUR")
    match = first_match(rows, Question(TOOL, "DE01", "4100", amount, may_be_automatic=False), lambda _days, _by: 0)
    assert match is not None
    assert match.row.priority == 10
    match = first_match(rows, Question(TOOL, "DE01", "4100", amount, may_be_automatic=True), lambda _days, _by: 0)
    assert match is not None
    assert match.row.priority == 5


def test_a_route_that_nobody_could_satisfy_is_refused(cast: Cast) -> None:
    ApprovalGroupMember.objects.filter(user__in=[cast.alice, cast.bob]).update(limit_minor=1_000_00, limit_currency="EUR")
    with pytest.raises(NoApprover, match=r"1 of Purchasing in step 1 of 1, but 0 can decide on 9,870\.00 EUR") as refusal:
        an_order(cast)
    assert refusal.value.code == "unroutable_no_approver"
    assert not Proposal.objects.exists()


def test_an_excluded_person_does_not_count_as_an_approver(cast: Cast) -> None:
    ApprovalGroupMember.objects.filter(user=cast.bob).delete()
    with pytest.raises(NoApprover, match="1 excluded by segregation of duties") as refusal:
        an_order(cast, on_behalf_of="alice")
    assert "the agent acted on their behalf" in refusal.value.detail


def test_the_snapshot_outlives_the_policy(cast: Cast) -> None:
    proposal = an_order(cast)
    make_policy([a_row(1, steps=({"group": "finance", "min_approvals": 2},))], author=cast.cora, activator=cast.cem)
    route = Route.objects.get(pk=proposal.pk)
    assert route.policy.version == 1
    assert route.snapshot["row"]["title"] == "Small orders"
    assert route.snapshot["steps"][0]["people"] == sorted(str(user.pk) for user in (cast.alice, cast.bob))
    assert an_order(cast).route.policy.version == 2


def test_the_route_names_everybody_excluded(cast: Cast) -> None:
    proposal = an_order(cast, on_behalf_of="erik")
    found = set(proposal.route.exclusions.values_list("user__username", "reason"))
    assert {("olga", "owner"), ("olga", "issued_credential"), ("olga", "issued_grant"), ("olga", "last_editor")} <= found
    assert {("sponsor-of-ap-bot", "sponsor"), ("erik", "asked"), ("cora", "policy_author")} <= found


def test_who_asked_for_an_earlier_revision_stays_excluded(cast: Cast) -> None:
    first = an_order(cast, on_behalf_of="bob")
    decided_by(cast.alice, first, "request_changes")
    second = an_order(cast, "9000.00", supersedes=first.public_id)
    assert ("bob", "asked") in set(second.route.exclusions.values_list("user__username", "reason"))


def test_a_suspended_agent_proposes_nothing(cast: Cast) -> None:
    suspend_agent(agent_id=cast.agent.pk, actor=_actor(cast), now=clock_now())
    with pytest.raises(Exception, match="suspended"):
        an_order(cast)


@pytest.mark.parametrize(
    ("needs", "is_possible"),
    [
        ([({1}, 1), ({2}, 1)], True),
        ([({1}, 1), ({1}, 1)], False),
        ([({1, 2}, 1), ({1}, 1)], True),
        ([({1, 2}, 2), ({2, 3}, 1)], True),
        ([({1, 2}, 2), ({1, 2}, 1)], False),
        ([({1, 2, 3}, 1), ({1}, 1), ({1, 2}, 1)], True),
        ([(set(), 1)], False),
    ],
)
def test_one_person_takes_one_place_across_all_steps(needs: list[tuple[set[int], int]], is_possible: bool) -> None:
    steps = [
        StepNeed(position=index, group_title="Group", min_approvals=count, people=frozenset(people))
        for index, (people, count) in enumerate(needs, start=1)
    ]
    assert (unsatisfiable_step(steps) is None) is is_possible


def _unsaved(draft: Any) -> Any:
    from approvals.models import PolicyRow

    return PolicyRow(**{name: getattr(draft, name) for name in draft.__dataclass_fields__})


def _actor(cast: Cast) -> Any:
    from tests.builders.identity import actor

    return actor(cast.olga)
