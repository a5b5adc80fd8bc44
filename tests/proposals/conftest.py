"""The agents' door under test: an agent of alice's with a token, one of bob's, an ERP and a gate of plain values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from joserfc.jwk import ECKey

from audit.models import Event
from gateway.connections import use_connector
from identity.models import Agent, Role
from identity.principals import AgentPrincipal
from kernel.canonical import parse_json, to_json_text
from tests.builders import identity
from tests.builders.kept import kept
from tests.builders.proposals import COMPANY, PlainErp, PlainGate, a_key, a_purchase_order, routed_by

# Django's test client adds `json` to its responses, which the type of a response does not know.
Reply: TypeAlias = Any
# Everything that a refused attempt could have left behind.
WATCHED = (
    "proposals.Proposal",
    "proposals.ReadReceipt",
    "proposals.Citation",
    "proposals.Feedback",
    "proposals.Outcome",
    "django_q.OrmQ",
)


@dataclass
class Door:
    """One agent with its key, knocking at the API."""

    agent: Agent
    key: ECKey
    token: str = ""

    def principal(self, action: str = "propose", tool: str = "create_purchase_order") -> AgentPrincipal:
        return identity.principal(self.agent, self.key, action, tool)

    def holding(self, action: str = "propose", tool: str = "create_purchase_order", **more: Any) -> Door:
        return Door(self.agent, self.key, identity.access_token(self.agent, self.key, action, tool, **more))

    def get(self, path: str, **query: Any) -> Reply:
        return Client().get(f"/api/v1/{path}", query, headers=self._headers())

    def post(self, path: str, body: object = None, *, key: str | None = None, text: str | None = None) -> Reply:
        extra = {} if key is None else {"Idempotency-Key": key}
        content = text if text is not None else to_json_text(body if body is not None else {})
        return Client().post(f"/api/v1/{path}", content, content_type="application/json", headers={**self._headers(), **extra})

    def propose(self, payload: dict[str, Any] | None = None, *, key: str | None = None, **fields: Any) -> Reply:
        return self.post("proposals", a_body(payload, **fields), key=a_key() if key is None else key)

    def _headers(self) -> dict[str, str]:
        return identity.bearer(self.token) if self.token else {}


def a_body(payload: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the body of a proposal."""
    return {
        "tool": "create_purchase_order",
        "company": COMPANY,
        "payload": payload if payload is not None else a_purchase_order(),
        **fields,
    }


def bounded_door(owner: User, *, is_active: bool = True, **bounds: Any) -> Door:
    """Return an agent whose grant for orders has these bounds; each ceiling is at most the one for the longer period."""
    largest = 10_000_000_00
    for name in ("ceiling_30_days_minor", "ceiling_day_minor", "ceiling_minor"):
        largest = bounds[name] = min(bounds.get(name, largest), largest)
    agent, key = identity.make_agent(owner), identity.make_key()
    identity.make_credential(agent, key)
    identity.make_grant(agent, is_active=is_active, bounds=identity.terms(**bounds))
    return Door(agent, key).holding()


def row_counts() -> dict[str, int]:
    """Return how many rows there are of everything a refusal must not leave."""
    return {name: apps.get_model(name).objects.count() for name in WATCHED}


@contextmanager
def only_refused(code: str, kind: str = "proposal:refused") -> Iterator[None]:
    """Fail unless the block leaves exactly one record, of a refusal with this code, and nothing else."""
    before, events = row_counts(), set(Event.objects.values_list("pk", flat=True))
    yield
    assert row_counts() == before
    added = list(Event.objects.exclude(pk__in=events))
    assert [event.kind for event in added] == [kind]
    record = parse_json(bytes(added[0].bytes))
    assert isinstance(record, dict)
    assert record["outcome"] == {"status": "refused", "code": code}


def problem(response: Reply, status: int, code: str) -> dict[str, Any]:
    """Return the problem document, after checking its form."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document.get("code")) == (status, code), document
    assert response["Content-Type"] == "application/problem+json"
    assert document["status"] == status
    assert {"type", "title", "detail", "request_id", "retryable", "errors"} <= set(document)
    return document


def paths(document: dict[str, Any]) -> list[str]:
    """Return the paths of a problem's field errors."""
    return [item["path"] for item in document["errors"]]


@pytest.fixture(autouse=True)
def _agents_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.proposals.urls"


@pytest.fixture(autouse=True)
def erp() -> Iterator[PlainErp]:
    """Answer for the ERP from a table of plain values."""
    with use_connector(PlainErp()) as connector:
        assert isinstance(connector, PlainErp)
        yield connector


@pytest.fixture(autouse=True)
def gate() -> Iterator[PlainGate]:
    """Route everything to a person."""
    with routed_by(PlainGate()) as plain:
        yield plain


@pytest.fixture
def alice(db: None) -> User:
    """Return the owner of the agent under test."""
    return kept("alice of proposals", lambda: identity.make_user("alice", [Role.AGENT_OWNER, Role.APPROVER]))


@pytest.fixture
def bob(db: None) -> User:
    """Return the owner of another agent in the same company."""
    return kept("bob of proposals", lambda: identity.make_user("bob", [Role.AGENT_OWNER]))


@pytest.fixture
def door(alice: User) -> Door:
    """Return alice's agent with a token to propose orders."""
    return kept(
        f"door {_minutes()}",
        lambda: Door(*identity.equipped_agent(alice, "create_purchase_order", "post_journal_entry", "check_budget")).holding(),
    )


@pytest.fixture
def other_door(bob: User) -> Door:
    """Return bob's agent with a token to propose orders in the same company: it must see nothing of alice's."""
    return kept(
        f"other door {_minutes()}",
        lambda: Door(*identity.equipped_agent(bob, "create_purchase_order", "check_budget", name="Other agent")).holding(),
    )


def _minutes() -> int:
    """Return a number that is another one after two minutes: a token lives for five."""
    return int(monotonic() // 120)
