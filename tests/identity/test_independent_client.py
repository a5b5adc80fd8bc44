"""An OAuth client that nobody here wrote, over real HTTP: private_key_jwt, authorization details, resource, DPoP; then the API."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from jwskate import Jwk
from pytest_django.live_server_helper import LiveServer
from requests_oauth2client import DPoPKey, DPoPToken, OAuth2Client, PrivateKeyJwt, UnknownTokenEndpointError

from config.paths import PROJECT
from gateway.catalogue import get_tool
from identity.models import Agent, Role, TokenBinding
from tests.builders import identity

ORDER, READ = "create_purchase_order", "check_budget"

pytestmark = pytest.mark.django_db(transaction=True)


def registered(binding: str) -> tuple[Agent, Jwk]:
    """Return an agent with grants for a write and a read, and its key as the library holds it."""
    alice, key = identity.make_user("alice", [Role.AGENT_OWNER]), identity.make_key()
    agent = identity.make_agent(alice, token_binding=binding)
    identity.make_credential(agent, key)
    for tool in (ORDER, READ):
        identity.make_grant(agent, tool)
    return agent, Jwk.from_pem(key.as_pem(private=True)).with_kid_thumbprint()


def test_private_key_jwt_rar_resource_and_dpop(live_server: LiveServer, settings: Any) -> None:
    settings.PUBLIC_URL = live_server.url
    agent, key = registered(TokenBinding.DPOP)
    found = requests.get(f"{live_server.url}/.well-known/oauth-authorization-server", timeout=10).json()
    assert found["issuer"] == live_server.url
    client = OAuth2Client(
        token_endpoint=found["token_endpoint"],
        revocation_endpoint=found["revocation_endpoint"],
        introspection_endpoint=found["introspection_endpoint"],
        issuer=found["issuer"],
        testing=True,
        auth=PrivateKeyJwt(agent.public_id, key, alg="ES256", lifetime=60, aud=found["issuer"]),
    )
    api = f"{live_server.url}/api"
    asked: dict[str, Any] = {"authorization_details": identity.details("read", READ), "resource": api}
    proof_key = DPoPKey.generate(alg="ES256")

    token = client.client_credentials(dpop=True, dpop_key=proof_key, **asked)
    assert isinstance(token, DPoPToken)
    # A fresh proof for each request, made by the library.
    for _ in range(2):
        answer = requests.get(f"{api}/v1/tools", auth=token, timeout=10)
        assert answer.status_code == 200, answer.text
        assert {tool["name"] for tool in answer.json()["results"]} == {ORDER, READ}
    assert requests.post(f"{api}/v1/proposals", json={}, auth=token, timeout=10).json()["code"] == "idempotency_key_missing"

    stolen = requests.get(f"{api}/v1/tools", headers={"Authorization": f"Bearer {token.access_token}"}, timeout=10)
    assert (stolen.status_code, stolen.json()["code"]) == (401, "token_binding")
    with pytest.raises(UnknownTokenEndpointError) as refused:
        client.client_credentials(**asked)
    assert refused.value.error == "invalid_dpop_proof"

    assert client.introspect_token(token)["active"] is True
    assert client.revoke_access_token(token)
    assert requests.get(f"{api}/v1/tools", auth=token, timeout=10).status_code == 401
    assert client.introspect_token(token) == {"active": False}


def test_the_default_audience_is_taken_and_a_registered_downgrade_gets_bearer(live_server: LiveServer, settings: Any) -> None:
    settings.PUBLIC_URL = live_server.url
    agent, key = registered(TokenBinding.BEARER)
    # Left to itself the library makes the token endpoint the assertion's audience.
    client = OAuth2Client(
        token_endpoint=f"{live_server.url}/oauth/token", testing=True, auth=PrivateKeyJwt(agent.public_id, key, alg="ES256")
    )
    token = client.client_credentials(authorization_details=identity.details("read", READ))
    assert token.token_type == "Bearer"
    assert requests.get(f"{live_server.url}/api/v1/tools", auth=token, timeout=10).status_code == 200


def test_the_file_in_the_documentation_runs_as_it_stands(live_server: LiveServer, settings: Any, tmp_path: Path) -> None:
    settings.PUBLIC_URL = live_server.url
    agent, key = registered(TokenBinding.DPOP)
    (tmp_path / "agent.pem").write_text(key.to_pem())
    program = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "tokens.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    named = {"COUNTERSIGN_URL": live_server.url, "AGENT_ID": agent.public_id, "AGENT_KEY": str(tmp_path / "agent.pem")}
    ran = subprocess.run([sys.executable, "-c", program], env=os.environ | named, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, get_tool(READ).title), ran.stderr
