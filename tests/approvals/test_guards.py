"""The database refuses what the service would: whoever writes past the service meets the guard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from approvals.models import Decision, Exclusion, Policy, PolicyRow, Presentation, Route, RouteStep
from approvals.services import create_policy, submit_policy
from identity.models import ApprovalGroupMember
from kernel.clock import now as clock_now
from kernel.ids import new_id
from proposals.models import Proposal
from tests.builders.approvals import Cast, a_row, an_order, approved, decided_by, opened
from tests.builders.identity import actor

pytestmark = pytest.mark.django_db


def forced(cast: Cast, proposal: Proposal, user: Any = None, **changes: Any) -> None:
    """Insert a decision with plain SQL, as somebody with the application's database role could."""
    page = opened(cast.alice, proposal)
    now = clock_now()
    values = {
        "id": new_id(),
        "proposal_id": proposal.pk,
        "step_id": proposal.route.steps.get(position=1).pk,
        "user_id": (user or cast.alice).pk,
        "kind": "approve",
        "payload_digest": proposal.payload_digest,
        "presentation_id": Presentation.objects.get(digest=page.presentation_digest).pk,
        "reason_code": "",
        "comment": "",
        "authentication": "[]",
        "shown_at": now,
        "decided_at": now,
        **changes,
    }
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO approvals_decision ({names}) VALUES ({marks})", list(values.values()))


def guard_of(error: IntegrityError) -> str:
    return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]


def assert_guarded(guard: str, act: Callable[[], object]) -> None:
    before = Decision.objects.count()
    with pytest.raises(IntegrityError) as refusal:
        act()
    assert guard_of(refusal.value) == guard
    assert Decision.objects.count() == before


def test_the_guard_lets_a_rightful_decision_pass(cast: Cast) -> None:
    forced(cast, an_order(cast))
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("who", ["olga", "cora"])
def test_an_excluded_person(cast: Cast, who: str) -> None:
    user = getattr(cast, who)
    ApprovalGroupMember.objects.create(group=cast.purchasing, user=user, companies=["DE01"])
    proposal = an_order(cast)
    assert_guarded("approvals_guard_excluded", lambda: forced(cast, proposal, user))


def test_who_asked(cast: Cast) -> None:
    proposal = an_order(cast, on_behalf_of="bob")
    assert_guarded("approvals_guard_excluded", lambda: forced(cast, proposal, cast.bob))


@pytest.mark.parametrize("who", ["dora", "charlie"])
def test_somebody_who_is_no_member_in_this_company(cast: Cast, who: str) -> None:
    proposal = an_order(cast)
    assert_guarded("approvals_guard_member", lambda: forced(cast, proposal, getattr(cast, who)))


def test_somebody_inactive(cast: Cast) -> None:
    proposal = an_order(cast)
    type(cast.bob).objects.filter(pk=cast.bob.pk).update(is_active=False)
    assert_guarded("approvals_guard_member", lambda: forced(cast, proposal, cast.bob))


def test_somebody_above_their_limit(cast: Cast) -> None:
    proposal = an_order(cast)
    ApprovalGroupMember.objects.filter(user=cast.bob).update(limit_minor=1, limit_currency="EUR")
    assert_guarded("approvals_guard_limit", lambda: forced(cast, proposal, cast.bob))


def test_another_payload(cast: Cast) -> None:
    proposal = an_order(cast)
    other = "sha256:" + "0" * 64
    assert_guarded("approvals_guard_digest", lambda: forced(cast, proposal, payload_digest=other))


def test_after_the_end(cast: Cast) -> None:
    proposal = an_order(cast)
    late = proposal.expires_at + timedelta(seconds=1)
    assert_guarded("approvals_guard_expired", lambda: forced(cast, proposal, decided_at=late))


def test_a_decided_proposal(cast: Cast) -> None:
    proposal = approved(an_order(cast), cast.alice)
    assert_guarded("approvals_guard_pending", lambda: forced(cast, proposal, cast.bob))


def test_a_step_that_is_not_open(cast: Cast) -> None:
    proposal = an_order(cast, "30000.00")
    step = proposal.route.steps.get(position=2)
    assert_guarded("approvals_guard_step", lambda: forced(cast, proposal, cast.dora, step_id=step.pk))


def test_a_step_and_a_page_of_another_proposal(cast: Cast) -> None:
    proposal, other = an_order(cast), an_order(cast)
    step = other.route.steps.get()
    assert_guarded("approvals_guard_step", lambda: forced(cast, proposal, step_id=step.pk))
    opened(cast.alice, other)
    page = Presentation.objects.get(proposal=other)
    assert_guarded("approvals_guard_page", lambda: forced(cast, proposal, presentation_id=page.pk))


def test_the_same_person_twice(cast: Cast) -> None:
    proposal = an_order(cast, "30000.00")
    ApprovalGroupMember.objects.create(group=cast.finance, user=cast.alice, companies=["DE01"])
    decided_by(cast.alice, proposal)
    step = proposal.route.steps.get(position=2)
    assert_guarded("approvals_one_decision_per_person", lambda: forced(cast, proposal, cast.alice, step_id=step.pk))


@pytest.mark.parametrize("model", [Decision, Presentation, Exclusion, Route, RouteStep])
def test_what_was_recorded_stays(cast: Cast, model: type[Any]) -> None:
    approved(an_order(cast), cast.alice)
    assert model.objects.exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.all()._raw_delete("default")
    field = {Decision: "comment", Presentation: "locale", Exclusion: "reason", Route: "reason", RouteStep: "min_approvals"}[model]
    value: Any = 7 if model is RouteStep else "other"
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**{field: value})


def test_a_step_without_its_approvals_is_not_satisfied_by_sql(cast: Cast) -> None:
    proposal = an_order(cast)
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        RouteStep.objects.filter(route=proposal.route).update(state="satisfied", satisfied_at=clock_now())
    assert guard_of(refusal.value) == "approvals_step_quorum"


def test_a_policy_keeps_its_text_once_it_left_draft(cast: Cast) -> None:
    for act in (
        lambda: PolicyRow.objects.filter(policy=cast.policy).update(up_to_minor=99_000_000_00),
        lambda: PolicyRow.objects.filter(policy=cast.policy)._raw_delete("default"),
        lambda: PolicyRow.objects.create(policy=cast.policy, priority=1, title="x", tool="x", currency="EUR", steps=["x"]),
        lambda: Policy.objects.filter(pk=cast.policy.pk).update(digest="sha256:other"),
        lambda: Policy.objects.filter(pk=cast.policy.pk).update(author=cast.bob),
        lambda: Policy.objects.filter(pk=cast.policy.pk).update(state="draft", activated_by=None, activated_at=None),
        lambda: Policy.objects.filter(pk=cast.policy.pk)._raw_delete("default"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()


def test_the_author_never_activates_by_sql(cast: Cast) -> None:
    now = clock_now()
    draft = create_policy(title="Mine", rows=[a_row()], user=cast.cora, actor=actor(cast.cora), now=now)
    submit_policy(policy_id=draft.pk, user=cast.cora, actor=actor(cast.cora), now=now)
    Policy.objects.filter(pk=cast.policy.pk).update(state="retired", retired_at=now)
    with pytest.raises(IntegrityError, match="approvals_author_never_activates"), transaction.atomic():
        Policy.objects.filter(pk=draft.pk).update(state="active", activated_by=cast.cora, activated_at=now)
