"""The ring of signing keys: rotated with overlap by a person or by age, or at once when a key may be known to others."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from audit.records import Subject
from audit.services import record
from identity.events import IdentityEvent
from identity.tokens.signing import LEAD, KeyRing, SigningKey, current_ring, is_rotatable, new_signing_key, ring_path
from kernel.actors import Actor
from kernel.canonical import to_json_text
from kernel.clock import wire_time
from kernel.errors import StateConflict


def rotate_signing_key(*, actor: Actor, now: datetime, is_compromised: bool = False) -> SigningKey:
    """A new key is published at once and signs in ten minutes; the one before it verifies until its last token has ended.

    `is_compromised`: the new key signs at once and every other one is void, and with it every token that it signed.

    Raises StateConflict when the ring can't be written by this process, or when the next key waits already.
    """
    if not is_rotatable():
        raise StateConflict(
            detail="The signing key stands in the environment or on a read-only mount: whoever put it there replaces it.",
            data={"setting": "COUNTERSIGN_TOKEN_SIGNING_KEY"},
        )
    path = ring_path()
    with transaction.atomic(), _locked(path):
        ring = current_ring()
        if not is_compromised and ring.newest.signs_from > now:
            raise StateConflict(detail=f"The next key is published already and signs from {wire_time(ring.newest.signs_from)} on.")
        new = new_signing_key(created_at=now, signs_from=now if is_compromised else now + LEAD)
        kept = () if is_compromised else ring.usable(now)
        record(
            kind=IdentityEvent.TOKEN_SIGNING_KEY_ROTATED,
            actor=actor,
            subject=Subject("signing_key", new.key_id),
            now=now,
            outcome={
                "key": new.key_id,
                "signs_from": wire_time(new.signs_from),
                "kept": [key.key_id for key in kept],
                "is_compromised": is_compromised,
            },
        )
        # Last, so that a rotation that can't be recorded does not happen.
        _replace(path, KeyRing((*kept, new)))
    return new


def rotate_signing_key_by_age(*, now: datetime) -> bool:
    """The signing key is rotated once it is older than the setting says; returns whether it was."""
    newest = current_ring().newest
    if not is_rotatable() or newest.created_at + timedelta(days=settings.TOKEN_SIGNING_KEY_DAYS) > now:
        return False
    rotate_signing_key(actor=Actor.system("key-rotation"), now=now)
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock beside the ring, so that two rotations take turns."""
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, ring: KeyRing) -> None:
    """The file holds the ring, complete and readable by its owner only, from one instant to the next."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(to_json_text({"keys": [key.as_dict() for key in ring.keys]}))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
