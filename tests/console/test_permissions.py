"""Who may open which door of the console: every address has a row here, and each denial is recorded once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from approvals.models import Decision, Policy
from audit.models import Event
from identity.models import Agent, Role
from identity.permissions import ROLE_PERMISSIONS, Permission
from tests.builders.console import Installation
from tests.builders.identity import make_user

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "ledger"])

CONSOLE = ("approvals", "identity", "commits", "reconciliation", "audit")
P = Permission
# Address → method and permission. A new address without a row fails the test below.
DOORS: dict[str, tuple[str, Permission]] = {
    "approvals:inbox": ("get", P.PROPOSAL_READ),
    "approvals:proposals": ("get", P.PROPOSAL_READ),
    "approvals:proposal": ("get", P.PROPOSAL_READ),
    "approvals:progress": ("get", P.PROPOSAL_READ),
    "approvals:decide": ("post", P.PROPOSAL_DECIDE),
    "approvals:policies": ("get", P.POLICY_READ),
    "approvals:policy": ("get", P.POLICY_READ),
    "approvals:submit_policy": ("post", P.POLICY_EDIT),
    "approvals:activate_policy": ("post", P.POLICY_ACTIVATE),
    "identity:agents": ("get", P.AGENT_READ),
    "identity:agent": ("get", P.AGENT_READ),
    "identity:activate": ("post", P.AGENT_MANAGE),
    "identity:suspend": ("post", P.AGENT_MANAGE),
    "identity:resume": ("post", P.AGENT_MANAGE),
    "identity:activate_grant": ("post", P.AGENT_MANAGE),
    "identity:revoke_grant": ("post", P.AGENT_MANAGE),
    "identity:revoke_key": ("post", P.AGENT_MANAGE),
    "identity:tools": ("get", P.TOOL_READ),
    "identity:tool": ("get", P.TOOL_READ),
    "commits:list": ("get", P.COMMIT_READ),
    "commits:of_proposal": ("get", P.COMMIT_READ),
    "commits:detail": ("get", P.COMMIT_READ),
    "commits:retry": ("post", P.COMMIT_OPERATE),
    "commits:resolve": ("post", P.COMMIT_OPERATE),
    "reconciliation:runs": ("get", P.RECONCILIATION_READ),
    "reconciliation:run": ("get", P.RECONCILIATION_READ),
    "reconciliation:run_now": ("post", P.RECONCILIATION_RUN),
    "reconciliation:breaks": ("get", P.RECONCILIATION_READ),
    "reconciliation:break": ("get", P.RECONCILIATION_READ),
    "reconciliation:explain": ("post", P.RECONCILIATION_RESOLVE),
    "reconciliation:write_off": ("post", P.RECONCILIATION_RESOLVE),
    "reconciliation:compensate": ("post", P.RECONCILIATION_RESOLVE),
    "audit:log": ("get", P.AUDIT_READ),
    "audit:event": ("get", P.AUDIT_READ),
    "audit:proposal": ("get", P.AUDIT_READ),
    "audit:bundle": ("post", P.EVIDENCE_EXPORT),
}
PEOPLE = {
    Role.APPROVER: "maria",
    Role.CONTROLLER: "petra",
    Role.AGENT_OWNER: "tomas",
    Role.OPERATOR: "ines",
    Role.AUDITOR: "samuel",
    Role.ADMINISTRATOR: "adele",
}
HOMES = {
    "maria": "/inbox/",
    "petra": "/policies/",
    "tomas": "/agents/",
    "ines": "/commits/",
    "samuel": "/audit/",
    "adele": "/agents/",
}


def console_patterns() -> Iterator[tuple[str, URLPattern, str]]:
    """Yield name, pattern and address of every page of the console, with something harmless for each variable."""

    def walk(resolver: URLResolver, namespace: str, prefix: str) -> Iterator[tuple[str, URLPattern, str]]:
        for item in resolver.url_patterns:
            if isinstance(item, URLResolver):
                yield from walk(item, item.namespace or namespace, prefix + str(item.pattern))
            elif namespace in CONSOLE:
                yield f"{namespace}:{item.name}", item, prefix + str(item.pattern)

    yield from walk(get_resolver(), "", "/")


def test_every_page_has_a_row_and_asks_for_its_permission() -> None:
    assert {name for name, _, _ in console_patterns()} == set(DOORS)
    for name, pattern, _ in console_patterns():
        view: Any = pattern.callback
        while view is not None and not hasattr(view, "required_permission"):
            view = getattr(view, "__wrapped__", None)
        assert view is not None, f"{name} asks for no permission"
        assert view.required_permission == DOORS[name][1], name


def address(template: str) -> str:
    """Return the address with a value that exists nowhere for each variable."""
    parts = [part if not part.startswith("<") else "nothing_like_this" for part in template.strip("/").split("/")]
    return "/" + "/".join(parts) + "/" if parts != [""] else "/"


def test_each_role_opens_exactly_its_doors(installation: Installation) -> None:
    for role, person in PEOPLE.items():
        client = installation.client(person)
        for name, _, template in console_patterns():
            method, permission = DOORS[name]
            before = Event.objects.filter(kind="user:permission_refused").count()
            answer = getattr(client, method)(address(template))
            recorded = Event.objects.filter(kind="user:permission_refused").count() - before
            if permission in ROLE_PERMISSIONS[role]:
                assert answer.status_code != 403, (role, name)
                assert recorded == 0, (role, name)
            else:
                assert answer.status_code == 403, (role, name)
                assert recorded == 1, (role, name)
    assert not Decision.objects.exists()


def test_nobody_enters_without_signing_in(installation: Installation) -> None:
    for name, _, template in console_patterns():
        answer = getattr(Client(), DOORS[name][0])(address(template))
        assert answer.status_code == 302, name
        assert answer["Location"].startswith("/accounts/login/"), name


def test_an_outsider_sees_nothing(installation: Installation) -> None:
    """Charlie has every role, in another company."""
    charlie = make_user("charlie", list(Role), ["FR01"])
    client = Client()
    client.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    proposal, agent = installation.proposal(), Agent.objects.get(name="Purchasing agent")
    for path in (
        f"/proposals/{proposal.public_id}/",
        f"/proposals/{proposal.public_id}/progress/",
        f"/agents/{agent.public_id}/",
        f"/commits/of/{proposal.public_id}/",
        f"/audit/proposals/{proposal.public_id}/",
    ):
        assert client.get(path).status_code == 404, path
    for path in ("/inbox/", "/inbox/?view=group", "/proposals/", "/agents/", "/commits/", "/audit/"):
        body = client.get(path).content.decode()
        assert proposal.public_id not in body, path
        assert proposal.headline not in body, path
        assert agent.name not in body, path


def test_each_role_begins_at_its_own_page(installation: Installation) -> None:
    for person, home in HOMES.items():
        assert installation.client(person).get("/")["Location"] == home


def test_somebody_without_a_role_reads_what_to_do() -> None:
    nobody = make_user("nobody")
    client = Client()
    client.force_login(nobody, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/")
    assert answer.status_code == 403
    assert "An administrator gives roles" in answer.content.decode()


def test_the_theme_leads_back_to_this_installation_only(installation: Installation) -> None:
    client = installation.client("maria")
    assert client.post("/theme/", {"theme": "dark", "next": "/policies/"})["Location"] == "/policies/"
    answer = client.post("/theme/", {"theme": "loud", "next": "//elsewhere.example/"})
    assert answer["Location"] == "/"
    assert answer.cookies["countersign_theme"].value == ""
    assert client.get("/theme/").status_code == 405


def test_a_policy_page_shows_every_row(installation: Installation) -> None:
    policy = Policy.objects.get()
    body = installation.client("petra").get(f"/policies/{policy.public_id}/").content.decode()
    for row in policy.rows.all():
        assert row.title in body


def test_the_inbox_costs_the_same_however_many_wait(installation: Installation, django_assert_max_num_queries: Any) -> None:
    client = installation.client("maria")
    client.get("/inbox/")
    with django_assert_max_num_queries(40):
        assert client.get("/inbox/").content.count(b"data-row") == 7
