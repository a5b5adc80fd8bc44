"""The authority matrix as versions: draft, review, active by a second person, retired."""

from __future__ import annotations

from typing import Any

import pytest

from approvals.models import Policy
from approvals.services import activate_policy, create_policy, return_policy, submit_policy
from approvals.states import PolicyState
from audit.models import Event
from kernel.clock import now as clock_now
from kernel.errors import DomainError, StateConflict, ValidationFailed
from kernel.ids import new_id
from tests.builders.approvals import Cast, a_row, make_policy
from tests.builders.identity import actor

pytestmark = pytest.mark.django_db


def call(service: Any, policy: Policy, user: Any) -> Policy:
    result: Policy = service(policy_id=policy.pk, user=user, actor=actor(user), now=clock_now())
    return result


def a_draft(cast: Cast) -> Policy:
    return create_policy(title="Next", rows=[a_row()], user=cast.cora, actor=actor(cast.cora), now=clock_now())


def kinds(policy: Policy) -> list[str]:
    return list(Event.objects.filter(subject_id=policy.public_id).order_by("position").values_list("kind", flat=True))


def test_a_second_person_activates_and_the_former_policy_retires(cast: Cast) -> None:
    draft = a_draft(cast)
    assert (draft.version, draft.state, draft.digest) == (2, PolicyState.DRAFT, "")
    reviewed = call(submit_policy, draft, cast.cora)
    assert reviewed.digest.startswith("sha256:")
    active = call(activate_policy, draft, cast.cem)
    assert (active.state, active.activated_by) == (PolicyState.ACTIVE, cast.cem)
    former = Policy.objects.get(version=1)
    assert former.state == PolicyState.RETIRED
    assert former.retired_at == active.activated_at
    assert kinds(draft) == ["policy:created", "policy:submitted", "policy:activated"]
    assert kinds(former)[-1] == "policy:retired"


def test_the_author_never_activates(cast: Cast) -> None:
    draft = call(submit_policy, a_draft(cast), cast.cora)
    before = Event.objects.count()
    with pytest.raises(DomainError, match="another person activates it") as refusal:
        call(activate_policy, draft, cast.cora)
    assert refusal.value.code == "sod_policy_author"
    assert Policy.objects.get(state=PolicyState.ACTIVE).version == 1
    assert Policy.objects.get(pk=draft.pk).state == PolicyState.REVIEW
    assert Event.objects.count() == before + 1
    assert kinds(draft)[-1] == "policy:refused"


@pytest.mark.parametrize("service", [submit_policy, activate_policy, return_policy])
def test_who_lacks_the_permission_changes_nothing(cast: Cast, service: Any) -> None:
    draft = a_draft(cast)
    with pytest.raises(DomainError) as refusal:
        call(service, draft, cast.alice)
    assert refusal.value.code == "permission_denied"
    assert Policy.objects.get(pk=draft.pk).state == PolicyState.DRAFT
    assert kinds(draft) == ["policy:created", "policy:refused"]


def test_creating_needs_the_permission_too(cast: Cast) -> None:
    with pytest.raises(DomainError) as refusal:
        create_policy(title="Mine", rows=[a_row()], user=cast.alice, actor=actor(cast.alice), now=clock_now())
    assert refusal.value.code == "permission_denied"
    assert Policy.objects.count() == 1


def test_a_draft_is_not_activated_before_its_review(cast: Cast) -> None:
    draft = a_draft(cast)
    with pytest.raises(StateConflict):
        call(activate_policy, draft, cast.cem)
    assert Policy.objects.get(state=PolicyState.ACTIVE).version == 1


def test_a_returned_policy_is_a_draft_again(cast: Cast) -> None:
    draft = call(submit_policy, a_draft(cast), cast.cora)
    returned = call(return_policy, draft, cast.cem)
    assert (returned.state, returned.digest, bytes(returned.text_bytes)) == (PolicyState.DRAFT, "", b"")
    returned.rows.update(title="Changed")
    assert call(submit_policy, returned, cast.cora).digest


def test_a_retired_policy_stays_retired(cast: Cast) -> None:
    make_policy([a_row()], author=cast.cora, activator=cast.cem)
    with pytest.raises(StateConflict):
        call(activate_policy, cast.policy, cast.cem)


def test_an_unknown_policy_is_not_visible(cast: Cast) -> None:
    with pytest.raises(DomainError) as refusal:
        activate_policy(policy_id=new_id(), user=cast.cem, actor=actor(cast.cem), now=clock_now())
    assert refusal.value.code == "not_found"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tool": "get_vendor"}, "/rows/0/tool"),
        ({"tool": "no_such_tool"}, "/rows/0/tool"),
        ({"tool": "change_vendor_bank_account"}, "/rows/0/tool"),
        ({"currency": "euro"}, "/rows/0/currency"),
        ({"from_minor": 5, "up_to_minor": 4}, "/rows/0/up_to_minor"),
        ({"steps": ()}, "/rows/0/steps"),
        ({"steps": ({"group": "nobody", "min_approvals": 1},)}, "/rows/0/steps/0/group"),
        ({"steps": ({"group": "finance", "min_approvals": 0},)}, "/rows/0/steps/0/min_approvals"),
        ({"is_automatic": True, "up_to_minor": 5}, "/rows/0/steps"),
        ({"is_automatic": True, "steps": ()}, "/rows/0/up_to_minor"),
    ],
)
def test_a_row_that_could_not_stand_is_named(cast: Cast, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        create_policy(title="Next", rows=[a_row(**changes)], user=cast.cora, actor=actor(cast.cora), now=clock_now())
    assert path in [item.path for item in refusal.value.errors]
    assert Policy.objects.count() == 1


def test_priorities_are_used_once(cast: Cast) -> None:
    with pytest.raises(ValidationFailed, match="10 is used twice"):
        create_policy(title="Next", rows=[a_row(), a_row()], user=cast.cora, actor=actor(cast.cora), now=clock_now())


@pytest.mark.parametrize(("title", "rows"), [("", [a_row()]), ("Next", [])])
def test_a_policy_has_a_title_and_rows(cast: Cast, title: str, rows: list[Any]) -> None:
    with pytest.raises(ValidationFailed):
        create_policy(title=title, rows=rows, user=cast.cora, actor=actor(cast.cora), now=clock_now())
