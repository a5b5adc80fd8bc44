"""Deciding: who may, on what page, how often; each refusal says why, changes nothing and leaves one record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from approvals.models import Decision, RouteStep
from approvals.states import DecisionKind, StepState
from audit.models import Event
from identity.models import Agent, ApprovalGroupMember, Credential, Grant, Role
from identity.services import suspend_agent
from kernel.clock import now as clock_now
from kernel.errors import DomainError
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import Cast, a_row, an_order, decided, decided_by, make_cast, opened
from tests.builders.audit import payload_of
from tests.builders.identity import actor, make_group, make_member, make_user
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db


def events_of(proposal: Proposal, kind: str) -> list[Event]:
    return list(Event.objects.filter(proposal=proposal.public_id, kind=kind).order_by("position"))


def assert_refused(code: str, proposal: Proposal, act: Callable[[], object], match: str | None = None) -> DomainError:
    """Act and be refused with this code; nothing but one record of it changed, besides the page that was opened for it."""
    recorded = Event.objects.exclude(kind="proposal:opened")
    steps = list(RouteStep.objects.filter(route_id=proposal.pk).values_list("position", "state"))
    decisions, events = Decision.objects.count(), recorded.count()
    state = Proposal.objects.get(pk=proposal.pk).state
    with pytest.raises(DomainError, match=match) as refusal:
        act()
    assert refusal.value.code == code
    assert Proposal.objects.get(pk=proposal.pk).state == state
    assert list(RouteStep.objects.filter(route_id=proposal.pk).values_list("position", "state")) == steps
    assert Decision.objects.count() == decisions
    assert recorded.count() == events + 1
    assert Event.objects.filter(kind="approval:refused").count() == 1
    return refusal.value


# What works ---------------------------------------------------------------------------------------------------------------


def test_one_approval_satisfies_one_step_and_approves(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    decision = decided(cast.alice, page)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED
    assert proposal.decided_at == decision.decided_at
    assert decision.payload_digest == proposal.payload_digest
    assert decision.presentation.digest == page.presentation_digest
    assert decision.authentication == ["password"]
    assert proposal.route.steps.get().state == StepState.SATISFIED
    kinds = list(Event.objects.filter(proposal=proposal.public_id).order_by("position").values_list("kind", flat=True))
    assert kinds == ["proposal:proposed", "gate:routed", "proposal:opened", "approval:decided", "approval:granted"]


def test_two_steps_ask_two_people_one_after_the_other(cast: Cast) -> None:
    proposal = an_order(cast, "30000.00")
    decided_by(cast.alice, proposal)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.PENDING
    assert [step.state for step in proposal.route.steps.all()] == [StepState.SATISFIED, StepState.OPEN]
    decided_by(cast.dora, proposal)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED
    assert [step.state for step in proposal.route.steps.all()] == [StepState.SATISFIED, StepState.SATISFIED]


def test_a_quorum_of_two_needs_two_different_people(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, steps=({"group": "purchasing", "min_approvals": 2},))])
    proposal = an_order(cast)
    decided_by(cast.alice, proposal)
    assert_refused("already_decided", proposal, lambda: decided_by(cast.alice, proposal))
    decided_by(cast.bob, proposal)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED


def test_the_other_approval_of_a_step_does_not_make_a_page_stale(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, steps=({"group": "purchasing", "min_approvals": 2},))])
    proposal = an_order(cast)
    pages = [opened(cast.alice, proposal), opened(cast.bob, proposal)]
    decided(cast.alice, pages[0])
    decided(cast.bob, pages[1])
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED


def test_one_person_decides_once_across_all_steps(cast: Cast) -> None:
    make_member(cast.finance, cast.alice)
    proposal = an_order(cast, "30000.00")
    decided_by(cast.alice, proposal)
    assert_refused("already_decided", proposal, lambda: decided_by(cast.alice, proposal))


@pytest.mark.parametrize(
    ("kind", "state", "event"),
    [
        (DecisionKind.REJECT, ProposalState.REJECTED, "proposal:rejected"),
        (DecisionKind.REQUEST_CHANGES, ProposalState.CHANGES_REQUESTED, "proposal:changes_requested"),
    ],
)
def test_one_refusal_ends_the_route(cast: Cast, kind: str, state: str, event: str) -> None:
    proposal = an_order(cast, "30000.00")
    decided_by(cast.alice, proposal)
    decided_by(cast.dora, proposal, kind)
    proposal.refresh_from_db()
    assert proposal.state == state
    assert [step.state for step in proposal.route.steps.all()] == [StepState.SATISFIED, StepState.ENDED]
    assert proposal.feedback.code == "wrong_amount"
    assert proposal.feedback.comment == "Half of it is enough."
    assert len(events_of(proposal, event)) == 1
    assert not events_of(proposal, "approval:granted")


def test_the_event_carries_the_digests_and_no_words(cast: Cast) -> None:
    proposal = an_order(cast)
    decided_by(cast.alice, proposal, DecisionKind.REJECT)
    event = events_of(proposal, "approval:decided")[0]
    content = bytes(event.bytes)
    assert proposal.payload_digest.encode() in content
    assert b"wrong_amount" in content
    assert b"Half of it" not in content
    assert b"alice" not in content
    assert b"Half of it" in payload_of(event.event_id).content


def test_a_revision_is_decided_anew_and_shows_what_changed(cast: Cast) -> None:
    first = an_order(cast)
    decided_by(cast.alice, first, DecisionKind.REQUEST_CHANGES)
    second = an_order(cast, "5000.00", supersedes=first.public_id)
    page = opened(cast.alice, second)
    assert page.facts["changes"]["revision"] == 1
    fields = {item["field"]: (item["was"], item["now"]) for item in page.facts["changes"]["fields"]}
    assert fields["amount"] == ("9,870.00 EUR", "5,000.00 EUR")
    assert fields["lines 1.unit_price"] == ("9870.00", "5000.00")
    decided(cast.alice, page)
    second.refresh_from_db()
    assert second.state == ProposalState.APPROVED


# Segregation of duties ----------------------------------------------------------------------------------------------------


def entangled(rows: QuerySet[Any], **values: User) -> None:
    """Change who had a hand in it, past identity's own guards: however it came about, the gate has to notice."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        rows.update(**values)
        cursor.execute("SET LOCAL session_replication_role = origin")


