"""The permission matrix, written out: who may do what, and that nothing else counts."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import RequestFactory
from django.urls import reverse

from identity.models import Role
from identity.permissions import ROLE_PERMISSIONS, Permission, has_permission, permissions_of, require_permission, requires
from kernel.errors import PermissionRefused
from tests.builders.identity import make_user
from tests.identity.recorded import actors, kinds

pytestmark = pytest.mark.django_db

#                          AP CO AO OP AU AD
MATRIX = {
    "proposal:read":          "x  x  x  x  x  x",
    "proposal:decide":        "x  -  -  -  -  -",
    "policy:read":            "x  x  x  x  x  x",
    "policy:edit":            "-  x  -  -  -  -",
    "policy:activate":        "-  x  -  -  -  -",
    "agent:read":             "x  x  x  x  x  x",
    "agent:manage":           "-  -  x  -  -  x",
    "issuer:trust":           "-  x  -  -  -  x",
    "commit:read":            "x  x  x  x  x  x",
    "commit:operate":         "-  -  -  x  -  -",
    "reconciliation:read":    "-  x  -  x  x  -",
    "reconciliation:run":     "-  -  -  x  -  -",
    "reconciliation:resolve": "-  -  -  x  -  -",
    "audit:read":             "-  x  -  -  x  x",
    "evidence:export":        "-  x  -  -  x  -",
    "user:manage":            "-  -  -  -  -  x",
    "proposal:comment":       "x  x  x  x  -  -",
    "oversight:read":         "-  x  -  -  x  -",
    "retention:manage":       "-  x  -  -  -  x",
    "tool:read":              "x  x  x  x  x  x",
}  # fmt: skip
COLUMNS = (Role.APPROVER, Role.CONTROLLER, Role.AGENT_OWNER, Role.OPERATOR, Role.AUDITOR, Role.ADMINISTRATOR)


def test_the_matrix_knows_every_permission_and_role() -> None:
    assert set(MATRIX) == {permission.value for permission in Permission}
    assert set(COLUMNS) == set(Role) == set(ROLE_PERMISSIONS)


@pytest.mark.parametrize("role", COLUMNS)
def test_each_role_has_exactly_its_permissions(role: Role) -> None:
    person = make_user("somebody", [role])
    expected = {name for name, row in MATRIX.items() if row.split()[COLUMNS.index(role)] == "x"}
    assert {permission.value for permission in permissions_of(person)} == expected
    for permission in Permission:
        assert has_permission(person, permission) is (permission.value in expected)
        if permission.value not in expected:
            with pytest.raises(PermissionRefused) as refused:
                require_permission(person, permission)
            assert refused.value.data["permission"] == permission.value


def test_roles_add_up() -> None:
    person = make_user("somebody", [Role.APPROVER, Role.OPERATOR])
    assert permissions_of(person) == ROLE_PERMISSIONS[Role.APPROVER] | ROLE_PERMISSIONS[Role.OPERATOR]


def test_neither_superusers_nor_strangers_nor_the_inactive_may_do_anything() -> None:
    root = User.objects.create_superuser("root", password=None)
    gone = make_user("gone", Role)
    gone.is_active = False
    for person in (root, gone, AnonymousUser(), make_user("nobody")):
        assert permissions_of(person) == frozenset()


@requires(Permission.USER_MANAGE)
def page(request: HttpRequest, word: str) -> HttpResponseBase:
    return HttpResponse(word)


def ask(person: User | AnonymousUser) -> HttpResponseBase:
    request = RequestFactory().get("/people")
    request.user, request.session = person, SessionStore("a-session")
    return page(request, word="people")


def test_a_guarded_page_opens_for_the_permission(bob: User) -> None:
    answer = ask(bob)
    assert isinstance(answer, HttpResponse)
    assert (answer.status_code, answer.content) == (200, b"people")
    assert kinds() == []


def test_a_guarded_page_sends_strangers_to_the_login() -> None:
    answer = ask(AnonymousUser())
    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, reverse("account_login"))
    assert kinds() == []


def test_a_guarded_page_refuses_others_and_records_it_once(alice: User) -> None:
    with pytest.raises(PermissionRefused):
        ask(alice)
    assert kinds() == ["user:permission_refused"]
    assert actors("user:permission_refused") == [("human", str(alice.pk))]
