"""A small agent's client: a token per tool and company, a proof with every request, the idempotency key before the action.

Needs httpx and joserfc. The private key never leaves the agent; the token it buys lives five minutes, does one thing and is worth
nothing without the key it is bound to (DPoP, RFC 9449). Each proof covers the body as well, so that nobody on the way can change it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from joserfc.jwk import ECKey

from examples.mcp_auth import assertion, proof

RENEW_BEFORE_SECONDS = 30
RETRIES = 10
RETRY_STATUSES = {409, 429, 500, 502, 503, 504}


class Refused(Exception):
    """The gate said no: `problem` is its RFC 9457 document (code, detail, errors[], retryable)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        """Keep the problem document."""
        super().__init__(f"{problem.get('code')}: {problem.get('detail')}")
        self.problem = problem


class ProofOfPossession(httpx.Auth):
    """Shows with each request that its sender holds the key that the token is (or, without a token yet, is to be) bound to."""

    requires_request_body = True

    def __init__(self, key: ECKey, token: str = "") -> None:
        """Keep the key, and the token to present."""
        self.key = key
        self.token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with a proof of its own: a proof is good for one."""
        request.headers["DPoP"] = proof(self.key, request.method, str(request.url), request.content, token=self.token)
        if self.token:
            request.headers["Authorization"] = f"DPoP {self.token}"
        yield request


@dataclass(slots=True)
class AgentClient:
    """One agent at one gate; `key` proves who it is, `proof_key` that its tokens are its own."""

    base_url: str
    agent_id: str
    key: ECKey
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=90))
    # Made anew by every process: no token outlives it, so nothing of it has to be kept.
    proof_key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    _tokens: dict[tuple[str, str, str], tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def from_files(cls, base_url: str, directory: Path, name: str) -> AgentClient:
        """Return the client of an agent whose id and private key lie in `<name>.id` and `<name>.pem`."""
        key = ECKey.import_key((directory / f"{name}.pem").read_text(encoding="utf-8"))
        return cls(base_url.rstrip("/"), (directory / f"{name}.id").read_text(encoding="utf-8").strip(), key)

    def token(self, action: str, tool: str, company: str) -> str:
        """Return an access token for exactly this, buying one when the last is about to expire."""
        token, expires = self._tokens.get((action, tool, company), ("", 0.0))
        if time.time() < expires - RENEW_BEFORE_SECONDS:
            return token
        details = [{"type": "countersign_tool", "actions": [action], "tool": tool, "company": company}]

        def request() -> dict[str, Any]:
            # Made anew for every attempt: an assertion is good for one, even when its answer was lost.
            return {
                "data": {
                    "grant_type": "client_credentials",
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    "client_assertion": assertion(self.agent_id, self.key, f"{self.base_url}/oauth/token"),
                    "authorization_details": json.dumps(details),
                }
            }

        answer = self._send("POST", "/oauth/token", request)
        self._tokens[action, tool, company] = (answer["access_token"], time.time() + int(answer["expires_in"]))
        return str(answer["access_token"])

    def read(self, tool: str, company: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return a read receipt: read_id, as_of, result, digest."""
        body = {"company": company, "arguments": arguments}
        return self._send("POST", f"/api/v1/tools/{tool}/read", lambda: {"json": body}, token=self.token("read", tool, company))

    def propose(self, idempotency_key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Propose a write; the same key with the same body returns the same proposal, however often it is sent."""
        token = self.token("propose", str(body["tool"]), str(body["company"]))
        headers = {"Idempotency-Key": f'"{idempotency_key}"'}
        return self._send("POST", "/api/v1/proposals", lambda: {"json": body}, token=token, headers=headers)

    def propose_batch(self, tool: str, company: str, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Propose up to 500 writes of one tool in one company, each with its `idempotency_key`; each has a result of its own."""
        body = {"items": list(items)}
        answer = self._send("POST", "/api/v1/proposals/batch", lambda: {"json": body}, token=self.token("propose", tool, company))
        return list(answer["results"])

    def wait(self, proposal: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """Return the proposal when it is final, or as it stands after so many seconds; approvals may take days."""
        deadline = time.monotonic() + seconds
        current = dict(proposal)
        while not current.get("is_final") and (left := deadline - time.monotonic()) > 0:
            token = self.token("propose", current["tool"], current["company"])
            current = self._send("GET", f"/api/v1/proposals/{current['id']}?wait={max(1, min(30, int(left)))}", dict, token=token)
        return current

    def _send(
        self,
        method: str,
        path: str,
        request: Callable[[], dict[str, Any]],
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send what `request` makes, again when the answer was lost or the gate asks to retry; raise Refused otherwise."""
        proof = ProofOfPossession(self.proof_key, token)
        for attempt in range(RETRIES):
            try:
                answer = self.http.request(method, self.base_url + path, headers=headers, auth=proof, **request())
            except httpx.TransportError:
                # The request may have been carried out. That is what the idempotency key is for: send the same again.
                if attempt == RETRIES - 1:
                    raise
            else:
                if answer.is_success:
                    return dict(answer.json())
                problem = answer.json() if "json" in answer.headers.get("content-type", "") else {"detail": answer.text[:500]}
                is_worth_retrying = answer.status_code in RETRY_STATUSES and problem.get("retryable", True)
                if not is_worth_retrying or attempt == RETRIES - 1:
                    raise Refused({"status": answer.status_code, **problem})
            time.sleep(min(10.0, 0.2 * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")


def reads_of(receipts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids a proposal cites."""
    return [str(receipt["read_id"]) for receipt in receipts]
