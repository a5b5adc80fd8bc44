"""Rotating the keys that wrap payload keys: every data key is wrapped anew, no payload and no event is touched."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction

from audit.events import RetentionEvent
from audit.keys import chain_id
from audit.payload_keys import KEY_BYTES, WrappingKey, WrappingRing, named, ring_file, wrapping_ring
from audit.payloads import rewrap
from audit.records import Subject
from audit.services import record
from kernel.actors import Actor
from kernel.errors import StateConflict

BATCH_SIZE = 2_000
FIRST = "00000000-0000-0000-0000-000000000000"

OLD = """
SELECT event_id, wrapped, wrapping_key FROM audit_payloadkey
WHERE wrapped IS NOT NULL AND wrapping_key <> %s AND event_id > %s ORDER BY event_id LIMIT %s FOR UPDATE
"""
REWRAP = """
UPDATE audit_payloadkey k SET wrapped = fresh.wrapped, wrapping_key = %s
FROM unnest(%s::uuid[], %s::bytea[]) AS fresh (event_id, wrapped) WHERE k.event_id = fresh.event_id
"""
STILL = "SELECT count(*) FROM audit_payloadkey WHERE wrapped IS NOT NULL AND wrapping_key <> %s"


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: the key that wraps now, how many data keys were wrapped anew, and which keys were retired."""

    key_id: str
    rewrapped: int
    retired: tuple[str, ...]


def add_wrapping_key() -> WrappingKey:
    """A new key wraps what is recorded from now on; the ones before it still open what they wrapped.

    Raises StateConflict when the ring is not in a file that this process may write: whoever keeps it adds the key as its first.
    """
    path = _writable_ring()
    with _locked(path):
        ring = wrapping_ring()
        fresh = named(secrets.token_bytes(KEY_BYTES))
        _replace(path, WrappingRing((fresh, *ring.keys)))
    return fresh


def rewrap_everything(*, actor: Actor, now: datetime, is_retiring: bool = False) -> Rotation:
    """Every data key is wrapped under the ring's first key; with `is_retiring` the other keys are gone from the ring afterwards.

    In batches of their own transactions, repeatable. Only the database's owner may write wrapped keys, so this is a command. Copies of
    wrapped keys, in backups and in old table pages, open with a retired key only: destroying it makes what was shredded final there too.
    """
    ring = wrapping_ring()
    current = ring.current
    rewrapped, after = 0, FIRST
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(OLD, [current.id, after, BATCH_SIZE])
            rows = cursor.fetchall()
            if not rows:
                break
            fresh = [rewrap(event_id, bytes(wrapped), wrapping_key, ring) for event_id, wrapped, wrapping_key in rows]
            cursor.execute(REWRAP, [current.id, [row[0] for row in rows], fresh])
        rewrapped += len(rows)
        after = rows[-1][0]
    retired = _retired(current) if is_retiring else ()
    with transaction.atomic():
        record(
            kind=RetentionEvent.KEYS_ROTATED,
            actor=actor,
            subject=Subject("payload_key", chain_id()),
            now=now,
            outcome={"status": "rotated", "key": current.id, "rewrapped": rewrapped, "retired": list(retired)},
        )
    return Rotation(current.id, rewrapped, retired)


def _retired(current: WrappingKey) -> tuple[str, ...]:
    """Take every other key out of the ring, unless something is wrapped under one still; return their ids."""
    path = _writable_ring()
    with connection.cursor() as cursor:
        cursor.execute(STILL, [current.id])
        row = cursor.fetchone()
    if row and row[0]:
        raise StateConflict(detail=f"{row[0]} payload keys are wrapped under another key still: run the rotation again.")
    with _locked(path):
        ring = wrapping_ring()
        _replace(path, WrappingRing((current,)))
    return tuple(key.id for key in ring.keys if key.id != current.id)


def _writable_ring() -> Path:
    path = ring_file()
    if path is None or not os.access(path.parent, os.W_OK) or not os.access(path, os.W_OK):
        raise StateConflict(
            detail="The payload keys are in the environment or on a read-only mount: whoever put them there adds the new one as the first.",
            data={"setting": "COUNTERSIGN_AUDIT_PAYLOAD_KEY"},
        )
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, ring: WrappingRing) -> None:
    """The file holds the ring, complete and readable by its owner only, from one instant to the next."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(ring.text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
