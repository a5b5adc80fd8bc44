"""A receiver on this machine, an agent of alice's, and the permission to deliver to the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from gateway.addresses import parse_allow_list
from identity.models import Agent, Role
from tests.builders.http import Listener, Reply, listening
from tests.builders.identity import make_agent, make_user
from tests.builders.kept import kept


@pytest.fixture(scope="module")
def server() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def receiver(server: Listener, settings: Any) -> Listener:
    settings.OUTBOUND_ALLOW_PRIVATE = parse_allow_list(["127.0.0.1"])
    server.heard.clear()
    server.replies[:] = [Reply()]
    return server


@pytest.fixture
def alice(db: None) -> User:
    return kept("alice of webhooks", lambda: make_user("alice", [Role.AGENT_OWNER]))


@pytest.fixture
def bob(db: None) -> User:
    return kept("bob of webhooks", lambda: make_user("bob", [Role.APPROVER, Role.AGENT_OWNER]))


@pytest.fixture
def charlie(db: None) -> User:
    return kept("charlie of webhooks", lambda: make_user("charlie", [Role.AGENT_OWNER, Role.ADMINISTRATOR], ["FR01"]))


@pytest.fixture
def agent(alice: User) -> Agent:
    return kept("agent", lambda: make_agent(alice))
