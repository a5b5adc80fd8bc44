"""The symmetric signature of Standard Webhooks, and secrets: made, sealed, opened.

A secret is not stored as it is: AES-GCM under a key derived from the installation's `webhook_key`, bound to its endpoint, so a copy
of the database signs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PREFIX = "whsec_"
SECRET_BYTES = 32
NONCE_BYTES = 12


def new_secret() -> str:
    """Return a new secret in the form receivers take: `whsec_` and base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,<base64>`: HMAC-SHA256 over id, timestamp and body, as standard-webhooks/spec says."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode("ascii") + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def signed_headers(secrets_in_force: Iterable[str], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers; one signature for each secret in force, so that a receiver can change over at its own time."""
    signatures = [signature(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in secrets_in_force]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def seal(secret: str, endpoint: UUID) -> bytes:
    """Return the secret encrypted for storage at this endpoint."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(_key(settings.WEBHOOK_KEY)).encrypt(nonce, secret.encode("ascii"), endpoint.bytes)


def unseal(sealed: bytes, endpoint: UUID) -> str:
    """Return the secret; raises cryptography's InvalidTag when it was sealed elsewhere or altered."""
    return AESGCM(_key(settings.WEBHOOK_KEY)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], endpoint.bytes).decode("ascii")


@lru_cache(maxsize=2)
def _key(secret: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"countersign.webhook_secret/1").derive(secret.encode("utf-8"))
