"""Payloads at rest: what an event committed to, readable only with the key of that very record.

`content` is AES-256-GCM over salt ‖ canonical payload under a data key that is used once; the data key is stored apart, wrapped
(AES-256-GCM again) under the first key of the ring. Both are bound to the event's id, so that neither can be moved to another event.
Taking away the wrapped key takes away the payload *and* the salt: what remains is a commitment that nobody can test a guess against.

Random 96-bit nonces under one wrapping key are good for 2^32 records; rotate long before (docs/retention.md).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.payload_keys import KEY_BYTES, WrappingKey, WrappingRing, wrapping_ring
from audit.records import SALT_BYTES, SaltedPayload
from kernel.ids import Prefix, encode

if TYPE_CHECKING:
    from audit.models import EventPayload

# Stands in EventPayload.key_id; rows written before payloads were encrypted have an empty one.
SCHEME = "a256gcm/1"
NONCE_BYTES = 12
CONTENT_PURPOSE = b"countersign.payload/1\0"
KEY_PURPOSE = b"countersign.payload_key/1\0"


class PayloadUnreadable(Exception):
    """The payload can't be opened: its wrapping key is not in the ring, or ciphertext and key do not belong to this event."""


@dataclass(frozen=True, slots=True)
class SealedPayload:
    """A payload as it is stored: ciphertext, and the data key wrapped under the wrapping key of this id."""

    content: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    wrapping_key: str


@dataclass(frozen=True, slots=True)
class Shredded:
    """A payload whose key was destroyed: when, on which list (its TypeID), and which event says so."""

    shredded_at: datetime
    disposal: str
    tombstone: str


def seal_payload(event_id: UUID, payload: SaltedPayload, key: WrappingKey) -> SealedPayload:
    """Return the payload encrypted under a new data key, and that key wrapped."""
    fresh = secrets.token_bytes(KEY_BYTES + 2 * NONCE_BYTES)
    data_key, nonce, key_nonce = fresh[:KEY_BYTES], fresh[KEY_BYTES:-NONCE_BYTES], fresh[-NONCE_BYTES:]
    content = nonce + AESGCM(data_key).encrypt(nonce, payload.salt + payload.content, CONTENT_PURPOSE + event_id.bytes)
    wrapped = key_nonce + _cipher(key.key).encrypt(key_nonce, data_key, KEY_PURPOSE + event_id.bytes)
    return SealedPayload(content, wrapped, key.id)


def open_payload(event_id: UUID, sealed: SealedPayload, ring: WrappingRing | None = None) -> SaltedPayload:
    """Return payload and salt; raises PayloadUnreadable."""
    data_key = unwrap(event_id, sealed.wrapped, sealed.wrapping_key, ring or wrapping_ring())
    plain = _decrypted(AESGCM(data_key), sealed.content, CONTENT_PURPOSE, event_id)
    return SaltedPayload(content=plain[SALT_BYTES:], salt=plain[:SALT_BYTES])


def unwrap(event_id: UUID, wrapped: bytes, wrapping_key: str, ring: WrappingRing) -> bytes:
    """Return the data key; raises PayloadUnreadable."""
    key = ring.find(wrapping_key)
    if key is None:
        raise PayloadUnreadable(f"the wrapping key {wrapping_key} is not in the ring")
    return _decrypted(_cipher(key.key), wrapped, KEY_PURPOSE, event_id)


def rewrap(event_id: UUID, wrapped: bytes, wrapping_key: str, ring: WrappingRing) -> bytes:
    """Return the same data key wrapped under the ring's first key; raises PayloadUnreadable."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    data_key = unwrap(event_id, wrapped, wrapping_key, ring)
    return nonce + _cipher(ring.current.key).encrypt(nonce, data_key, KEY_PURPOSE + event_id.bytes)


def opened(row: EventPayload) -> SaltedPayload | Shredded:
    """Return what lies beside an event, or that it was shredded; raises PayloadUnreadable.

    One query, unless the row was read with `select_related("key")`.
    """
    if not row.key_id:
        return SaltedPayload(content=bytes(row.content), salt=bytes(row.salt))
    key = getattr(row, "key", None)
    if key is None:
        raise PayloadUnreadable("its key is missing")
    if key.shredded_at is not None:
        return Shredded(key.shredded_at, encode(Prefix.DISPOSAL, key.disposal_id), encode(Prefix.EVENT, key.tombstone_id))
    return open_payload(row.event_id, SealedPayload(bytes(row.content), bytes(key.wrapped or b""), key.wrapping_key))


@lru_cache(maxsize=8)
def _cipher(wrapping_key: bytes) -> AESGCM:
    """Return the cipher of a wrapping key; making one costs more than using it."""
    return AESGCM(wrapping_key)


def _decrypted(cipher: AESGCM, stored: bytes, purpose: bytes, event_id: UUID) -> bytes:
    try:
        return cipher.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], purpose + event_id.bytes)
    except (InvalidTag, ValueError) as error:
        raise PayloadUnreadable("ciphertext and key do not belong together") from error
