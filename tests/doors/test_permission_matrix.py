"""Every address of the installation against every kind of caller; an address without a row in the table fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import DjangoDbBlocker

from approvals.models import Policy, PolicyRow
from approvals.states import PolicyState
from audit.models import Event
from audit.retention.models import Disposal
from identity.events import IdentityEvent
from identity.models import Role
from kernel.actors import Actor
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now
from kernel.ids import Prefix, encode, new_id
from reconciliation.assurance.rule_runs import request_rule_run
from reconciliation.assurance.samples import draw_sample
from reconciliation.assurance.scope import Scope
from reconciliation.evidence.models import Bundle
from reconciliation.models import Run
from tests.builders import console, federation, identity
from tests.builders.proposals import a_key
from tests.doors.matrix import ADDED, ADMINISTERED, BY_SERVICE, CLOSED, GROUPS, Row, rows
from tests.doors.world import BUDGET, COMPANY, ORDER, READ, Reply, World, a_body, contents, page_path, settled, undone, watched

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

ROWS = list(rows())
# Answers that must leave everything as it was; a wrong method is answered before anything is looked at.
REFUSED = frozenset({"login", "400", "401", "403", "404", "409", "422"})
PAGES = ("_changelist", "_add", "_change", "_delete", "_history")
OF_AGENT = (
    "agent", "start", "history", "edit", "tokens", "renew", "activate", "suspend", "resume", "decommission", "new_key", "new_grant",
)  # fmt: skip
OF_POLICY = (
    "return_policy", "rename_policy", "renumber_policy", "new_row", "import_policy", "export_policy", "check_policy", "try_policy",
    "compare_policy", "backtest_policy",
)  # fmt: skip
PEOPLE = {
    "approver": "maria",
    "controller": "ruth",
    "agent_owner": "tomas",
    "operator": "ines",
    "auditor": "samuel",
    "administrator": "adele",
    "outsider": "charlie",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The world with something behind every address, and what the address and the body of each need."""

    world: World
    arguments: dict[str, dict[str, str]]
    bodies: dict[str, object]
    contents: dict[str, tuple[int, str]]

    def path(self, route: str) -> str:
        """Return the address of a route, with something of the sample company for each of its variables."""
        return reverse(route, kwargs=self.arguments.get(route, {}))

    def caller(self, row: Row, column: str) -> Client:
        """Return the client of this caller; the agent's has a token for just this address."""
        if column == "agent":
            tool = READ if row.route == "proposals:tool-read" else ORDER
            return Client(headers=identity.bearer(self.world.mine.token(tool)) | {"Idempotency-Key": a_key()})
        return self.world.as_(PEOPLE[column]) if column in PEOPLE else Client()

    def knock(self, row: Row, client: Client) -> Reply:
        """Return what this caller gets."""
        path = self.path(row.route)
        if row.method == "GET":
            return client.get(path)
        body: Any = self.bodies.get(row.route, {})
        if row.route.startswith("proposals:"):
            return client.post(path, to_json_text(body), content_type="application/json")
        return client.post(path, body)


