"""Grants: within bounds, log-only first, never for a privileged tool."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from gateway.catalogue import privileged_tools
from gateway.errors import UnknownTool
from identity import services
from identity.errors import GrantExists, PrivilegedTool
from identity.models import PRIVILEGED_TOOLS, Agent, Grant
from identity.queries import active_grant, excluded_people, open_grant
from identity.services import GrantTerms
from identity.states import GrantState
from kernel.clock import now
from kernel.errors import NotVisible, PermissionRefused, StateConflict, ValidationFailed
from tests.builders.identity import actor, make_agent, make_credential, make_grant, make_key, make_user, read_terms, terms
from tests.identity.recorded import kinds, outcomes

pytestmark = pytest.mark.django_db

TOOL = "create_purchase_order"


def issue(agent: Agent, by: User, tool: str = TOOL, bounds: GrantTerms | None = None) -> Grant:
    return services.issue_grant(agent_id=agent.pk, tool=tool, terms=bounds or terms(), actor=actor(by), now=now())


def test_a_read_is_active_at_once(alice: User, agent: Agent) -> None:
    grant = issue(agent, alice, "check_budget", read_terms())
    assert (grant.state, grant.tool_kind) == (GrantState.ACTIVE, "read")


def test_a_write_begins_log_only_and_is_let_out_by_a_second_step(alice: User, bob: User, agent: Agent) -> None:
    grant = issue(agent, alice)
    assert (grant.state, grant.activated_by) == (GrantState.LOG_ONLY, None)
    services.activate_grant(grant_id=grant.pk, actor=actor(bob), now=now())
    grant.refresh_from_db()
    assert (grant.state, grant.activated_by) == (GrantState.ACTIVE, bob)
    assert [row.history_user for row in grant.history.all()] == [bob, alice]
    assert kinds()[-2:] == ["grant:issued", "grant:activated"]
    assert outcomes("grant:issued")[0]["ceiling_minor"] == 100_000_00


def test_activating_is_once(alice: User, agent: Agent) -> None:
    grant = make_grant(agent)
    before = kinds()
    with pytest.raises(StateConflict):
        services.activate_grant(grant_id=grant.pk, actor=actor(alice), now=now())
    assert kinds() == before


def test_the_catalogue_and_the_constraint_name_the_same_privileged_tools() -> None:
    assert {tool.name for tool in privileged_tools()} == set(PRIVILEGED_TOOLS)


@pytest.mark.parametrize("tool", PRIVILEGED_TOOLS)
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_nobody_grants_a_privileged_tool(alice: User, bob: User, agent: Agent, tool: str, who: str) -> None:
    before = kinds()
    with pytest.raises(PrivilegedTool) as refused:
        issue(agent, {"alice": alice, "bob": bob}[who], tool)
    assert refused.value.code == "privileged_tool"
    assert not Grant.objects.exists()
    assert kinds() == [*before, "grant:refused"]
    assert outcomes("grant:refused") == [{"status": "refused", "code": "privileged_tool"}]


INSERT = """
INSERT INTO identity_grant (id, agent_id, tool, tool_kind, risk, state, companies, vendors, accounts, cost_centres, currency,
    ceiling_minor, ceiling_day_minor, ceiling_30_days_minor, count_per_hour, valid_from, valid_until, issued_by_id, created_at)
VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, %s, '{}', '{}', '{}', 'EUR', %s, 1, 1, 1, now(), now() + interval '1 day', %s, now())
"""


@pytest.mark.parametrize(
    ("tool", "kind", "risk", "state", "companies", "ceiling"),
    [
        ("close_period", "write", "high", "log_only", ["DE01"], 1),
        ("change_vendor_bank_account", "write", "low", "log_only", ["DE01"], 1),
        ("open_period", "read", "low", "active", ["DE01"], 1),
        (TOOL, "write", "privileged", "log_only", ["DE01"], 1),
        (TOOL, "write", "high", "active", ["DE01"], 1),
        (TOOL, "write", "high", "log_only", ["DE01", "US01"], 1),
        (TOOL, "write", "high", "log_only", [], 1),
        (TOOL, "write", "high", "log_only", ["DE01"], None),
        (TOOL, "write", "high", "boundless", ["DE01"], 1),
    ],
)
def test_the_database_refuses_it_too(
    alice: User, agent: Agent, tool: str, kind: str, risk: str, state: str, companies: list[str], ceiling: int | None
) -> None:
    def insert(*values: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(INSERT, [agent.pk, *values, alice.pk])

    with pytest.raises(IntegrityError):
        insert(tool, kind, risk, state, companies, ceiling)
    insert(TOOL, "write", "high", "log_only", ["DE01"], 1)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ceiling_minor": None}, "/ceiling_minor"),
        ({"ceiling_day_minor": None}, "/ceiling_day_minor"),
        ({"ceiling_30_days_minor": None}, "/ceiling_30_days_minor"),
        ({"ceiling_minor": -1}, "/ceiling_minor"),
        ({"ceiling_day_minor": 1}, "/ceiling_day_minor"),
        ({"count_per_hour": None}, "/count_per_hour"),
        ({"count_per_hour": 0}, "/count_per_hour"),
        ({"currency": ""}, "/currency"),
        ({"currency": "euro"}, "/currency"),
        ({"companies": ()}, "/companies"),
        ({"companies": ("DE01", "US01")}, "/companies"),
        ({"valid_until": now() - timedelta(days=1)}, "/valid_until"),
        ({"valid_until": now() + timedelta(days=800)}, "/valid_until"),
        ({"valid_from": now() + timedelta(days=100)}, "/valid_until"),
    ],
)
def test_a_write_grant_without_its_bounds_is_refused(alice: User, agent: Agent, change: dict[str, Any], path: str) -> None:
    before = kinds()
    with pytest.raises(ValidationFailed) as refused:
        issue(agent, alice, TOOL, dataclasses.replace(terms(), **change))
    assert [error.path for error in refused.value.errors] == [path]
    assert not Grant.objects.exists()
    assert kinds() == before


def test_a_read_takes_no_ceiling(alice: User, agent: Agent) -> None:
    with pytest.raises(ValidationFailed):
        issue(agent, alice, "check_budget", terms())


def test_a_tool_that_is_not_in_the_catalogue(alice: User, agent: Agent) -> None:
    with pytest.raises(UnknownTool):
        issue(agent, alice, "create_purchase_ordre")
    assert not Grant.objects.exists()


def test_other_bounds_are_another_grant(alice: User, agent: Agent) -> None:
    first = make_grant(agent)
    with pytest.raises(GrantExists):
        issue(agent, alice)
    services.revoke_grant(grant_id=first.pk, actor=actor(alice), now=now())
    second = issue(agent, alice)
    assert open_grant(agent.pk, TOOL) == second
    with pytest.raises(StateConflict):
        services.revoke_grant(grant_id=first.pk, actor=actor(alice), now=now())


def test_the_active_grant_is_the_open_one_inside_its_dates(agent: Agent) -> None:
    grant = make_grant(agent, is_active=False)
    assert active_grant(agent.pk, TOOL, now()) == grant
    assert active_grant(agent.pk, TOOL, grant.valid_until) is None
    assert active_grant(agent.pk, TOOL, grant.valid_from - timedelta(seconds=1)) is None
    assert active_grant(agent.pk, "check_budget", now()) is None
    assert open_grant(agent.pk, TOOL) == grant


@pytest.mark.parametrize("step", ["issue", "activate", "revoke"])
def test_others_grant_nothing(alice: User, dora: User, charlie: User, agent: Agent, step: str) -> None:
    grant = make_grant(agent, is_active=False)
    before = kinds()
    steps = {
        "issue": lambda by: issue(agent, by, "check_budget", read_terms()),
        "activate": lambda by: services.activate_grant(grant_id=grant.pk, actor=actor(by), now=now()),
        "revoke": lambda by: services.revoke_grant(grant_id=grant.pk, actor=actor(by), now=now()),
    }
    with pytest.raises(PermissionRefused):
        steps[step](dora)
    with pytest.raises(NotVisible):
        steps[step](charlie)
    grant.refresh_from_db()
    assert grant.state == GrantState.LOG_ONLY
    assert Grant.objects.count() == 1
    assert kinds() == [*before, "grant:refused"]


def test_a_decommissioned_agent_gets_no_grant(alice: User, agent: Agent) -> None:
    services.decommission_agent(agent_id=agent.pk, actor=actor(alice), now=now())
    with pytest.raises(StateConflict):
        issue(agent, alice)
    with pytest.raises(IntegrityError, match="no grants"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT, [agent.pk, TOOL, "write", "high", "log_only", ["DE01"], 1, alice.pk])


@pytest.mark.parametrize(
    "change",
    [
        "ceiling_minor = ceiling_minor + 1",
        "ceiling_day_minor = ceiling_day_minor + 1",
        "ceiling_30_days_minor = ceiling_30_days_minor + 1",
        "count_per_hour = 100000",
        "companies = '{DE01,US01}'",
        "vendors = '{1580}'",
        "tool = 'post_journal_entry'",
        "valid_until = valid_until + interval '1 year'",
        "agent_id = gen_random_uuid()",
        "state = 'log_only', activated_by_id = NULL",
        "activated_by_id = issued_by_id + 1",
    ],
)
def test_the_database_keeps_a_grants_bounds(agent: Agent, change: str) -> None:
    make_grant(agent)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE identity_grant SET {change}")


def test_the_database_neither_deletes_nor_revives_a_grant(alice: User, agent: Agent) -> None:
    grant = make_grant(agent)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM identity_grant")
    services.revoke_grant(grant_id=grant.pk, actor=actor(alice), now=now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(state=GrantState.ACTIVE, revoked_at=None)


def test_everybody_who_had_a_hand_in_the_agent_is_excluded(alice: User, bob: User) -> None:
    sponsor, asked, editor = make_user("sponsor", ["auditor"]), make_user("asked"), make_user("editor", ["administrator"])
    agent, key = make_agent(alice, sponsor=sponsor), make_key()
    make_credential(agent, key)
    grant = services.issue_grant(agent_id=agent.pk, tool=TOOL, terms=terms(), actor=actor(bob), now=now())
    services.activate_grant(grant_id=grant.pk, actor=actor(editor), now=now())
    agent.refresh_from_db()
    grant.refresh_from_db()
    found = excluded_people(agent, asked, grant, key.thumbprint())
    assert found == [
        (alice.pk, "owner"),
        (sponsor.pk, "sponsor"),
        (asked.pk, "asked"),
        (alice.pk, "issued_credential"),
        (bob.pk, "issued_grant"),
        (editor.pk, "issued_grant"),
        (editor.pk, "last_editor"),
        (alice.pk, "last_editor"),
    ]
    assert excluded_people(agent, asked.pk, grant, key.thumbprint()) == found
    assert excluded_people(agent, None, None, "") == [found[0], found[1], found[6], found[7]]
