"""The log's identity and its keys, read from settings and refused with a clear sentence when they make no sense.

Two secrets: the application key behind each event's mac, and the Ed25519 key behind checkpoints and bundle manifests. Neither
is ever in the database, so that whoever owns the database can neither alter an unsealed event nor sign a history of their own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from audit.verifier.countersign_verify import VerifyingKey

NAME_PATTERN = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
MAC_KEY_LENGTH_MIN = 32


def chain_id() -> str:
    """Return `<installation>/<region>`: which log this is; region is a property of the chain."""
    return f"{_name('INSTALLATION')}/{_name('REGION')}"


def region() -> str:
    """Return the region that is stamped on every event."""
    return _name("REGION")


def release() -> str:
    """Return the release that is stamped on every event."""
    return _name("RELEASE")


def log_origin() -> str:
    """Return the C2SP origin of the log's checkpoints, which is also the name of its key."""
    return f"countersign/{chain_id()}"


def mac_key() -> bytes:
    """Return the application key behind each event's mac."""
    text = getattr(settings, "AUDIT_MAC_KEY", "")
    if not isinstance(text, str) or len(text) < MAC_KEY_LENGTH_MIN:
        raise ImproperlyConfigured(
            f"AUDIT_MAC_KEY must be a secret text of at least {MAC_KEY_LENGTH_MIN} characters; no event can be recorded without it."
        )
    return text.encode("utf-8")


def signing_key() -> Ed25519PrivateKey:
    """Return the Ed25519 key that signs checkpoints and bundle manifests."""
    text = getattr(settings, "AUDIT_SIGNING_KEY", "")
    if not isinstance(text, str) or not text:
        raise ImproperlyConfigured("AUDIT_SIGNING_KEY must be the PEM text of an Ed25519 private key.")
    return _load_signing_key(text)


def verifying_key() -> VerifyingKey:
    """Return the public half of the signing key under the log's name, as it is published and pinned."""
    return VerifyingKey.named(log_origin(), signing_key().public_key().public_bytes_raw())


def witness_keys() -> list[VerifyingKey]:
    """Return the pinned keys of the witnesses that cosign this log's checkpoints."""
    return [witness.key for witness in getattr(settings, "AUDIT_WITNESSES", ())]


def checkpoint_directory() -> Path:
    """Return the directory that checkpoints are exported to, outside the database."""
    value = getattr(settings, "AUDIT_CHECKPOINT_DIR", None)
    if not value:
        raise ImproperlyConfigured("AUDIT_CHECKPOINT_DIR must name a directory outside the database.")
    return Path(value)


@lru_cache(maxsize=4)
def _load_signing_key(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode("utf-8"), password=None)
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"AUDIT_SIGNING_KEY is not a PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ImproperlyConfigured(f"AUDIT_SIGNING_KEY must be an Ed25519 key, not {type(key).__name__}.")
    return key


def _name(setting: str) -> str:
    value = getattr(settings, setting, "")
    if not isinstance(value, str) or not NAME_PATTERN.match(value):
        raise ImproperlyConfigured(
            f"{setting}={value!r} must be 1 to 64 letters, digits, dots, dashes or underscores: it names the audit chain for ever."
        )
    return value
