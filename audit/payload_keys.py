"""The keys that wrap the keys of payloads: a short ring from a secret reference, newest first.

Each payload has a data key of its own. It is stored beside the payload, wrapped under the first key of this ring; the others only
open what was wrapped before a rotation. The ring comes from a file (`COUNTERSIGN_AUDIT_PAYLOAD_KEY_FILE`, e.g. what a vault's agent
writes), from the environment, or from a file made at the first start: base64url keys of 32 bytes, separated by line breaks. A file
is read again when it changes, so that a rotation needs no restart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """One key of the ring; its id follows from it."""

    id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WrappingRing:
    """The keys in use: new data keys are wrapped under the first one."""

    keys: tuple[WrappingKey, ...]

    @property
    def current(self) -> WrappingKey:
        """Return the key that wraps from now on."""
        return self.keys[0]

    def find(self, key_id: str) -> WrappingKey | None:
        """Return the key of this id, or None when it is not in the ring any more."""
        return next((key for key in self.keys if key.id == key_id), None)

    @property
    def text(self) -> str:
        """Return the ring as it is kept."""
        return "\n".join(base64.urlsafe_b64encode(key.key).decode("ascii") for key in self.keys)


def wrapping_ring() -> WrappingRing:
    """Return the ring; raises ImproperlyConfigured when there is none that makes sense."""
    path = ring_file()
    if path is None:
        return parse_ring(getattr(settings, "AUDIT_PAYLOAD_KEY", ""))
    try:
        status = path.stat()
        return _read(str(path), status.st_mtime_ns, status.st_size, status.st_ino)
    except OSError as error:
        raise ImproperlyConfigured(f"The payload keys in {path} can't be read: {error.strerror}.") from error


def ring_file() -> Path | None:
    """Return the file that holds the ring, or None when it stands in the environment."""
    value = getattr(settings, "AUDIT_PAYLOAD_KEY_FILE", None)
    return Path(value) if value else None


@lru_cache(maxsize=4)
def _read(path: str, modified: int, size: int, inode: int) -> WrappingRing:
    del modified, size, inode  # only so that a changed file is read again
    return parse_ring(Path(path).read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def parse_ring(text: str) -> WrappingRing:
    """Return the ring that a text spells; raises ImproperlyConfigured naming what is wrong, never the key."""
    found = []
    for number, part in enumerate(text.replace(",", " ").split(), start=1):
        try:
            key = base64.b64decode(part.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ImproperlyConfigured(f"AUDIT_PAYLOAD_KEY: key {number} is not the base64url of {KEY_BYTES} bytes.")
        found.append(named(key))
    if not found:
        raise ImproperlyConfigured("AUDIT_PAYLOAD_KEY must hold at least one key; no payload can be stored without it.")
    if len({key.id for key in found}) != len(found):
        raise ImproperlyConfigured("AUDIT_PAYLOAD_KEY holds the same key twice.")
    return WrappingRing(tuple(found))


def named(key: bytes) -> WrappingKey:
    """Return the key under its id: the beginning of a digest of it."""
    return WrappingKey(hashlib.sha256(b"countersign.payload_wrapping_key/1\0" + key).hexdigest()[:ID_LENGTH], key)
