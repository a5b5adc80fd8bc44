"""The code at the end of an agent's start: run exactly as the page shows it, against a live server, by Python and by a shell."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from pytest_django.live_server_helper import LiveServer

from gateway.catalogue import TOOLS
from identity.models import Agent, Role
from identity.samples import example_input, sample_of
from kernel.clock import now
from ledger.sample import load_sample_company
from proposals.models import Proposal, ReadReceipt
from tests.builders.approvals import a_row, make_policy
from tests.builders.identity import make_agent, make_credential, make_grant, make_group, make_key, make_user

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "ledger"])

CODE = re.compile(r'<pre class="code" tabindex="0">(.*?)</pre>', re.DOTALL)


@pytest.fixture
def books() -> None:
    load_sample_company()


@pytest.fixture
def public_url(live_server: LiveServer, settings: Any) -> None:
    settings.PUBLIC_URL = live_server.url


def run(*command: str, directory: Path) -> str:
    """Return what the command printed, after checking that it ended well."""
    # The server answers from this very process, so no proxy may stand between.
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def an_agent(owner: User, key: Key, *, algorithm: str = "") -> Agent:
    agent = make_agent(owner, token_binding="dpop")
    make_credential(agent, key, algorithm=algorithm)
    make_grant(agent, "create_purchase_order")
    make_grant(agent, "check_budget")
    return agent


def shown(owner: User, agent: Agent, tool: str) -> tuple[str, str]:
    """Return both samples as they stand on the page."""
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(f"/agents/{agent.public_id}/start/?tool={tool}").content.decode()
    python, shell = (html.unescape(code) for code in CODE.findall(page))
    for kind, text in (("python", python), ("shell", shell)):
        assert client.get(f"/agents/{agent.public_id}/start/{kind}/?tool={tool}").content.decode() == text
    return python, shell


def test_what_the_page_ends_with_works(books: None, public_url: None, alice: User, tmp_path: Path) -> None:
    """Both languages propose; a proposal stands once, however often its sample runs."""
    author, activator = (make_user(name, [Role.CONTROLLER]) for name in ("cora", "cem"))
    make_group("purchasing", make_user("maria", [Role.APPROVER]))
    make_policy([a_row()], author=author, activator=activator)
    key = make_key()
    agent = an_agent(alice, key)
    (tmp_path / "agent.pem").write_bytes(key.as_pem(private=True))
    python, shell = shown(alice, agent, "create_purchase_order")
    (tmp_path / "agent.py").write_text(python)
    (tmp_path / "agent.sh").write_text(shell)
    for _ in range(2):
        assert "pending" in run(sys.executable, "agent.py", directory=tmp_path)
    (tmp_path / "create_purchase_order.key").unlink()
    assert "pending" in run("bash", "agent.sh", directory=tmp_path)
    assert Proposal.objects.filter(agent=agent, state="pending").count() == 2


def a_key(algorithm: str) -> ECKey | OKPKey | RSAKey:
    """Return a new key pair for this algorithm."""
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519")
    return RSAKey.generate_key(2048) if algorithm == "PS256" else ECKey.generate_key("P-256")


@pytest.mark.parametrize(("algorithm", "binding"), [("EdDSA", "dpop"), ("PS256", "bearer"), ("ES256", "bearer")])
def test_it_fits_the_agents_key_and_tokens(
    books: None, public_url: None, alice: User, tmp_path: Path, algorithm: str, binding: str
) -> None:
    key = a_key(algorithm)
    an_agent(alice, key, algorithm=algorithm)
    Agent.objects.update(token_binding=binding)
    (tmp_path / "agent.pem").write_bytes(key.as_pem(private=True))
    python, shell = shown(alice, Agent.objects.get(), "check_budget")
    assert ("DPoP" in python, "DPoP" in shell) == (binding == "dpop", binding == "dpop")
    (tmp_path / "agent.sh").write_text(shell)
    assert "read_" in run("bash", "agent.sh", directory=tmp_path)
    if algorithm == "EdDSA":
        (tmp_path / "agent.py").write_text(python)
        assert "read_" in run(sys.executable, "agent.py", directory=tmp_path)
    assert ReadReceipt.objects.count() == 1 + (algorithm == "EdDSA")


@pytest.mark.parametrize("tool", [tool for tool in TOOLS.values() if tool.is_grantable], ids=lambda tool: str(tool.name))
@pytest.mark.django_db(transaction=False)
def test_every_tool_has_input_that_it_takes(tool: Any) -> None:
    tool.validate(example_input(tool, now(), currency="EUR"))


@pytest.mark.django_db(transaction=False)
def test_no_sample_before_there_is_a_key(alice: User) -> None:
    agent = make_agent(alice)
    grant = make_grant(agent, "check_budget")
    assert sample_of(agent, grant, now()) is None
    make_credential(agent, make_key())
    sample = sample_of(agent, grant, now())
    assert sample is not None
    assert agent.public_id in sample.python
    assert "PRIVATE" not in sample.python + sample.shell