def _owner(cast: Cast, user: User) -> None:
    entangled(Agent.objects.filter(pk=cast.agent.pk), owner=user)


def _sponsor(cast: Cast, user: User) -> None:
    entangled(Agent.objects.filter(pk=cast.agent.pk), sponsor=user)


def _editor(cast: Cast, user: User) -> None:
    entangled(Agent.objects.filter(pk=cast.agent.pk), last_edited_by=user)


def _credential(cast: Cast, user: User) -> None:
    entangled(Credential.objects.filter(agent=cast.agent), issued_by=user)


def _grant(cast: Cast, user: User) -> None:
    entangled(Grant.objects.filter(agent=cast.agent), issued_by=user)


@pytest.mark.parametrize(
    ("entangle", "code", "sentence"),
    [
        (_owner, "sod_owner", r"You own agent AP-Bot, so you can't decide on its proposals \(SoD: owner\)\."),
        (_sponsor, "sod_sponsor", "You sponsor agent AP-Bot"),
        (_editor, "sod_last_editor", "You were the last to change agent AP-Bot"),
        (_credential, "sod_issued_credential", "You issued the credential"),
        (_grant, "sod_issued_grant", "You issued the grant"),
    ],
)
@pytest.mark.parametrize("is_later", [False, True], ids=["at routing", "since routing"])
def test_who_had_a_hand_in_the_agent_may_not_decide(
    cast: Cast, entangle: Callable[[Cast, User], None], code: str, sentence: str, is_later: bool
) -> None:
    if not is_later:
        entangle(cast, cast.alice)
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    if is_later:
        entangle(cast, cast.alice)
    assert_refused(code, proposal, lambda: decided(cast.alice, page), sentence)


def test_who_was_excluded_at_routing_stays_excluded(cast: Cast) -> None:
    _owner(cast, cast.alice)
    proposal = an_order(cast)
    _owner(cast, cast.olga)
    assert_refused("sod_owner", proposal, lambda: decided_by(cast.alice, proposal))


def test_on_whose_behalf_it_is_may_not_decide(cast: Cast) -> None:
    proposal = an_order(cast, on_behalf_of="alice")
    assert_refused("sod_asked", proposal, lambda: decided_by(cast.alice, proposal), "acted on your behalf")


def test_the_author_of_the_policy_may_not_decide(cast: Cast) -> None:
    from identity.models import RoleAssignment

    RoleAssignment.objects.create(user=cast.cora, role=Role.APPROVER, companies=["DE01"], created_at=clock_now())
    make_member(cast.purchasing, cast.cora)
    proposal = an_order(cast)
    assert_refused("sod_policy_author", proposal, lambda: decided_by(cast.cora, proposal), "You wrote the policy")


