"""The ring of keys that sign access tokens: one signs, the ones before it still verify, the one after it is published already.

The ring lies in one file of the secret store and is looked at again whenever that file changes, so that every process notices a
rotation without a restart. A file with nothing but a PEM key, as a first start makes it, is a ring of one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from kernel.canonical import parse_json
from kernel.clock import wire_time
from kernel.errors import NotCanonical

TOKEN_ALGORITHM = "ES256"  # noqa: S105  an algorithm, not a secret
# No setting lifts this: how long an access token lives at most.
LIFETIME_SECONDS_MAX = 300
# How long the key set may be kept by those who fetched it; a new key waits longer than that before it signs.
PUBLISHED_SECONDS = 300
LEAD = timedelta(seconds=2 * PUBLISHED_SECONDS)
# A key verifies until the last token it signed has ended, and a minute longer for clocks that differ.
OVERLAP = timedelta(seconds=LIFETIME_SECONDS_MAX + 60)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
PEM_BEGIN = "-----BEGIN"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key of the ring: its id is its thumbprint; it signs from an instant on, until a later one does."""

    key: ECKey
    key_id: str
    pem: str
    created_at: datetime
    signs_from: datetime

    def public(self) -> dict[str, str]:
        """Return the public half as it stands in the key set."""
        members = {name: str(value) for name, value in self.key.as_dict(private=False).items()}
        return {**members, "kid": self.key_id, "alg": TOKEN_ALGORITHM, "use": "sig"}

    def as_dict(self) -> dict[str, str]:
        """Return the stored form."""
        return {"private_key": self.pem, "created_at": wire_time(self.created_at), "signs_from": wire_time(self.signs_from)}


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The signing keys in the order in which they sign; never empty."""

    keys: tuple[SigningKey, ...]

    def signing(self, now: datetime) -> SigningKey:
        """Return the key that signs at `now`."""
        return next((key for key in reversed(self.keys) if key.signs_from <= now), self.keys[0])

    def usable(self, now: datetime) -> tuple[SigningKey, ...]:
        """Return the keys that are published and verify: all but those whose last token has ended."""
        successors = (*self.keys[1:], None)
        return tuple(
            key for key, successor in zip(self.keys, successors, strict=True) if successor is None or now < successor.signs_from + OVERLAP
        )

    def find(self, key_id: object, now: datetime) -> SigningKey | None:
        """Return the usable key with this id."""
        return next((key for key in self.usable(now) if key.key_id == key_id), None)

    @property
    def newest(self) -> SigningKey:
        """Return the key that signs last."""
        return self.keys[-1]


def current_ring() -> KeyRing:
    """Return the ring as it is in the secret store now; costs one look at the file's times."""
    if fixed := str(settings.TOKEN_SIGNING_KEY):
        return _read(fixed, ALWAYS)
    path = ring_path()
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_ino, state.st_size)


def ring_path() -> Path:
    """Return the file of the ring; a key that stands in the environment has none."""
    if settings.TOKEN_SIGNING_KEY_FILE is None:
        raise ImproperlyConfigured("TOKEN_SIGNING_KEY is neither in the environment nor in a file.")
    return Path(settings.TOKEN_SIGNING_KEY_FILE)


def public_key_set(now: datetime) -> dict[str, list[dict[str, str]]]:
    """Return the JWKS with the public halves of the usable keys."""
    return {"keys": [key.public() for key in current_ring().usable(now)]}


def new_signing_key(*, created_at: datetime, signs_from: datetime) -> SigningKey:
    """Return a new key."""
    key = ECKey.generate_key("P-256")
    return SigningKey(key, key.thumbprint(), key.as_pem(private=True).decode("ascii"), created_at, signs_from)


def is_rotatable() -> bool:
    """Return whether this process may write the ring: not when the key stands in the environment or on a read-only mount."""
    if settings.TOKEN_SIGNING_KEY:
        return False
    path = ring_path()
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


@lru_cache(maxsize=4)
def _load(path: Path, _changed_ns: int, _inode: int, _size: int) -> KeyRing:
    return _read(path.read_text(encoding="utf-8").strip(), datetime.fromtimestamp(_changed_ns // 10**9, UTC))


@lru_cache(maxsize=4)
def _read(text: str, changed_at: datetime) -> KeyRing:
    if text.startswith(PEM_BEGIN):
        return KeyRing((_signing_key(text, changed_at, ALWAYS),))
    try:
        document = parse_json(text)
        entries = document["keys"] if isinstance(document, dict) else None
        keys = [_entry(entry) for entry in entries] if isinstance(entries, list) else []
    except (NotCanonical, KeyError, ValueError) as error:
        raise ImproperlyConfigured("TOKEN_SIGNING_KEY is neither a PEM key nor a ring of keys.") from error
    if not keys:
        raise ImproperlyConfigured("TOKEN_SIGNING_KEY is a ring without keys.")
    return KeyRing(tuple(sorted(keys, key=lambda key: key.signs_from)))


def _entry(entry: object) -> SigningKey:
    if not isinstance(entry, Mapping):
        raise ValueError("a key of the ring is an object")  # noqa: TRY004  told apart by the caller
    pem = str(entry["private_key"])
    return _signing_key(pem, *(datetime.fromisoformat(str(entry[name])) for name in ("created_at", "signs_from")))


def _signing_key(pem: str, created_at: datetime, signs_from: datetime) -> SigningKey:
    try:
        key = ECKey.import_key(pem)
    except (JoseError, ValueError) as error:
        raise ImproperlyConfigured("TOKEN_SIGNING_KEY holds no PEM text of a private key.") from error
    if key.curve_name != "P-256" or not key.is_private:
        raise ImproperlyConfigured("TOKEN_SIGNING_KEY must be a private P-256 key.")
    return SigningKey(key, key.thumbprint(), pem, created_at, signs_from)
