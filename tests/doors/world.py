"""One populated installation behind its real doors: the sample data over real books, and a cast for every kind of attempt.

It is made once for the whole directory, inside a transaction that is taken back at the end; each attempt is undone by itself.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.db.models import Model
from django.test import Client
from joserfc.jwk import ECKey

from approvals.models import Decision
from audit.models import Event
from identity.models import Agent, ApprovalGroup, Role
from kernel.canonical import parse_json, to_json_text
from kernel.ids import Prefix, decode
from ledger.sample import SECOND_COMPANY
from proposals.models import Proposal
from tests.builders import console, gateway, identity
from tests.builders.console import Installation
from tests.builders.proposals import a_key
from tests.builders.snapshot import written_by

COMPANY = "DE01"
ALIASES = ("default", "ledger")
ORDER = "create_purchase_order"
ENTRY = "post_journal_entry"
READ = "check_budget"
BUDGET = {"cost_centre": "4010", "year": 2026}
# What an attempt may leave although it was refused: its record, and the session it was made in.
NOT_DOMAIN = frozenset({"audit", "sessions", "admin", "contenttypes"})
# …what counts attempts, the proof that was used up by one, and that somebody has the page of a proposal open.
COUNTERS = frozenset({"identity_proofuse", "identity_ratecounter", "identity_refusalcount", "approvals_looking"})
SIGNED_IN_BY = "django.contrib.auth.backends.ModelBackend"
INPUT = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"')
# A token lives for five minutes; one that is used a second time must still outlive its test.
TOKEN_SECONDS = 120
_tokens: dict[tuple[str, ...], tuple[float, str]] = {}
# Django's test client adds `json` and more to its responses, which the type of a response does not know.
Reply: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Knocker:
    """An agent with its key, knocking at the API with tokens of the real endpoint."""

    agent: Agent
    key: ECKey

    def token(self, tool: str = ORDER, *, action: str = "", company: str = COMPANY, **more: object) -> str:
        """Return an access token of the real endpoint for one tool; the same one for a while, it outlives what is undone."""
        wanted = (self.agent.public_id, tool, action or ("read" if tool == READ else "propose"), company, to_json_text(more))
        issued, token = _tokens.get(wanted, (0.0, ""))
        if monotonic() - issued > TOKEN_SECONDS:
            token = identity.access_token(self.agent, self.key, wanted[2], tool, company, **more)
            _tokens[wanted] = (monotonic(), token)
        return token

    def post(self, path: str, body: object, *, tool: str = ORDER, key: str | None = None, token: str = "", **headers: str) -> Reply:
        """Return the answer to a POST of this body; a text or bytes are sent as they are."""
        sent = headers | ({} if key is None else {"Idempotency-Key": key})
        content = body if isinstance(body, str | bytes) else to_json_text(body)
        return Client().post(
            f"/api/v1/{path}",
            content,
            content_type=sent.pop("Content-Type", "application/json"),
            headers=identity.bearer(token or self.token(tool)) | sent,
        )

    def get(self, path: str, *, tool: str = ORDER, token: str = "", **query: str) -> Reply:
        """Return the answer to a GET."""
        return Client().get(f"/api/v1/{path}", query, headers=identity.bearer(token or self.token(tool)))

    def propose(self, payload: dict[str, Any] | None = None, *, tool: str = ORDER, key: str = "", **fields: Any) -> Reply:
        """Return the answer to a proposal of an order worth 1,250.90 EUR, or of what is given."""
        return self.post("proposals", a_body(payload, tool=tool, **fields), tool=tool, key=key or a_key())

    def proposed(self, payload: dict[str, Any] | None = None, **fields: Any) -> Proposal:
        """Return the proposal that such an answer speaks of."""
        response = self.propose(payload, **fields)
        assert response.status_code == 202, response.content
        return Proposal.objects.get(pk=decode(Prefix.PROPOSAL, response.json()["id"]))


@dataclass(frozen=True, slots=True)
class World:
    """The installation, its outsiders and its agents."""

    installation: Installation
    mine: Knocker
    other: Knocker
    clients: dict[str, Client]

    def person(self, name: str) -> User:
        """Return somebody by username."""
        return self.installation.person(name)

    def as_(self, name: str) -> Client:
        """Return the client signed in as somebody; made with the world, because what a test makes is undone."""
        return self.clients[name]


@dataclass(frozen=True, slots=True)
class Traces:
    """What an attempt left: the events it recorded, and the tables whose rows are not what they were."""

    events: list[Event] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of the events, sorted."""
        return sorted(event.kind for event in self.events)

    def outcomes(self) -> list[dict[str, Any]]:
        """Return what the refusals among the events say came of it."""
        return [outcome for event in self.events if (outcome := outcome_of(event)).get("status") == "refused"]


