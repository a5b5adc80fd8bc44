"""DPoP proofs and bound tokens for tests: what a client library would make, and every way of making it wrong."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey, Key

from identity.models import Agent
from identity.tokens.proofs import base64url_digest
from identity.tokens.resources import public_url, token_endpoint
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now
from tests.builders.identity import details, make_assertion, make_key, token_form


def make_proof(
    key: Key, method: str, url: str, *, token: str = "", body: bytes | None = None, header: Mapping[str, Any] | None = None, **claims: Any
) -> str:
    """Return a proof for this request; keyword arguments replace claims, and None leaves one out."""
    standard: dict[str, Any] = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": url,
        "iat": int(clock_now().timestamp()),
        "ath": base64url_digest(token.encode()) if token else None,
        "content_digest": None if body is None else base64url_digest(body),
    }
    chosen = {name: value for name, value in (standard | claims).items() if value is not None}
    head: dict[str, Any] = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)} | dict(header or {})
    return jwt.encode({name: value for name, value in head.items() if value is not None}, chosen, key, algorithms=[str(head["alg"])])


@dataclass(slots=True)
class Holder:
    """An agent that binds its tokens to a key of its own."""

    agent: Agent
    key: ECKey
    proof_key: ECKey = field(default_factory=make_key)

    def ask(self, wanted: str | None = None, *, proof: str | None = None, covers: bool = True, **fields: Any) -> HttpResponse:
        """Return the token endpoint's answer; an empty `proof` sends none, an empty `wanted` asks for the registered default."""
        asked = details("propose", "create_purchase_order") if wanted is None else wanted
        body = token_form(make_assertion(self.agent, self.key), asked, **fields)
        covered = body.encode() if covers else None
        sent = make_proof(self.proof_key, "POST", token_endpoint(), body=covered) if proof is None else proof
        headers = {"DPoP": sent} if sent else {}
        return Client().post("/oauth/token", body, content_type="application/x-www-form-urlencoded", headers=headers)  # type: ignore[return-value]

    def token(self, wanted: str | None = None, **fields: Any) -> str:
        """Return a token that is bound to the proof key; fails with the endpoint's answer when there is none."""
        response = self.ask(wanted, **fields)
        answer = response.json()  # type: ignore[attr-defined]
        assert response.status_code == 200, answer
        assert answer["token_type"] == "DPoP"
        return str(answer["access_token"])

    def headers(self, token: str, method: str, path: str, **proof: Any) -> dict[str, str]:
        """Return the two headers of a request; `proof` changes what is proved."""
        return {
            "Authorization": f"DPoP {token}",
            "DPoP": make_proof(proof.pop("key", self.proof_key), method, proof.pop("htu", public_url(path)), token=token, **proof),
        }

    def post(self, path: str, body: object, token: str, *, covers: bool = True, headers: Mapping[str, str] | None = None) -> Any:
        """Return the API's answer to a POST with a fresh proof that covers the body."""
        content = to_json_text(body).encode()
        proof = self.headers(token, "POST", path, body=content if covers else None)
        return Client().post(path, content, content_type="application/json", headers=proof | dict(headers or {}))