def test_a_superuser_is_not_exempt(cast: Cast) -> None:
    _owner(cast, cast.alice)
    User.objects.filter(pk=cast.alice.pk).update(is_superuser=True, is_staff=True)
    proposal = an_order(cast)
    alice = User.objects.get(pk=cast.alice.pk)
    assert_refused("sod_owner", proposal, lambda: decided_by(alice, proposal))


def test_a_superuser_without_a_role_sees_nothing(cast: Cast) -> None:
    root = User.objects.create_superuser("root", password=None)
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    assert_refused("not_found", proposal, lambda: decided(root, page))


# Authority ----------------------------------------------------------------------------------------------------------------


def test_a_person_of_another_group_may_not_decide(cast: Cast) -> None:
    proposal = an_order(cast)
    assert_refused("not_a_member", proposal, lambda: decided_by(cast.dora, proposal), "The open step asks Purchasing")


def test_a_member_without_the_role_may_not_decide(cast: Cast) -> None:
    gerda = make_user("gerda", [Role.OPERATOR])
    make_group("purchasing", gerda)
    proposal = an_order(cast)
    assert_refused("permission_denied", proposal, lambda: decided_by(gerda, proposal), "None of your roles")


def test_another_company_sees_nothing(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    assert_refused("not_found", proposal, lambda: decided(cast.charlie, page), "no proposal prop_")
    with pytest.raises(DomainError) as refusal:
        opened(cast.charlie, proposal)
    assert refusal.value.code == "not_found"


def test_a_limit_below_the_amount_refuses_and_names_it(cast: Cast) -> None:
    ApprovalGroupMember.objects.filter(user=cast.alice).update(limit_minor=5_000_00, limit_currency="EUR")
    proposal = an_order(cast)
    sentence = r"is 5,000\.00 EUR; this proposal counts as 9,870\.00 EUR"
    assert_refused("over_limit", proposal, lambda: decided_by(cast.alice, proposal), sentence)


def test_a_limit_in_another_currency_covers_nothing(cast: Cast) -> None:
    ApprovalGroupMember.objects.filter(user=cast.alice).update(limit_minor=5_000_000_00, limit_currency="USD")
    proposal = an_order(cast)
    assert_refused("over_limit", proposal, lambda: decided_by(cast.alice, proposal))


def test_splitting_does_not_get_round_a_limit(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, rolling_days=30)])
    ApprovalGroupMember.objects.filter(user=cast.alice).update(limit_minor=5_000_00, limit_currency="EUR")
    an_order(cast, "4900.00")
    proposal = an_order(cast, "4900.00")
    assert_refused("over_limit", proposal, lambda: decided_by(cast.alice, proposal), "counts as 9,800.00 EUR")


# The page -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "value", "label"),
    [("vendor_bank_fingerprint", "f2", "bank details"), ("period_status", "closed", "Period 2026-11 of DE01 is open")],
)
def test_what_changed_since_the_page_was_loaded_is_named(cast: Cast, erp: PlainErp, fact: str, value: str, label: str) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    erp.facts[fact] = value
    error = assert_refused("stale_page", proposal, lambda: decided(cast.alice, page), label)
    changes = error.data["changes"]
    assert isinstance(changes, list)
    assert len(changes) == 1
    assert label in changes[0]["label"]
    assert (changes[0]["was"], changes[0]["now"]) == ("holds", "no longer holds")
    assert error.status == 409


def test_a_number_that_changes_without_meaning_leaves_the_page_as_it_is(cast: Cast, erp: PlainErp) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    erp.facts["budget_remaining"] = "800000000.00"
    decided(cast.alice, page)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED


def test_a_hard_check_that_does_not_hold_refuses_approval_but_not_rejection(cast: Cast, erp: PlainErp) -> None:
    proposal = an_order(cast)
    erp.facts["vendor_bank_fingerprint"] = "f2"
    assert_refused("check_not_holding", proposal, lambda: decided_by(cast.alice, proposal), "bank details")
    decided_by(cast.alice, proposal, DecisionKind.REJECT)
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.REJECTED


def test_approving_over_a_warning_asks_for_a_reason(cast: Cast, erp: PlainErp) -> None:
    proposal = an_order(cast)
    erp.facts["budget_remaining"] = "1.00"
    assert opened(cast.alice, proposal).needs_reason
    assert_refused("reason_required", proposal, lambda: decided_by(cast.alice, proposal), "Approving over a warning")
    decided_by(cast.alice, proposal, reason_code="accepted_risk", comment="The board agreed to overspend.")
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED


