"""One server for the whole directory, over rows that are really committed: its threads are not the test's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from gateway.connections import use_connector
from identity.models import Role
from tests.builders import identity
from tests.builders.proposals import PlainErp, PlainGate, routed_by
from tests.mcp.standing import A_BUDGET, ORDER, READ, Knocker, Standing, running_server


@pytest.fixture(scope="package")
def standing(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Standing]:
    """Return the running server; both databases are empty again once the directory's tests are over."""
    with (
        django_db_blocker.unblock(),
        pytest.MonkeyPatch.context() as patch,
        use_connector(PlainErp(result=A_BUDGET)),
        routed_by(PlainGate()),
    ):
        for alias in connections:
            # As in a web process: the server's threads keep no connection that would outlive the tests.
            patch.setitem(connections[alias].settings_dict, "CONN_MAX_AGE", 0)
        try:
            with running_server() as address:
                patch.setattr(settings, "PUBLIC_URL", address)
                alice = identity.make_user("alice", [Role.AGENT_OWNER, Role.APPROVER])
                bob = identity.make_user("bob", [Role.AGENT_OWNER])
                yield Standing(
                    address,
                    {
                        "alice": Knocker(*identity.equipped_agent(alice, ORDER, "post_journal_entry", READ)),
                        "bob": Knocker(*identity.equipped_agent(bob, ORDER, READ, name="Other agent")),
                    },
                )
        finally:
            for alias in connections:
                call_command("flush", database=alias, interactive=False, verbosity=0, inhibit_post_migrate=True)


@pytest.fixture
def _django_db_helper(standing: Standing) -> None:
    """Keep pytest-django from wrapping a test in a transaction, whose rows the server's threads could not see."""


@pytest.fixture
def mine(standing: Standing) -> Knocker:
    """Return alice's agent."""
    return standing.agents["alice"]


@pytest.fixture
def other(standing: Standing) -> Knocker:
    """Return bob's agent: it must see nothing of alice's."""
    return standing.agents["bob"]
