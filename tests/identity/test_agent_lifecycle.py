"""An agent's life: registered, active, suspended and back, decommissioned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from identity import services
from identity.errors import DutiesConflict
from identity.models import Agent, Role
from identity.queries import lock_agent, visible_agents
from identity.services import agents as agent_services
from identity.states import AgentState, GrantState
from kernel.actors import Actor, ActorKind
from kernel.clock import now
from kernel.errors import NotVisible, PermissionRefused, StateConflict, ValidationFailed
from kernel.ids import new_id
from tests.builders.identity import actor, make_agent, make_credential, make_grant, make_key, make_user
from tests.identity.recorded import actors, kinds, outcomes

pytestmark = pytest.mark.django_db

Operation = Callable[[Agent, Actor], Agent]

OPERATIONS: dict[str, Operation] = {
    "activate": lambda agent, by: services.activate_agent(agent_id=agent.pk, actor=by, now=now()),
    "suspend": lambda agent, by: services.suspend_agent(agent_id=agent.pk, actor=by, now=now(), reason="odd orders"),
    "resume": lambda agent, by: services.resume_agent(agent_id=agent.pk, actor=by, now=now()),
    "decommission": lambda agent, by: services.decommission_agent(agent_id=agent.pk, actor=by, now=now()),
    "renew": lambda agent, by: services.renew_agent(agent_id=agent.pk, expires_on=now().date() + timedelta(days=200), actor=by, now=now()),
    "edit": lambda agent, by: services.edit_agent(
        agent_id=agent.pk, purpose="Another", runtime="Elsewhere", model="m", model_version="2", actor=by, now=now()
    ),
}
# (operation, from) → to; what is not here is refused.
LEGAL = {
    ("activate", "draft"): "active",
    ("suspend", "active"): "suspended",
    ("resume", "suspended"): "active",
    ("decommission", "draft"): "decommissioned",
    ("decommission", "active"): "decommissioned",
    ("decommission", "suspended"): "decommissioned",
    **{(operation, state): state for operation in ("renew", "edit") for state in ("draft", "active", "suspended")},
}
EVENTS = {
    "activate": "agent:activated",
    "suspend": "agent:suspended",
    "resume": "agent:resumed",
    "decommission": "agent:decommissioned",
    "renew": "agent:renewed",
    "edit": "agent:edited",
}


def in_state(owner: User, state: str) -> Agent:
    agent = make_agent(owner, is_active=state != "draft")
    if state == "suspended":
        OPERATIONS["suspend"](agent, actor(owner))
    if state == "decommissioned":
        OPERATIONS["decommission"](agent, actor(owner))
    return Agent.objects.get(pk=agent.pk)


def register(owner: User, by: User, **changes: object) -> Agent:
    arguments: dict[str, object] = {
        "name": "Closing agent",
        "purpose": "Prepares accruals.",
        "runtime": "A test",
        "owner_id": owner.pk,
        "sponsor_id": changes.pop("sponsor_id", None) or make_user("sponsor", [Role.CONTROLLER]).pk,
        "companies": ["DE01"],
        "model": "None",
        "expires_on": now().date() + timedelta(days=30),
        "actor": actor(by),
        "now": now(),
    }
    return services.register_agent(**(arguments | changes))  # type: ignore[arg-type]


def test_registering_makes_a_draft_with_history_and_one_event(alice: User) -> None:
    agent = register(alice, alice)
    assert agent.state == AgentState.DRAFT
    assert [(row.history_type, row.history_user) for row in agent.history.all()] == [("+", alice)]
    assert kinds() == ["agent:registered"]
    assert outcomes("agent:registered")[0]["owner"] == str(alice.pk)


def test_an_administrator_registers_for_an_owner(alice: User, bob: User) -> None:
    agent = register(alice, bob)
    assert (agent.owner, agent.created_by) == (alice, bob)


def test_nobody_registers_for_somebody_else(alice: User, dora: User) -> None:
    with pytest.raises(PermissionRefused):
        register(alice, dora)
    assert not Agent.objects.exists()
    assert kinds() == ["agent:refused"]
    assert actors("agent:refused") == [("human", str(dora.pk))]


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.AGENT_OWNER, Role.ADMINISTRATOR}])
def test_other_roles_register_nothing(role: Role) -> None:
    somebody = make_user("somebody", [role])
    with pytest.raises(PermissionRefused):
        register(somebody, somebody)
    assert not Agent.objects.exists()
    assert kinds() == ["agent:refused"]


def test_owner_and_sponsor_are_two_people(alice: User) -> None:
    with pytest.raises(DutiesConflict):
        register(alice, alice, sponsor_id=alice.pk)
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"companies": []}, "/companies"),
        ({"companies": ["DE01", "FR01"]}, "/companies"),
        ({"name": "  "}, "/name"),
        ({"name": "x" * 81}, "/name"),
        ({"expires_on": now().date()}, "/expires_on"),
        ({"expires_on": now().date() + timedelta(days=400)}, "/expires_on"),
        ({"owner_id": 0}, "/owner"),
        ({"sponsor_id": -1}, "/sponsor"),
    ],
)
def test_a_bad_registration_names_its_field(alice: User, changes: dict[str, object], path: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        register(alice, alice, **changes)
    assert [error.path for error in refused.value.errors] == [path]
    assert refused.value.errors[0].acceptable
    assert not Agent.objects.exists()
    assert kinds() == []


@pytest.mark.parametrize("state", AgentState.values)
@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_every_operation_from_every_state(alice: User, operation: str, state: str) -> None:
    agent = in_state(alice, state)
    before = kinds()
    rows = agent.history.count()
    expected = LEGAL.get((operation, state))
    if expected is None:
        with pytest.raises(StateConflict):
            OPERATIONS[operation](agent, actor(alice))
        assert Agent.objects.get(pk=agent.pk).state == state
        assert kinds() == before
        assert agent.history.count() == rows
        return
    OPERATIONS[operation](agent, actor(alice))
    assert Agent.objects.get(pk=agent.pk).state == expected
    assert kinds() == [*before, EVENTS[operation]]
    latest = agent.history.first()
    assert latest is not None
    assert (agent.history.count(), latest.history_user, latest.state) == (rows + 1, alice, expected)


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_the_outsider_learns_nothing(alice: User, charlie: User, operation: str) -> None:
    agent = make_agent(alice)
    before = kinds()
    with pytest.raises(NotVisible):
        OPERATIONS[operation](agent, actor(charlie))
    assert not visible_agents(charlie).exists()
    assert Agent.objects.get(pk=agent.pk).state == AgentState.ACTIVE
    assert kinds() == before


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_a_colleague_sees_the_agent_but_does_not_manage_it(alice: User, dora: User, operation: str) -> None:
    agent = make_agent(alice)
    before = kinds()
    with pytest.raises(PermissionRefused):
        OPERATIONS[operation](agent, actor(dora))
    assert visible_agents(dora).get() == agent
    assert Agent.objects.get(pk=agent.pk).state == AgentState.ACTIVE
    assert kinds() == [*before, "agent:refused"]


@pytest.mark.parametrize("nobody", [Actor.system("worker"), Actor(ActorKind.AGENT, "agent_x"), Actor.human(0), Actor(ActorKind.HUMAN, "x")])
def test_only_people_manage_agents(agent: Agent, nobody: Actor) -> None:
    with pytest.raises(PermissionRefused):
        OPERATIONS["suspend"](agent, nobody)
    assert Agent.objects.get(pk=agent.pk).state == AgentState.ACTIVE


def test_an_administrator_of_all_its_companies_manages_it(agent: Agent, bob: User) -> None:
    assert OPERATIONS["suspend"](agent, actor(bob)).state == AgentState.SUSPENDED
    assert Agent.objects.get(pk=agent.pk).last_edited_by == bob


def test_an_administrator_of_some_of_its_companies_does_not(bob: User) -> None:
    owner = make_user("owner", [Role.AGENT_OWNER], ["DE01", "US01"])
    agent = make_agent(owner, companies=["DE01", "US01"])
    with pytest.raises(PermissionRefused):
        OPERATIONS["suspend"](agent, actor(bob))


def test_decommissioning_leaves_no_live_key_or_grant(alice: User, agent: Agent) -> None:
    credential, grant = make_credential(agent, make_key()), make_grant(agent)
    read = make_grant(agent, "check_budget")
    OPERATIONS["decommission"](agent, actor(alice))
    for row in (credential, grant, read):
        row.refresh_from_db()
        assert row.revoked_at is not None
        assert row.history.count() >= 2
    assert (grant.state, read.state) == (GrantState.REVOKED, GrantState.REVOKED)
    told = outcomes("agent:decommissioned")[0]
    assert told["credentials"] == [credential.public_id]
    assert set(told["grants"]) == {grant.public_id, read.public_id}  # type: ignore[call-overload]


@pytest.mark.parametrize(("operation", "name"), [("suspend", "agent_suspended"), ("decommission", "agent_decommissioned")])
def test_later_stages_are_woken(monkeypatch: pytest.MonkeyPatch, alice: User, agent: Agent, operation: str, name: str) -> None:
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(agent_services, "wake", lambda *words: said.append(words))
    OPERATIONS[operation](agent, actor(alice))
    assert said == [(name, str(agent.pk))]
    with pytest.raises(StateConflict):
        OPERATIONS[operation](agent, actor(alice))
    assert len(said) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE identity_agent SET companies = '{DE01,US01}'",
        "UPDATE identity_agent SET owner_id = sponsor_id",
        "UPDATE identity_agent SET name = 'Somebody else'",
        "UPDATE identity_agent SET id = gen_random_uuid()",
        "UPDATE identity_agent SET state = 'draft'",
        "DELETE FROM identity_agent",
    ],
)
def test_the_database_keeps_what_was_registered(agent: Agent, statement: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Agent.objects.get(pk=agent.pk) == agent


def test_the_database_brings_nobody_back(alice: User, agent: Agent) -> None:
    OPERATIONS["decommission"](agent, actor(alice))
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE identity_agent SET state = 'active', decommissioned_at = NULL")


def test_locking_an_agent_that_is_not_there(agent: Agent) -> None:
    with transaction.atomic():
        assert lock_agent(agent.pk) == agent
        with pytest.raises(NotVisible):
            lock_agent(new_id())


@pytest.mark.django_db(transaction=True)
def test_two_suspensions_at_once_are_one(alice: User) -> None:
    agent = make_agent(alice)
    start, results = threading.Barrier(2), []

    def suspend() -> None:
        start.wait()
        try:
            results.append(OPERATIONS["suspend"](agent, actor(alice)).state)
        except StateConflict as error:
            results.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=suspend) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["state_conflict", "suspended"]
    assert kinds().count("agent:suspended") == 1