def test_another_payload_digest_is_refused(cast: Cast) -> None:
    proposal, other = an_order(cast), an_order(cast)
    page = opened(cast.alice, proposal)
    assert_refused("stale_payload", proposal, lambda: decided(cast.alice, page, payload_digest=other.payload_digest))


def test_a_page_that_was_never_shown_is_refused(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    assert_refused("stale_page", proposal, lambda: decided(cast.bob, page), "never shown to you")


def test_a_page_of_another_proposal_is_refused(cast: Cast) -> None:
    proposal, other = an_order(cast), an_order(cast)
    page, another = opened(cast.alice, proposal), opened(cast.alice, other)
    assert_refused("stale_page", proposal, lambda: decided(cast.alice, page, presentation_digest=another.presentation_digest))


def test_a_page_cannot_have_been_shown_later_than_now(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    assert_refused("validation_failed", proposal, lambda: decided(cast.alice, page, shown_at=clock_now() + timedelta(hours=1)))


def test_an_earlier_instant_than_the_opening_is_not_believed(cast: Cast) -> None:
    page = opened(cast.alice, an_order(cast))
    decision = decided(cast.alice, page, shown_at=page.shown_at - timedelta(hours=1))
    assert decision.shown_at == page.shown_at


def test_an_erp_that_does_not_answer_decides_nothing(cast: Cast, erp: PlainErp) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    erp.is_down = True
    assert not opened(cast.alice, proposal).standing.is_allowed
    assert_refused("erp_unavailable", proposal, lambda: decided(cast.alice, page))


# State --------------------------------------------------------------------------------------------------------------------


def test_an_expired_proposal_is_refused_and_expired(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    late = proposal.expires_at + timedelta(seconds=1)
    with pytest.raises(DomainError, match="expired") as refusal:
        decided(cast.alice, page, now=late)
    assert refusal.value.code == "proposal_expired"
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.EXPIRED
    assert not Decision.objects.exists()
    assert len(events_of(proposal, "proposal:expired")) == 1
    assert len(events_of(proposal, "approval:refused")) == 1


def test_a_decided_proposal_is_refused(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.bob, proposal)
    decided_by(cast.alice, proposal)
    assert_refused("proposal_not_pending", proposal, lambda: decided(cast.bob, page), "it is approved")


def test_a_suspended_agent_has_nothing_approved(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    suspend_agent(agent_id=cast.agent.pk, actor=actor(cast.olga), now=clock_now())
    assert_refused("agent_suspended", proposal, lambda: decided(cast.alice, page), "AP-Bot is suspended")


@pytest.mark.parametrize("kind", [DecisionKind.REJECT, DecisionKind.REQUEST_CHANGES])
@pytest.mark.parametrize("missing", [{"reason_code": ""}, {"comment": "  "}])
def test_refusing_asks_for_a_reason(cast: Cast, kind: str, missing: dict[str, str]) -> None:
    proposal = an_order(cast)
    error = assert_refused("reason_required", proposal, lambda: decided_by(cast.alice, proposal, kind, **missing))
    assert [item.path for item in error.errors] == [f"/{next(iter(missing))}"]


@pytest.mark.parametrize(
    "changes", [{"reason_code": "No Code!"}, {"comment": "x" * 2_001, "reason_code": "other"}], ids=["code", "comment"]
)
def test_a_form_that_no_state_could_accept_is_refused(cast: Cast, changes: dict[str, Any]) -> None:
    proposal = an_order(cast)
    assert_refused("validation_failed", proposal, lambda: decided_by(cast.alice, proposal, **changes))


def test_an_unknown_kind_is_refused(cast: Cast) -> None:
    proposal = an_order(cast)
    assert_refused("validation_failed", proposal, lambda: decided_by(cast.alice, proposal, "forward"))


def test_a_proposal_that_does_not_exist_leaves_a_record(cast: Cast) -> None:
    proposal = an_order(cast)
    page = opened(cast.alice, proposal)
    from approvals.services import decide

    for text in (encode(Prefix.PROPOSAL, new_id()), "prop_nonsense"):
        with pytest.raises(DomainError):
            decide(
                user=cast.alice,
                proposal_id=text,
                kind="approve",
                payload_digest=page.payload_digest,
                presentation_digest=page.presentation_digest,
                shown_at=page.shown_at,
                actor=actor(cast.alice),
                now=clock_now(),
            )
    refused = Event.objects.filter(kind="approval:refused")
    assert refused.count() == 2
    assert not refused.exclude(proposal="").exists()
