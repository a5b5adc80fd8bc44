"""Tokens that are bound to a key, at the MCP door: the official client with a proof for each request, and everything else refused."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import httpx2
import pytest

from identity.models import Agent, TokenBinding
from identity.tokens.resources import Resource, resource_url
from tests.builders import identity
from tests.builders.proofs import Holder, make_proof
from tests.builders.proposals import a_key
from tests.mcp.standing import LEGACY, MODERN, ORDER, Knocker, Standing, an_order, recorded, value_of

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
LIST = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'


class Proving(httpx2.Auth):
    """Sends the token with a fresh proof that covers the body, as an agent's own client would."""

    requires_request_body = True

    def __init__(self, holder: Holder, token: str) -> None:
        self.holder, self.token = holder, token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        request.headers["Authorization"] = f"DPoP {self.token}"
        request.headers["DPoP"] = make_proof(
            self.holder.proof_key, request.method, str(request.url), token=self.token, body=request.content
        )
        yield request


@pytest.fixture(scope="module")
def holder(standing: Standing) -> Iterator[Holder]:
    """Return bob's agent, for these tests registered for tokens that are bound to a key."""
    knocker = standing.agents["bob"]
    Agent.objects.filter(pk=knocker.agent.pk).update(token_binding=TokenBinding.DPOP, is_strict=True)
    yield Holder(knocker.agent, knocker.key)
    Agent.objects.filter(pk=knocker.agent.pk).update(token_binding=TokenBinding.BEARER, is_strict=False)


@pytest.fixture
def token(holder: Holder) -> str:
    """Return a token for orders at the MCP door, bound to the holder's proof key."""
    return holder.token(identity.details("propose", ORDER), resource=resource_url(Resource.MCP))


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
def test_the_official_client_proves_each_request(standing: Standing, holder: Holder, token: str, mode: str) -> None:
    async def propose(client):  # type: ignore[no-untyped-def]
        return (await client.list_tools()).tools, await client.call_tool(ORDER, an_order(a_key()))

    tools, result = standing.ask("", propose, mode=mode, auth=Proving(holder, token))
    assert tools[0].name == ORDER
    assert value_of(result)["status"] == "pending_approval"


def test_a_proof_serves_one_request(standing: Standing, holder: Holder, token: str) -> None:
    headers = holder.headers(token, "POST", "/mcp", body=LIST)
    assert standing.post(LIST, **headers).status_code == 200
    with recorded("token:refused"):
        again = standing.post(LIST, **headers)
    assert (again.status_code, again.json()["error"]["data"]["code"]) == (401, "proof_replayed")


def changed(**proof: Any) -> Any:
    return lambda holder, token: holder.headers(token, "POST", "/mcp", **({"body": LIST} | proof))


@pytest.mark.parametrize(
    "headers_of",
    [
        lambda _, token: {"Authorization": f"Bearer {token}"},
        lambda _, token: {"Authorization": f"DPoP {token}"},
        changed(key=identity.make_key()),
        changed(htu="http://localhost:8000/mcp"),
        changed(htm="GET"),
        changed(body=b"{}"),
        changed(body=None),
        changed(iat=1),
    ],
    ids=["as bearer", "no proof", "another key", "another place", "another method", "another body", "body not covered", "old"],
)
def test_a_stolen_token_opens_nothing(standing: Standing, holder: Holder, token: str, headers_of: Any) -> None:
    with recorded("token:refused"):
        answer = standing.post(LIST, **headers_of(holder, token))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith(("DPoP", "Bearer"))
    assert "DPoP realm" in answer.headers["www-authenticate"]


def test_a_plain_token_of_another_agent_is_not_taken_with_a_proof(standing: Standing, mine: Knocker, holder: Holder) -> None:
    with recorded("token:refused"):
        assert standing.post(LIST, **holder.headers(mine.token(), "POST", "/mcp", body=LIST)).status_code == 401
