"""Events that name no company: only whoever may know of the agent or the person they are about reads them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from audit.models import Event
from audit.records import Subject
from audit.services import record_denial
from identity import services
from identity.events import IdentityEvent
from identity.models import Role, RoleAssignment
from kernel.actors import Actor
from kernel.clock import now
from kernel.errors import PermissionRefused
from kernel.ids import Prefix, encode
from tests.builders.identity import actor, make_agent, make_credential, make_grant, make_key, make_user

pytestmark = pytest.mark.django_db

HIDDEN = "An event of another company"


@pytest.fixture(autouse=True)
def _unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the looks of these readers themselves out of the log they read."""
    monkeypatch.setattr("config.views.audit.looked", lambda _, response, *__, **___: response)


@pytest.fixture
def alice() -> User:
    return make_user("alice", [Role.AGENT_OWNER])


@pytest.fixture
def auditor() -> User:
    return make_user("samuel", [Role.AUDITOR])


@pytest.fixture
def stranger() -> User:
    """Return an auditor of another company, who owns nothing."""
    return make_user("charlie", [Role.AUDITOR], ["FR01"])


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def readable(user: User) -> tuple[list[str], int]:
    """Return the kinds of the events that the person reads in the log, oldest first, and how many lines are hidden from them."""
    client = signed_in(user)
    page = client.get("/audit/").content.decode()
    linked = re.findall(r"/audit/events/(evt_[0-9a-z]+)/", page)
    opened = {identifier: client.get(f"/audit/events/{identifier}/").status_code for identifier in linked}
    assert set(opened.values()) <= {200}
    hidden = [
        encode(Prefix.EVENT, key) for key in Event.objects.values_list("event_id", flat=True) if encode(Prefix.EVENT, key) not in opened
    ]
    assert all(client.get(f"/audit/events/{identifier}/").status_code == 404 for identifier in hidden)
    kinds = {encode(Prefix.EVENT, key): kind for key, kind in Event.objects.values_list("event_id", "kind")}
    return [kinds[identifier] for identifier in reversed(list(dict.fromkeys(linked)))], page.count(HIDDEN)


def test_events_about_an_agent_are_for_those_who_may_know_of_it(alice: User, auditor: User, stranger: User) -> None:
    agent = make_agent(alice)
    credential = make_credential(agent, make_key())
    grant = make_grant(agent, "check_budget")
    dora = make_user("dora", [Role.AGENT_OWNER])
    for refused in (
        lambda: services.revoke_grant(grant_id=grant.pk, actor=actor(dora), now=now()),
        lambda: services.revoke_credential(credential_id=credential.pk, actor=actor(dora), now=now()),
    ):
        with pytest.raises(PermissionRefused):
            refused()
    everything = ["agent:registered", "agent:activated", "credential:registered", "grant:issued", "grant:refused", "credential:refused"]
    assert readable(auditor) == (everything, 0)
    assert readable(stranger) == ([], len(everything))
    body = signed_in(stranger).get("/audit/").content.decode()
    assert agent.name not in body
    assert agent.public_id not in body


def test_a_role_elsewhere_gives_no_right_to_read(alice: User, stranger: User) -> None:
    """Charlie may know of the agent as an operator there, and reads the log of FR01 only."""
    make_agent(alice)
    RoleAssignment.objects.create(user=stranger, role=Role.OPERATOR, companies=["DE01"], created_at=now())
    assert readable(stranger)[0] == []


def test_events_about_a_person_are_for_where_they_work_or_worked(auditor: User, stranger: User) -> None:
    administrator = make_user("adele", [Role.ADMINISTRATOR])
    person = make_user("dora")
    given = {"user_id": person.pk, "role": Role.APPROVER, "actor": actor(administrator), "now": now()}
    services.assign_role(**given, companies=["DE01"])  # type: ignore[arg-type]
    assert readable(auditor) == (["user:role_assigned"], 0)
    assert readable(stranger) == ([], 1)
    services.revoke_role(**given)  # type: ignore[arg-type]
    assert readable(auditor) == (["user:role_assigned", "user:role_revoked"], 0)
    assert readable(stranger) == ([], 2)


def test_what_is_about_nobody_is_for_every_auditor(auditor: User, stranger: User) -> None:
    subjects = [Subject("agent", "unknown"), Subject("user", str(stranger.pk)), Subject("user", "not-a-key")]
    for number, subject in enumerate(subjects):
        at = now() + timedelta(milliseconds=number)
        error = PermissionRefused(detail="No.")
        record_denial(kind=IdentityEvent.USER_PERMISSION_REFUSED, actor=Actor.system("test"), subject=subject, now=at, error=error)
    assert readable(stranger)[1] == 1
    assert len(readable(stranger)[0]) == 2
    assert len(readable(auditor)[0]) == 1
