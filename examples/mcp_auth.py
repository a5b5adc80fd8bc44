"""Buys and renews the access token of an agent by itself: one authentication class for every client that rests on httpx or httpx2.

    http = httpx2.AsyncClient(auth=gate_auth(httpx2, gate="http://localhost:8000", agent_id="agent_…", key="agent.pem"))

Needs joserfc and whichever of the two packages your framework rests on. A token lives for five minutes: a fixed header would stop
working, this does not. By default tokens are bound to a key of this process (DPoP, RFC 9449) and each proof covers the body; for an agent
that is registered for Bearer tokens pass `is_bound=False`.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

ASSERTION_SECONDS = 60
RENEW_BEFORE_SECONDS = 30
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Tokens:
    """The agent's side of the token endpoint: what to send, what came back, and a proof for each request."""

    def __init__(
        self, *, gate: str, agent_id: str, key: Path | str, resource: str, details: Sequence[Mapping[str, Any]] = (), is_bound: bool = True
    ) -> None:
        """Read the agent's private key; without `details` the token is for what the agent is registered for."""
        self.gate = gate.rstrip("/")
        self.agent_id = agent_id
        self.key = ECKey.import_key(Path(key).read_text(encoding="utf-8"))
        self.resource = resource
        self.details = list(details)
        self.proof_key = ECKey.generate_key("P-256") if is_bound else None
        self.token = ""
        self.renew_at = 0.0

    @property
    def endpoint(self) -> str:
        """Return the address of the token endpoint."""
        return f"{self.gate}/oauth/token"

    def form(self) -> dict[str, str]:
        """Return a token request with a new assertion: one is good for one request, even when its answer was lost."""
        details = {"authorization_details": json.dumps(self.details)} if self.details else {}
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(self.agent_id, self.key, self.endpoint),
            "resource": self.resource,
        } | details

    def accept(self, answer: Mapping[str, Any]) -> None:
        """Keep the token that came back."""
        self.token = str(answer["access_token"])
        self.renew_at = time.time() + int(answer["expires_in"]) - RENEW_BEFORE_SECONDS

    def headers(self, method: str, url: str, body: bytes, *, token: str = "") -> dict[str, str]:
        """Return the headers that present the token; for a bound one with a proof for exactly this request."""
        if self.proof_key is None:
            return {"Authorization": f"Bearer {token}"} if token else {}
        shown = {"DPoP": proof(self.proof_key, method, url, body, token=token)}
        return shown | ({"Authorization": f"DPoP {token}"} if token else {})


def assertion(agent_id: str, key: ECKey, audience: str) -> str:
    """Return what proves once to the token endpoint that the agent holds its registered key (RFC 7523)."""
    now = int(time.time())
    claims = {"iss": agent_id, "sub": agent_id, "aud": audience, "iat": now, "exp": now + ASSERTION_SECONDS, "jti": str(uuid.uuid4())}
    return str(jwt.encode({"alg": "ES256", "kid": key.thumbprint()}, claims, key))


def proof(key: ECKey, method: str, url: str, body: bytes, *, token: str = "") -> str:
    """Return what shows, for exactly this request, that its sender holds the key a token is, or is to be, bound to (RFC 9449)."""
    address, now = url.partition("?")[0], int(time.time())
    claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": address, "iat": now, "content_digest": digest(body)}
    if token:
        claims["ath"] = digest(token.encode())
    return str(jwt.encode({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}, claims, key))


def digest(content: bytes) -> str:
    """Return the SHA-256 as base64url without padding."""
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def gate_auth(
    http: ModuleType,
    *,
    gate: str,
    agent_id: str,
    key: Path | str,
    resource: str = "",
    details: Sequence[Mapping[str, Any]] = (),
    is_bound: bool = True,
) -> Any:
    """Return an `Auth` for clients of `http`, which is the module httpx or httpx2; for the MCP door unless another resource is named."""
    wanted = resource or f"{gate.rstrip('/')}/mcp"
    tokens = Tokens(gate=gate, agent_id=agent_id, key=key, resource=wanted, details=details, is_bound=is_bound)

    class GateAuth(http.Auth):  # type: ignore[name-defined]
        requires_request_body = True
        requires_response_body = True

        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            """Buy a token where none is left, then send the request with it."""
            if time.time() >= tokens.renew_at:
                purchase = http.Request("POST", tokens.endpoint, data=tokens.form())
                purchase.headers.update(tokens.headers("POST", tokens.endpoint, purchase.read()))
                answer = yield purchase
                if answer.status_code != http.codes.OK:
                    raise PermissionError(f"{answer.status_code} from {tokens.endpoint}: {answer.text[:500]}")
                tokens.accept(answer.json())
            request.headers.update(tokens.headers(request.method, str(request.url), request.content, token=tokens.token))
            yield request

    return GateAuth()
