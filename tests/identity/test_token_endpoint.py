from __future__ import annotations
import pytest
from identity.models import Role
from tests.builders.identity import *

pytestmark = [pytest.mark.django_db, pytest.mark.urls("identity.urls")]


def test_smoke():
    alice = make_user("alice", [Role.AGENT_OWNER])
    agent, key = equipped_agent(alice, "create_purchase_order", "check_budget")
    print(principal(agent, key))
    print(principal(agent, key, "read", "check_budget"))
