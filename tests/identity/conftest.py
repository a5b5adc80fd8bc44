"""The cast of identity's tests: alice owns agents, bob administers, dora owns agents beside alice, charlie is of another company."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from joserfc.jwk import ECKey

from identity.models import Agent, Role
from tests.builders.identity import equipped_agent, make_agent, make_user
from tests.builders.kept import kept


@pytest.fixture
def alice() -> User:
    return kept("alice of identity", lambda: make_user("alice", [Role.AGENT_OWNER]))


@pytest.fixture
def bob() -> User:
    return kept("bob of identity", lambda: make_user("bob", [Role.ADMINISTRATOR]))


@pytest.fixture
def dora() -> User:
    return kept("dora of identity", lambda: make_user("dora", [Role.AGENT_OWNER]))


@pytest.fixture
def charlie() -> User:
    return kept("charlie of identity", lambda: make_user("charlie", [Role.AGENT_OWNER, Role.ADMINISTRATOR], ["FR01"]))


@pytest.fixture
def agent(alice: User) -> Agent:
    return kept("agent", lambda: make_agent(alice))


@pytest.fixture
def equipped(alice: User) -> tuple[Agent, ECKey]:
    return kept("equipped", lambda: equipped_agent(alice, "create_purchase_order", "check_budget"))