def make_world(directory: Path, patch: pytest.MonkeyPatch) -> World:
    """Return the sample installation with Alice (owns an agent, approves), Bob (approves) and Charlie (all of it, in Austria)."""
    installation = console.sample_installation(directory, patch)
    alice = identity.make_user("alice", [Role.AGENT_OWNER, Role.APPROVER])
    bob = identity.make_user("bob", [Role.APPROVER])
    charlie = identity.make_user(
        "charlie",
        [Role.APPROVER, Role.CONTROLLER, Role.AGENT_OWNER, Role.OPERATOR],
        companies=(SECOND_COMPANY,),
    )
    identity.make_user("nora")  # a person with an account and no role
    for group in ApprovalGroup.objects.all():
        for person in (alice, bob):
            identity.make_member(group, person)
        identity.make_member(group, charlie, companies=(SECOND_COMPANY,))
    mine = Knocker(*identity.equipped_agent(alice, ORDER, ENTRY, READ, name="Alice's agent", acts_for=[bob]))
    other = Knocker(*identity.equipped_agent(installation.person("tomas"), ORDER, READ, name="Another agent"))
    return World(installation, mine, other, {person.username: signed_in(person) for person in User.objects.filter(is_active=True)})


def signed_in(user: User, *, enforce_csrf_checks: bool = False) -> Client:
    """Return a client with a session of this person."""
    client = Client(enforce_csrf_checks=enforce_csrf_checks)
    client.force_login(user, backend=SIGNED_IN_BY)
    return client


def a_body(payload: dict[str, Any] | None = None, *, tool: str = ORDER, **fields: Any) -> dict[str, Any]:
    """Return the body of a proposal in the sample company."""
    return {"tool": tool, "company": COMPANY, "payload": gateway.PAYLOADS[tool]() if payload is None else payload, **fields}


def an_order(**changes: Any) -> dict[str, Any]:
    """Return the body of an order worth 1,250.90 EUR, with changes to its payload."""
    return a_body(gateway.order_payload(**changes))


def refused(response: Reply, status: int, code: str) -> dict[str, Any]:
    """Return the problem document, after checking that it is one."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["code"]) == (status, code), document
    assert response["Content-Type"] == "application/problem+json"
    assert document["detail"]
    return document


def form_of(response: Reply) -> dict[str, str]:
    """Return the hidden fields of the decision form on a page, as a browser would send them back."""
    assert response.status_code == 200, response.content
    page = response.content.decode()
    start = page.find('class="decide"')
    assert start >= 0, "there is no decision form on this page"
    return {name: html.unescape(value) for name, value in INPUT.findall(page, start) if name != "csrfmiddlewaretoken"}


def nothing_decided(response: Reply, status: int) -> str:
    """Return the page of a refusal, after checking that it is one."""
    assert response.status_code == status, response.content
    assert Decision.objects.count() == 0
    return str(response.content.decode())


def decision_path(proposal: Proposal) -> str:
    """Return where a decision on this proposal is sent."""
    return f"/proposals/{proposal.public_id}/decide/"


def page_path(proposal: Proposal) -> str:
    """Return the page of this proposal."""
    return f"/proposals/{proposal.public_id}/"


@contextmanager
def undone() -> Iterator[None]:
    """Undo in both databases whatever happens inside; savepoints that Django takes for a test's own."""
    with ExitStack() as stack:
        for alias in ALIASES:
            atomic = transaction.atomic(using=alias)
            # As Django's TestCase marks its own: a record of a refusal insists on being outside any business transaction.
            atomic._from_testcase = True  # type: ignore[attr-defined]
            stack.enter_context(atomic)
            stack.callback(transaction.set_rollback, True, using=alias)
        yield


def settled() -> None:
    """Check now what was deferred to the end of the transaction: otherwise each test would check it again at its own end."""
    for alias in ALIASES:
        connections[alias].check_constraints()


@contextmanager
def watched(known: dict[str, tuple[int, str]] | None = None) -> Iterator[Traces]:
    """Fill the traces with what the block recorded and changed; `known` are the contents before it, where somebody has them already."""
    traces = Traces()
    before = contents() if known is None else known
    earlier = {alias: written_by(alias) for alias in ALIASES}
    seen = set(Event.objects.values_list("pk", flat=True))
    yield traces
    traces.events.extend(Event.objects.exclude(pk__in=seen).order_by("recorded_at"))
    if any(written_by(alias).since(earlier[alias]).intersection(_tables(alias)) for alias in ALIASES):
        after = contents()
        traces.changed.extend(sorted(table for table in after if after[table] != before[table]))


def contents() -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of them for every table of the domain, in both databases."""
    found: dict[str, tuple[int, str]] = {}
    for alias in ALIASES:
        with connections[alias].cursor() as cursor:
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{table}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
                    for table in _tables(alias)
                )
            )
            found |= {table: (count, digest) for table, count, digest in cursor.fetchall()}
    return found


@cache
def _tables(alias: str) -> list[str]:
    models: list[type[Model]] = [model for model in apps.get_models() if model._meta.app_label not in NOT_DOMAIN and model._meta.managed]
    named = {model._meta.db_table for model in models if (model._meta.app_label == "ledger") == (alias == "ledger")}
    return sorted(named - COUNTERS)


def outcome_of(event: Event) -> dict[str, Any]:
    """Return what an event says came of it."""
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    outcome = record.get("outcome", {})
    assert isinstance(outcome, dict)
    return outcome
