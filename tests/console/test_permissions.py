"""Which permission each page of the console asks for, and what an outsider finds; tests/doors tries every address for every role."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from approvals.models import Policy
from identity.models import Agent, Role
from identity.permissions import Permission
from identity.preferences.models import SavedView
from tests.builders.console import Installation
from tests.builders.identity import make_user

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "ledger"])

CONSOLE = ("approvals", "identity", "webhooks", "commits", "reconciliation", "audit", "evidence", "desk")
P = Permission
# Address → permission. A new address without a row fails the test below.
DOORS: dict[str, Permission] = {
    "approvals:inbox": P.PROPOSAL_READ,
    "approvals:proposals": P.PROPOSAL_READ,
    "approvals:proposal": P.PROPOSAL_READ,
    "approvals:progress": P.PROPOSAL_READ,
    "approvals:decide": P.PROPOSAL_DECIDE,
    "approvals:sign": P.PROPOSAL_DECIDE,
    "approvals:comment": P.PROPOSAL_COMMENT,
    "approvals:attach": P.PROPOSAL_COMMENT,
    "approvals:attachment": P.PROPOSAL_READ,
    "approvals:as_shown": P.PROPOSAL_READ,
    "approvals:second_factor": P.PROPOSAL_READ,
    "approvals:policies": P.POLICY_READ,
    "approvals:policy": P.POLICY_READ,
    "approvals:submit_policy": P.POLICY_EDIT,
    "approvals:activate_policy": P.POLICY_ACTIVATE,
    "approvals:claim": P.PROPOSAL_DECIDE,
    "approvals:forward": P.PROPOSAL_DECIDE,
    "approvals:give_back": P.PROPOSAL_DECIDE,
    "approvals:snooze": P.PROPOSAL_DECIDE,
    "approvals:wake_up": P.PROPOSAL_DECIDE,
    "approvals:read": P.PROPOSAL_READ,
    "approvals:delegations": P.PROPOSAL_DECIDE,
    "approvals:end_delegation": P.PROPOSAL_DECIDE,
    "approvals:calendars": P.POLICY_READ,
    "approvals:calendar": P.POLICY_READ,
    "approvals:write_calendar": P.POLICY_EDIT,
    "approvals:notifications": P.PROPOSAL_DECIDE,
    "approvals:mails": P.COMMIT_OPERATE,
    "approvals:bulk": P.PROPOSAL_DECIDE,
    "approvals:bulk_set": P.PROPOSAL_DECIDE,
    "approvals:confirm_bulk": P.PROPOSAL_DECIDE,
    "approvals:sign_bulk": P.PROPOSAL_DECIDE,
    "approvals:reviews": P.PROPOSAL_DECIDE,
    "approvals:review": P.PROPOSAL_DECIDE,
    "approvals:oversight": P.OVERSIGHT_READ,
    "approvals:thresholds": P.POLICY_READ,
    "approvals:propose_thresholds": P.POLICY_EDIT,
    "approvals:activate_thresholds": P.POLICY_ACTIVATE,
    "approvals:new_policy": P.POLICY_EDIT,
    "approvals:in_flight": P.POLICY_READ,
    "approvals:currencies": P.POLICY_READ,
    "approvals:record_currency": P.POLICY_EDIT,
    "approvals:return_policy": P.POLICY_EDIT,
    "approvals:rename_policy": P.POLICY_EDIT,
    "approvals:renumber_policy": P.POLICY_EDIT,
    "approvals:new_row": P.POLICY_EDIT,
    "approvals:edit_row": P.POLICY_EDIT,
    "approvals:remove_row": P.POLICY_EDIT,
    "approvals:move_row": P.POLICY_EDIT,
    "approvals:import_policy": P.POLICY_EDIT,
    "approvals:export_policy": P.POLICY_READ,
    "approvals:check_policy": P.POLICY_READ,
    "approvals:try_policy": P.POLICY_READ,
    "approvals:compare_policy": P.POLICY_READ,
    "approvals:backtest_policy": P.POLICY_READ,
    "approvals:proposal_segregation": P.PROPOSAL_READ,
    "approvals:agent_segregation": P.AGENT_READ,
    "webhooks:page": P.AGENT_READ,
    **{f"webhooks:{name}": P.AGENT_MANAGE for name in ("set", "rotate", "off", "on", "test")},
    "identity:agents": P.AGENT_READ,
    "identity:agent": P.AGENT_READ,
    "identity:new_agent": P.AGENT_MANAGE,
    "identity:start": P.AGENT_MANAGE,
    "identity:sample": P.AGENT_MANAGE,
    "identity:history": P.AGENT_READ,
    "identity:edit": P.AGENT_MANAGE,
    "identity:tokens": P.AGENT_MANAGE,
    "identity:renew": P.AGENT_MANAGE,
    "identity:decommission": P.AGENT_MANAGE,
    "identity:new_key": P.AGENT_MANAGE,
    "identity:new_grant": P.AGENT_MANAGE,
    "identity:activate": P.AGENT_MANAGE,
    "identity:suspend": P.AGENT_MANAGE,
    "identity:resume": P.AGENT_MANAGE,
    "identity:activate_grant": P.AGENT_MANAGE,
    "identity:revoke_grant": P.AGENT_MANAGE,
    "identity:revoke_key": P.AGENT_MANAGE,
    "identity:new_federated": P.AGENT_MANAGE,
    "identity:revoke_federated": P.AGENT_MANAGE,
    "identity:issuers": P.AGENT_READ,
    "identity:new_issuer": P.ISSUER_TRUST,
    "identity:activate_issuer": P.ISSUER_TRUST,
    "identity:suspend_issuer": P.ISSUER_TRUST,
    "identity:tools": P.TOOL_READ,
    "identity:tool": P.TOOL_READ,
    "commits:list": P.COMMIT_READ,
    "commits:of_proposal": P.COMMIT_READ,
    "commits:detail": P.COMMIT_READ,
    "commits:retry": P.COMMIT_OPERATE,
    "commits:resolve": P.COMMIT_OPERATE,
    "commits:connections": P.COMMIT_READ,
    "commits:connection": P.COMMIT_READ,
    "commits:switch_fault": P.COMMIT_OPERATE,
    "reconciliation:runs": P.RECONCILIATION_READ,
    "reconciliation:run": P.RECONCILIATION_READ,
    "reconciliation:run_now": P.RECONCILIATION_RUN,
    "reconciliation:breaks": P.RECONCILIATION_READ,
    "reconciliation:break": P.RECONCILIATION_READ,
    "reconciliation:explain": P.RECONCILIATION_RESOLVE,
    "reconciliation:write_off": P.RECONCILIATION_RESOLVE,
    "reconciliation:compensate": P.RECONCILIATION_RESOLVE,
    "reconciliation:second": P.RECONCILIATION_RESOLVE,
    "reconciliation:decline": P.RECONCILIATION_RESOLVE,
    "reconciliation:recommit": P.RECONCILIATION_RESOLVE,
    "reconciliation:take": P.RECONCILIATION_RESOLVE,
    "reconciliation:release": P.RECONCILIATION_RESOLVE,
    "reconciliation:export": P.RECONCILIATION_READ,
    "audit:log": P.AUDIT_READ,
    "audit:event": P.AUDIT_READ,
    "audit:proposal": P.AUDIT_READ,
    "audit:bundle": P.EVIDENCE_EXPORT,
    "evidence:progress": P.EVIDENCE_EXPORT,
    "evidence:bundles": P.EVIDENCE_EXPORT,
    "evidence:request_period": P.EVIDENCE_EXPORT,
    "evidence:download": P.EVIDENCE_EXPORT,
    "audit:inclusion": P.EVIDENCE_EXPORT,
    "desk:home": P.AUDIT_READ,
    "desk:search": P.AUDIT_READ,
    "desk:tie_out": P.AUDIT_READ,
    "desk:controls": P.AUDIT_READ,
    "desk:export_controls": P.EVIDENCE_EXPORT,
    "desk:access": P.AUDIT_READ,
    "desk:rule_runs": P.AUDIT_READ,
    "desk:run_rules": P.EVIDENCE_EXPORT,
    "desk:rule_run": P.AUDIT_READ,
    "desk:export_hits": P.EVIDENCE_EXPORT,
    "desk:samples": P.AUDIT_READ,
    "desk:draw": P.EVIDENCE_EXPORT,
    "desk:sample": P.AUDIT_READ,
    "desk:export_sample": P.EVIDENCE_EXPORT,
}
# What each person's day begins with, and what comes first in their navigation.
HOMES = {
    "maria": ("wait for you", "Work"),
    "ruth": ("is active", "Control"),
    "tomas": ("agents of yours are suspended", "Control"),
    "ines": ("commits with an unknown outcome", "Operate"),
    "samuel": ("chain", "Audit"),
    "adele": ("people without a role", "Administer"),
}


def console_patterns() -> Iterator[tuple[str, URLPattern]]:
    """Yield name and pattern of every page of the console."""

    def walk(resolver: URLResolver, namespace: str) -> Iterator[tuple[str, URLPattern]]:
        for item in resolver.url_patterns:
            if isinstance(item, URLResolver):
                yield from walk(item, item.namespace or namespace)
            elif namespace in CONSOLE:
                yield f"{namespace}:{item.name}", item

    yield from walk(get_resolver(), "")


def test_every_page_has_a_row_and_asks_for_its_permission() -> None:
    assert {name for name, _ in console_patterns()} == set(DOORS)
    for name, pattern in console_patterns():
        view: Any = pattern.callback
        while view is not None and not hasattr(view, "required_permission"):
            view = getattr(view, "__wrapped__", None)
        assert view is not None, f"{name} asks for no permission"
        assert view.required_permission == DOORS[name], name


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


def test_each_role_begins_with_what_needs_it(installation: Installation) -> None:
    for person, (words, group) in HOMES.items():
        body = installation.client(person).get("/").content.decode()
        assert words in body, person
        assert re.findall(r'<h2 id="navigation-\d+">([^<]+)</h2>', body)[0] == group, person


def test_somebody_without_a_role_reads_what_to_do() -> None:
    nobody = make_user("nobody")
    client = Client()
    client.force_login(nobody, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/")
    assert answer.status_code == 403
    assert "An administrator gives roles" in answer.content.decode()


def test_a_view_is_kept_for_its_person_alone(installation: Installation) -> None:
    maria, jonas = installation.client("maria"), installation.client("jonas")
    kept = {"path": "/inbox/", "query": "view=mine&due=late&q=&page=3", "title": "  Late   ones "}
    assert maria.post("/views/save/", kept)["Location"] == "/inbox/?view=mine&due=late"
    (view,) = SavedView.objects.all()
    assert (view.user.username, view.title) == ("maria", "Late ones")
    assert "Late ones" in maria.get("/inbox/").content.decode()
    assert "Late ones" not in maria.get("/proposals/").content.decode()
    assert "Late ones" not in jonas.get("/inbox/").content.decode()
    jonas.post(f"/views/{view.pk}/remove/")
    assert SavedView.objects.count() == 1
    maria.post("/views/save/", kept | {"query": "due=today"})
    assert [one.query for one in SavedView.objects.all()] == ["due=today"]
    maria.post(f"/views/{view.pk}/remove/", {"next": "https://elsewhere.example/"})
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"), [("title", ""), ("title", "x" * 41), ("path", "//elsewhere.example/"), ("query", f"q={'x' * 600}")]
)
def test_a_view_that_cannot_be_kept(installation: Installation, field: str, value: str) -> None:
    client = installation.client("maria")
    sent = {"path": "/inbox/", "query": "due=late", "title": "Late"} | {field: value}
    assert client.post("/views/save/", sent)["Location"].startswith("/")
    assert SavedView.objects.filter(path="//elsewhere.example/").count() == 0
    assert SavedView.objects.count() == (1 if field == "path" else 0)


def test_the_palette_finds_pages_ids_and_words(installation: Installation) -> None:
    client, proposal = installation.client("maria"), installation.proposal()
    fragment = client.get("/search/", {"q": "hub"}, headers={"HX-Request": "true", "HX-Target": "palette-results"}).content.decode()
    assert proposal.headline in fragment
    assert "<html" not in fragment
    assert f"/proposals/{proposal.public_id}/" in client.get("/search/", {"q": proposal.public_id}).content.decode()
    assert "/audit/" not in client.get("/search/").content.decode()
    assert "Nothing is called" in client.get("/search/", {"q": "zzzz"}).content.decode()
    charlie = Client()
    charlie.force_login(make_user("charlie", list(Role), ["FR01"]), backend="django.contrib.auth.backends.ModelBackend")
    assert proposal.headline not in charlie.get("/search/", {"q": "hub"}).content.decode()


def test_shortcuts_can_be_switched_off(installation: Installation) -> None:
    client = installation.client("maria")
    assert "data-shortcuts" not in client.get("/inbox/").content.decode()
    client.post("/shortcuts/", {"shortcuts": "off"})
    assert 'data-shortcuts="off"' in client.get("/inbox/").content.decode()
    client.post("/shortcuts/", {"shortcuts": "on"})
    assert "data-shortcuts" not in client.get("/inbox/").content.decode()


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


def test_the_inbox_stays_within_seventeen_statements(installation: Installation, django_assert_max_num_queries: Any) -> None:
    client = installation.client("maria")
    client.get("/inbox/")
    with django_assert_max_num_queries(17):
        assert client.get("/inbox/").content.count(b"data-row") == 7


def test_the_proposal_page_asks_one_statement_per_panel(installation: Installation) -> None:
    client, address = installation.client("maria"), f"/proposals/{installation.proposal().public_id}/"
    client.get(address)
    with CaptureQueriesContext(connections["default"]) as own, CaptureQueriesContext(connections["ledger"]) as erp:
        body = client.get(address).content.decode()
    assert 'name="kind"' in body
    # 29 of the gate and 4 of the ledger, one for each kind of fact: neither people nor rows ask for more.
    assert len(own) + len(erp) <= 33, "\n".join(query["sql"][:200] for query in own.captured_queries)
    tables = Counter(re.findall(r'FROM "(\w+)" WHERE', " ".join(query["sql"] for query in own.captured_queries)))
    assert tables["auth_user"] <= 2
