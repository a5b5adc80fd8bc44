"""People's rights: given by an administrator, never to oneself, duties kept apart."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from identity import services
from identity.errors import DutiesConflict, LastAdministrator, OwnRights
from identity.models import ApprovalGroup, ApprovalGroupMember, Role, RoleAssignment
from identity.queries import companies_as, companies_of, member_of_groups, memberships_of, roles_of
from kernel.clock import now
from kernel.errors import NotVisible, PermissionRefused, StateConflict, ValidationFailed
from tests.builders.identity import actor, make_group, make_user
from tests.identity.recorded import kinds, outcomes

pytestmark = pytest.mark.django_db


def assign(user: User, role: Role, by: User, companies: list[str] | None = None) -> RoleAssignment:
    return services.assign_role(user_id=user.pk, role=role, companies=companies or ["DE01"], actor=actor(by), now=now())


def revoke(user: User, role: Role, by: User) -> None:
    services.revoke_role(user_id=user.pk, role=role, actor=actor(by), now=now())


def join(user: User, by: User, **changes: Any) -> ApprovalGroupMember:
    arguments: dict[str, Any] = {"group_code": "finance", "user_id": user.pk, "companies": ["DE01"]}
    return services.add_group_member(**(arguments | changes), actor=actor(by), now=now())


def test_there_is_one_first_administrator() -> None:
    first, second = make_user("first"), make_user("second")
    services.appoint_first_administrator(user_id=first.pk, companies=["DE01", "US01"], now=now())
    first.refresh_from_db()
    assert roles_of(first) == {Role.ADMINISTRATOR}
    assert first.is_staff
    with pytest.raises(StateConflict):
        services.appoint_first_administrator(user_id=second.pk, companies=["DE01"], now=now())
    assert roles_of(second) == frozenset()
    assert kinds() == ["user:role_assigned"]


@pytest.mark.parametrize("companies", [[], ["de01"], ["DE01; DROP"], ["X" * 13]])
def test_the_first_administrator_has_real_companies(companies: list[str]) -> None:
    with pytest.raises(ValidationFailed):
        services.appoint_first_administrator(user_id=make_user("first").pk, companies=companies, now=now())
    assert not RoleAssignment.objects.exists()


def test_an_administrator_gives_and_takes_a_role(bob: User) -> None:
    erin = make_user("erin")
    assign(erin, Role.APPROVER, bob)
    assert roles_of(erin) == {Role.APPROVER}
    assert companies_of(erin) == {"DE01"}
    history = list(RoleAssignment.history.filter(user=erin))
    revoke(erin, Role.APPROVER, bob)
    assert roles_of(erin) == frozenset()
    assert kinds() == ["user:role_assigned", "user:role_revoked"]
    assert [row.history_user for row in history] == [bob]
    assert [row.history_type for row in RoleAssignment.history.filter(user=erin)] == ["-", "+"]


def test_a_second_list_of_companies_replaces_the_first() -> None:
    boss, erin = make_user("boss", [Role.ADMINISTRATOR], ["DE01", "US01"]), make_user("erin")
    assign(erin, Role.OPERATOR, boss, ["DE01"])
    assign(erin, Role.OPERATOR, boss, ["US01"])
    assert companies_as(erin, Role.OPERATOR) == {"US01"}
    assert [told["before"] for told in outcomes("user:role_assigned")] == [[], ["DE01"]]


def test_nobody_changes_their_own_rights(bob: User) -> None:
    with pytest.raises(OwnRights):
        assign(bob, Role.CONTROLLER, bob)
    with pytest.raises(OwnRights):
        revoke(bob, Role.ADMINISTRATOR, bob)
    assert roles_of(bob) == {Role.ADMINISTRATOR}
    assert kinds() == ["user:refused", "user:refused"]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_only_administrators_give_rights(role: Role) -> None:
    somebody, erin = make_user("somebody", [role]), make_user("erin")
    make_group("finance")
    attempts = (
        lambda: assign(erin, Role.OPERATOR, somebody),
        lambda: revoke(erin, Role.OPERATOR, somebody),
        lambda: join(erin, somebody),
        lambda: services.create_group(code="legal", title="Legal", actor=actor(somebody), now=now()),
        lambda: services.remove_group_member(group_code="finance", user_id=erin.pk, actor=actor(somebody), now=now()),
        lambda: services.record_account_change(user_id=erin.pk, is_new=False, fields=[], actor=actor(somebody), now=now()),
    )
    for attempt in attempts:
        with pytest.raises(PermissionRefused):
            attempt()
    assert (roles_of(erin), ApprovalGroup.objects.count(), ApprovalGroupMember.objects.count()) == (frozenset(), 1, 0)
    assert kinds() == ["user:refused"] * len(attempts)


@pytest.mark.parametrize(
    ("held", "asked", "is_conflict"),
    [
        (Role.APPROVER, Role.ADMINISTRATOR, True),
        (Role.ADMINISTRATOR, Role.APPROVER, True),
        (Role.AUDITOR, Role.APPROVER, True),
        (Role.OPERATOR, Role.AUDITOR, True),
        (Role.APPROVER, Role.CONTROLLER, False),
        (Role.AGENT_OWNER, Role.OPERATOR, False),
    ],
)
def test_duties_that_are_kept_apart(bob: User, held: Role, asked: Role, is_conflict: bool) -> None:
    erin = make_user("erin", [held])
    if is_conflict:
        with pytest.raises(DutiesConflict):
            assign(erin, asked, bob)
        assert roles_of(erin) == {held}
    else:
        assign(erin, asked, bob)
        assert roles_of(erin) == {held, asked}


def test_roles_only_in_companies_the_administrator_has(bob: User) -> None:
    erin = make_user("erin")
    with pytest.raises(ValidationFailed):
        assign(erin, Role.APPROVER, bob, ["US01"])
    assert roles_of(erin) == frozenset()


def test_the_last_administrator_stays(bob: User) -> None:
    other = make_user("other", [Role.ADMINISTRATOR])
    revoke(other, Role.ADMINISTRATOR, bob)
    assign(other, Role.ADMINISTRATOR, bob)
    bob.is_active = False
    bob.save()
    third = make_user("third", [Role.ADMINISTRATOR])
    revoke(other, Role.ADMINISTRATOR, third)
    with pytest.raises(PermissionRefused):
        revoke(third, Role.ADMINISTRATOR, other)
    fourth = make_user("fourth", [Role.ADMINISTRATOR])
    third.is_active = False
    third.save()
    with pytest.raises(NotVisible):
        revoke(third, Role.ADMINISTRATOR, fourth)
    assert roles_of(fourth) == {Role.ADMINISTRATOR}


def test_revoking_the_only_active_administrator_is_refused(monkeypatch: pytest.MonkeyPatch, bob: User) -> None:
    last = make_user("last", [Role.ADMINISTRATOR])
    RoleAssignment.objects.filter(user=bob).update(role=Role.OPERATOR)
    monkeypatch.setattr("identity.services.people.require_permission", lambda _user, _permission: None)
    with pytest.raises(LastAdministrator):
        revoke(last, Role.ADMINISTRATOR, bob)
    assert roles_of(last) == {Role.ADMINISTRATOR}


def test_an_approver_joins_and_leaves_a_group(bob: User) -> None:
    erin = make_user("erin", [Role.APPROVER])
    services.create_group(code="finance", title="Finance", actor=actor(bob), now=now())
    join(erin, bob, limit_minor=25_000_00, limit_currency="USD")
    assert member_of_groups(erin) == {"finance"}
    assert memberships_of(erin).get().limit_minor == 25_000_00
    with pytest.raises(StateConflict):
        join(erin, bob)
    services.remove_group_member(group_code="finance", user_id=erin.pk, actor=actor(bob), now=now())
    with pytest.raises(StateConflict):
        services.remove_group_member(group_code="finance", user_id=erin.pk, actor=actor(bob), now=now())
    assert member_of_groups(erin) == frozenset()
    assert kinds() == ["user:group_created", "user:group_joined", "user:group_left"]


@pytest.mark.parametrize(
    "changes",
    [
        {"companies": []},
        {"companies": ["US01"]},
        {"limit_minor": 5},
        {"limit_currency": "EUR"},
        {"limit_minor": -5, "limit_currency": "EUR"},
        {"limit_minor": 5, "limit_currency": "euro"},
    ],
)
def test_a_membership_that_makes_no_sense(bob: User, changes: dict[str, Any]) -> None:
    erin = make_user("erin", [Role.APPROVER])
    make_group("finance")
    with pytest.raises(ValidationFailed):
        join(erin, bob, **changes)
    assert not ApprovalGroupMember.objects.exists()


def test_only_approvers_are_asked(bob: User) -> None:
    make_group("finance")
    with pytest.raises(ValidationFailed):
        join(make_user("erin", [Role.CONTROLLER]), bob)
    with pytest.raises(NotVisible):
        join(make_user("fred", [Role.APPROVER]), bob, group_code="nowhere")


def test_a_limit_without_its_amount_or_currency_is_refused_by_the_database() -> None:
    group, erin = make_group("finance"), make_user("erin", [Role.APPROVER])
    for minor, currency in ((None, "EUR"), (5, ""), (-1, "EUR")):
        with pytest.raises(IntegrityError), transaction.atomic():
            ApprovalGroupMember.objects.create(group=group, user=erin, companies=["DE01"], limit_minor=minor, limit_currency=currency)


def test_somebody_inactive_has_nothing() -> None:
    erin = make_user("erin", [Role.APPROVER])
    make_group("finance", erin)
    User.objects.filter(pk=erin.pk).update(is_active=False)
    erin.refresh_from_db()
    assert (roles_of(erin), companies_of(erin), companies_as(erin, Role.APPROVER), member_of_groups(erin)) == (frozenset(),) * 4
