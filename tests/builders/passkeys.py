"""A passkey in software: enrols and signs as a browser would, and lies where a test wants it to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.webauthn.internal.auth import WebAuthn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import User
from fido2 import cbor
from fido2.cose import ES256

RP_ID = "localhost"
ORIGIN = "http://localhost:8000"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def websafe(value: bytes) -> str:
    """Return base64url without padding, as browsers write bytes."""
    return base64.urlsafe_b64encode(value).decode("ascii").rstrip("=")


@dataclass(slots=True)
class SoftKey:
    """One ES256 key with its credential id."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def public_key(self) -> bytes:
        """Return the COSE key."""
        return bytes(cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key()))))  # type: ignore[no-untyped-call]

    def enrol(self, user: User, name: str = "laptop", public_key: bytes | None = None) -> WebAuthn:
        """Make the person's passkey of it, past the enrolment page."""
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + (public_key or self.public_key)
        data = _authenticator_data(RP_ID, PRESENT | VERIFIED | ATTESTED, 0) + attested
        client = _client_data("webauthn.create", secrets.token_bytes(32), ORIGIN)
        response = {
            "clientDataJSON": websafe(client),
            "attestationObject": websafe(cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return WebAuthn.add(user, name, self._credential(response))

    def sign(
        self,
        options: dict[str, Any],
        *,
        challenge: bytes | None = None,
        origin: str = ORIGIN,
        rp_id: str = RP_ID,
        flags: int = PRESENT | VERIFIED,
        kind: str = "webauthn.get",
        cross_origin: bool = False,
        counter: int = 0,
    ) -> dict[str, Any]:
        """Return the answer to the options of a signing, as `credential.toJSON()` gives it."""
        asked = base64.urlsafe_b64decode(options["challenge"] + "==")
        client = _client_data(kind, asked if challenge is None else challenge, origin, cross_origin=cross_origin)
        data = _authenticator_data(rp_id, flags, counter)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {
                "clientDataJSON": websafe(client),
                "authenticatorData": websafe(data),
                "signature": websafe(signature),
                "userHandle": None,
            }
        )

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        identifier = websafe(self.credential_id)
        return {"id": identifier, "rawId": identifier, "type": "public-key", "clientExtensionResults": {}, "response": response}


def _client_data(kind: str, challenge: bytes, origin: str, *, cross_origin: bool = False) -> bytes:
    data = {"type": kind, "challenge": websafe(challenge), "origin": origin, "crossOrigin": cross_origin}
    return json.dumps(data).encode("utf-8")  # noqa: TID251  the browser's own bytes, not ours


def _authenticator_data(rp_id: str, flags: int, counter: int) -> bytes:
    return hashlib.sha256(rp_id.encode("ascii")).digest() + bytes([flags]) + counter.to_bytes(4, "big")
