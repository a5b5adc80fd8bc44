"""Django's admin pages: our roles decide, the services write, the audit log hears of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from identity.models import ApprovalGroup, ApprovalGroupMember, Role, RoleAssignment
from identity.queries import roles_of
from tests.builders.identity import equipped_agent, make_user
from tests.identity.recorded import kinds, outcomes

pytestmark = pytest.mark.django_db

PAGES = {
    "auth/user/": "user:manage",
    "identity/roleassignment/": "user:manage",
    "identity/approvalgroup/": "user:manage",
    "identity/approvalgroupmember/": "user:manage",
    "identity/agent/": "agent:read",
    "identity/credential/": "agent:read",
    "identity/grant/": "agent:read",
    "identity/historicalgrant/": "agent:read",
    "identity/historicalroleassignment/": "agent:read",
}


def signed_in(person: User) -> Client:
    User.objects.filter(pk=person.pk).update(is_staff=True)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("listing", list(PAGES))
def test_an_administrator_reads_every_page(alice: User, bob: User, listing: str) -> None:
    equipped_agent(alice)
    assert signed_in(bob).get(f"/admin/{listing}").status_code == 200


@pytest.mark.parametrize("listing", [listing for listing, permission in PAGES.items() if permission == "user:manage"])
def test_neither_a_superuser_nor_another_role_manages_people(listing: str) -> None:
    root = User.objects.create_superuser("root")
    for person in (root, make_user("somebody", [Role.CONTROLLER, Role.OPERATOR])):
        for path in (listing, f"{listing}add/"):
            assert signed_in(person).get(f"/admin/{path}").status_code == 403


@pytest.mark.parametrize("listing", [listing for listing, permission in PAGES.items() if permission == "agent:read"])
def test_what_is_audited_is_read_only(alice: User, bob: User, listing: str) -> None:
    agent, _ = equipped_agent(alice)
    assert signed_in(bob).get(f"/admin/{listing}add/").status_code == 403
    assert signed_in(bob).post(f"/admin/identity/agent/{agent.pk}/change/", {"name": "x"}).status_code == 403
    assert signed_in(bob).post(f"/admin/identity/agent/{agent.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_role_is_given_and_taken_through_the_service(bob: User) -> None:
    erin, client = make_user("erin"), signed_in(bob)
    form = {"user": erin.pk, "role": Role.OPERATOR.value, "companies": "DE01"}
    assert client.post("/admin/identity/roleassignment/add/", form).status_code == 302
    assert roles_of(erin) == {Role.OPERATOR}
    assignment = RoleAssignment.objects.get(user=erin)
    assert client.post(f"/admin/identity/roleassignment/{assignment.pk}/delete/", {"post": "yes"}).status_code == 302
    assert roles_of(erin) == frozenset()
    assert kinds() == ["user:role_assigned", "user:role_revoked"]


def test_a_refusal_is_a_message_and_one_event(bob: User) -> None:
    response = signed_in(bob).post(
        "/admin/identity/roleassignment/add/", {"user": bob.pk, "role": Role.CONTROLLER.value, "companies": "DE01"}
    )
    assert response.status_code == 302
    assert [message.level_tag for message in get_messages(response.wsgi_request)] == ["error"]
    assert roles_of(bob) == {Role.ADMINISTRATOR}
    assert kinds() == ["user:refused"]


def test_a_group_and_its_member(bob: User) -> None:
    erin, client = make_user("erin", [Role.APPROVER]), signed_in(bob)
    assert client.post("/admin/identity/approvalgroup/add/", {"code": "finance", "title": "Finance"}).status_code == 302
    group = ApprovalGroup.objects.get(code="finance")
    form = {"group": group.pk, "user": erin.pk, "companies": "DE01", "limit_minor": "5", "limit_currency": "EUR"}
    assert client.post("/admin/identity/approvalgroupmember/add/", form).status_code == 302
    member = ApprovalGroupMember.objects.get()
    assert client.post(f"/admin/identity/approvalgroupmember/{member.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ApprovalGroupMember.objects.exists()
    assert kinds() == ["user:group_created", "user:group_joined", "user:group_left"]


def test_an_account_is_made_and_closed_with_an_event_each(bob: User) -> None:
    client, password = signed_in(bob), "a long and unusual phrase"
    form = {"username": "erin", "email": "erin@example.com", "usable_password": "true", "password1": password, "password2": password}
    response = client.post("/admin/auth/user/add/", form)
    assert response.status_code == 302, response.content
    erin = User.objects.get(username="erin")
    change = {"username": "erin", "email": "erin@example.com", "first_name": "Erin", "last_name": ""}
    assert client.post(f"/admin/auth/user/{erin.pk}/change/", change).status_code == 302
    erin.refresh_from_db()
    assert (erin.is_active, erin.is_staff, erin.is_superuser) == (False, False, False)
    assert kinds() == ["user:created", "user:changed"]
    assert outcomes("user:changed")[0]["fields"] == ["first_name", "is_active"]
    assert client.post(f"/admin/auth/user/{erin.pk}/delete/", {"post": "yes"}).status_code == 403


def test_nobody_makes_themselves_a_superuser(bob: User) -> None:
    client = signed_in(bob)
    form = {"username": "bob", "email": "bob@example.com", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    assert client.post(f"/admin/auth/user/{bob.pk}/change/", form).status_code == 302
    bob.refresh_from_db()
    assert bob.is_superuser is False


@pytest.mark.parametrize("listing", ["agent", "credential", "grant", "historicalagent", "historicalcredential", "historicalgrant"])
def test_agents_of_another_company_are_not_listed(alice: User, bob: User, charlie: User, listing: str) -> None:
    """Charlie administers another company."""
    agent, _ = equipped_agent(alice)
    assert agent.name in signed_in(bob).get(f"/admin/identity/{listing}/").content.decode()
    assert agent.name not in signed_in(charlie).get(f"/admin/identity/{listing}/").content.decode()