@pytest.fixture(scope="module")
def scene(world: World, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    """Return the world with one order committed, one pending, a run and a break."""
    with django_db_blocker.unblock(), undone(), pytest.MonkeyPatch.context() as patch:
        # In this one transaction nothing can ever be sealed, so a bundle is refused at once instead of after five seconds.
        patch.setattr("config.views.audit.SEAL_WAIT_SECONDS", 0.0)
        made = a_scene(world)
        settled()
        yield made


def a_scene(world: World) -> Scene:
    console.decide(world.installation, "maria", console.ORDER)
    console.commit_everything()
    committed = world.installation.proposal()
    found = console.make_break(committed)
    pending = world.mine.proposed()
    assert world.as_("maria").get(page_path(pending)).status_code == 200
    receipt = world.mine.post(f"tools/{READ}/read", {"company": COMPANY, "arguments": BUDGET}, tool=READ).json()
    agent = world.other.agent
    # Entered by somebody else than those who knock: activating takes a second person.
    kubernetes, first = federation.BY_NAME["kubernetes"], identity.make_user("gregor", [Role.CONTROLLER])
    issuer = federation.trust(kubernetes, first, world.person("ruth"))
    federated = federation.federate(agent, issuer, kubernetes)
    waiting = federation.enter(federation.BY_NAME["spiffe"], first)
    in_pending, in_committed = {"proposal_id": pending.public_id}, {"proposal_id": committed.public_id}
    policy = {"policy_id": Policy.objects.get(state=PolicyState.ACTIVE).public_id}
    some_row = PolicyRow.objects.filter(policy__state=PolicyState.ACTIVE)[0]
    of_agent = {"agent_id": agent.public_id}
    of_grant = of_agent | {"grant_id": agent.grants.get(tool=ORDER).public_id}
    commit = {"commit_id": committed.commit.public_id}
    one_break = {"break_id": found.public_id}
    ruth, here = world.person("ruth"), {"companies": [COMPANY], "region": "unspecified"}
    world_bundle = Bundle.objects.create(kind="proposal", proposal=committed.public_id, requested_by=ruth, requested_at=clock_now(), **here)
    desk = the_desk(world)
    event = {"event_id": encode(Prefix.EVENT, Event.objects.filter(proposal=committed.public_id)[0].event_id)}
    return Scene(
        world,
        arguments={
            "remove_view": {"view_id": str(new_id())},
            "oauth_named_resource_metadata": {"resource": "mcp"},
            "proposals:tool": {"name": ORDER},
            "proposals:tool-read": {"name": READ},
            "proposals:read": {"read_id": receipt["read_id"]},
            "proposals:proposal": in_pending,
            "proposals:proposal-withdraw": in_pending,
            **{f"approvals:{name}": in_pending for name in ("proposal", "progress", "decide")},
            **{f"approvals:{name}": in_pending for name in ("claim", "forward", "give_back", "snooze", "wake_up")},
            **{f"approvals:{name}": in_pending for name in ("sign", "comment", "attach")},
            "approvals:attachment": in_pending | {"attachment_id": encode(Prefix.ATTACHMENT, pending.pk)},
            "approvals:as_shown": in_pending | {"digest": "0" * 64},
            "approvals:read": in_pending | {"read_id": receipt["read_id"]},
            "approvals:end_delegation": {"delegation_id": encode(Prefix.DELEGATION, pending.pk)},
            **{f"approvals:{name}": {"company": COMPANY} for name in ("calendar", "write_calendar")},
            **{f"approvals:{name}": {"bulk_id": encode(Prefix.BULK, pending.pk)} for name in ("bulk_set", "confirm_bulk", "sign_bulk")},
            "approvals:review": {"review_id": encode(Prefix.REVIEW, pending.pk)},
            **{f"approvals:{name}": policy for name in ("policy", "submit_policy", "activate_policy")},
            **{f"approvals:{name}": policy for name in OF_POLICY},
            **{f"approvals:{name}": policy | {"row_id": str(some_row.pk)} for name in ("edit_row", "move_row", "remove_row")},
            "approvals:proposal_segregation": in_pending,
            "approvals:agent_segregation": of_agent,
            **{f"identity:{name}": of_agent for name in OF_AGENT},
            "identity:sample": of_agent | {"kind": "python"},
            **{f"identity:{name}": of_grant for name in ("activate_grant", "revoke_grant")},
            "identity:revoke_key": of_agent | {"key_id": agent.credentials.get().public_id},
            "identity:new_federated": of_agent,
            "identity:revoke_federated": of_agent | {"federated_id": federated.public_id},
            **{f"identity:{name}": {"issuer_id": waiting.public_id} for name in ("activate_issuer", "suspend_issuer")},
            "identity:tool": {"name": ORDER},
            **{f"webhooks:{name}": of_agent for name in ("page", "set", "rotate", "off", "on", "test")},
            **{f"commits:{name}": commit for name in ("detail", "retry", "resolve")},
            "commits:of_proposal": in_committed,
            **{f"commits:{name}": {"name": "embedded"} for name in ("connection", "switch_fault")},
            "reconciliation:run": {"run_id": Run.objects.get().public_id},
            **{f"reconciliation:{name}": one_break for name in BREAK_DOORS},
            **{f"desk:{name}": desk["run"] for name in ("rule_run", "export_hits")},
            **{f"desk:{name}": desk["sample"] for name in ("sample", "export_sample")},
            "approvals:activate_thresholds": {"version": "1"},
            **{f"retention:{name}": {"disposal_id": a_disposal()} for name in ("list", "approve", "decline", "certificate")},
            "retention:release-hold": {"hold_id": "hold_00000000000000000000000000"},
            "audit:event": event,
            "audit:proposal": in_committed,
            "audit:bundle": in_committed,
            "evidence:progress": {"bundle_id": world_bundle.public_id},
            "evidence:download": {"bundle_id": world_bundle.public_id},
            "audit:inclusion": in_committed,
        },
        bodies={
            "theme": {"theme": "dark"},
            "save_view": {"path": "/inbox/", "query": "due=late", "title": "Late"},
            "proposals:tool-read": {"company": COMPANY, "arguments": BUDGET},
            "proposals:proposals": a_body(),
            "proposals:proposal-batch": {"items": [a_body() | {"idempotency_key": a_key()}]},
            "reconciliation:run_now": {"company": COMPANY},
        },
        contents=contents(),
    )


def a_disposal() -> str:
    """Return a list of payloads of the company that waits for two people."""
    listed = {"purpose": "expiry", "prepared_by": "1", "prepared_at": clock_now(), "listed": 1, "list_digest": "sha256:1"}
    made, _ = Disposal.objects.get_or_create(state="listed", defaults=listed | {"companies": [COMPANY]})
    return made.public_id


def the_desk(world: World) -> dict[str, dict[str, str]]:
    """Return a run of the rules and a sample, asked for by a controller."""
    ruth, now = world.person("ruth"), clock_now()
    scope = Scope(now - timedelta(days=1), now + timedelta(minutes=1), (COMPANY,))
    run = request_rule_run(scope=scope, user=ruth, actor=Actor.human(ruth.pk), now=now)
    sample = draw_sample(scope=scope, method="random", size=1, purpose="Doors", user=ruth, actor=Actor.human(ruth.pk), now=now)
    return {"run": {"run_id": run.public_id}, "sample": {"sample_id": sample.public_id}}


BREAK_DOORS = ("break", "explain", "write_off", "second", "decline", "take", "release", "recommit", "compensate")


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    """Yield the name of every address, nested and with its namespace; "" for one without a name."""
    for item in (resolver or get_resolver()).url_patterns:
        if isinstance(item, URLResolver):
            yield from routes(item, f"{prefix}{item.namespace}:" if item.namespace else prefix)
        elif isinstance(item, URLPattern):
            yield f"{prefix}{item.name}" if item.name else prefix


def test_every_address_has_its_rows() -> None:
    assert {name for name in routes() if not name.startswith(GROUPS)} == {row.route for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_caller_gets_the_answer_in_the_table(scene: Scene, row: Row) -> None:
    answers = {}
    for column, expected in row.cells.items():
        with undone():
            client = scene.caller(row, column)
            if expected not in REFUSED:
                answers[column] = answer_of(scene.knock(row, client))
                continue
            with watched(scene.contents) as traces:
                answers[column] = answer_of(scene.knock(row, client))
        assert traces.changed == [], column
        if expected == "403":
            assert traces.kinds == [IdentityEvent.USER_PERMISSION_REFUSED], column
            assert traces.outcomes() == [{"status": "refused", "code": "permission_denied"}], column
    assert answers == row.cells


def answer_of(response: Reply) -> str:
    if response.status_code == 302 and response["Location"].startswith("/accounts/login/?next="):
        return "login"
    return str(response.status_code)


def administered() -> Iterator[tuple[str, str]]:
    """Yield model and page of every page of Django's admin that belongs to a model."""
    for name in routes():
        page = name.removeprefix("admin:")
        if name.startswith("admin:") and page.endswith(PAGES) and "password" not in page:
            model, _, kind = page.rpartition("_")
            yield model, kind


def admin_path(model: str, kind: str) -> str:
    """Return the address of one page, about the first row there is."""
    if kind in {"changelist", "add"}:
        return reverse(f"admin:{model}_{kind}")
    label, _, name = model.rpartition("_")
    row = apps.get_model(label, name)._default_manager.first()
    return reverse(f"admin:{model}_{kind}", args=["1" if row is None else row.pk])


def test_admin_pages_are_those_of_the_table() -> None:
    assert {model for model, _ in administered()} == ADMINISTERED | CLOSED


def test_admin_pages_send_everybody_but_administrators_away(world: World) -> None:
    people = [Client(), *(world.as_(name) for column, name in PEOPLE.items() if column != "administrator")]
    for number, (model, kind) in enumerate(administered()):
        # Each page meets two of them, and each of them every kind of page: the door is one and the same.
        for client in (people[number % len(people)], people[(number + 3) % len(people)]):
            response = client.get(admin_path(model, kind))
            assert response.status_code == 302, (model, kind)
            assert "/login/" in response["Location"], (model, kind)


def test_administrators_open_their_pages_and_no_others(world: World) -> None:
    client = world.as_("adele")
    for model, kind in administered():
        if kind not in {"changelist", "add"}:
            continue
        allowed = ADMINISTERED if kind == "changelist" else ADDED
        assert client.get(admin_path(model, kind)).status_code == (200 if model in allowed else 403), (model, kind)


def test_administrators_change_and_delete_nothing_past_the_services(world: World) -> None:
    client = world.as_("adele")
    for model, kind in administered():
        if kind not in {"change", "delete"} or (model, kind) in BY_SERVICE:
            continue
        with watched() as traces:
            response = client.post(admin_path(model, kind), {"post": "yes", "name": "Changed"})
        assert response.status_code in {302, 403}, (model, kind)
        assert traces.changed == [], (model, kind)


def test_account_pages_ask_for_a_person_first(world: World) -> None:
    open_to_all = {
        "account_login",
        "account_signup",
        "account_inactive",
        "account_logout",
        "account_email_verification_sent",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "account_confirm_email",
        "account_confirm_login_code",
        "mfa_authenticate",
    }
    variables: dict[str, list[object]] = {
        "account_confirm_email": ["key"],
        "account_reset_password_from_key": ["a", "b"],
        "mfa_remove_webauthn": [1],
        "mfa_edit_webauthn": [1],
    }
    names = sorted({name for name in routes() if name.startswith(("account_", "mfa_"))})
    assert open_to_all <= set(names)
    for name in names:
        path = reverse(name, args=variables.get(name, []))
        stranger, person = Client().get(path), world.as_("maria").get(path)
        if name not in open_to_all:
            assert answer_of(stranger) == "login", name
        assert max(stranger.status_code, person.status_code) < 500, name
