"""Checkpoints: the chain's head, signed, and kept outside the database.

The signer has a memory of its own in the checkpoint directory: the tree as it last signed it. A new checkpoint grows that tree
by the leaves added since, so a signature is only ever given to a history that contains the one signed before. A database that
ends earlier (restored, truncated) or says something else (rewritten) gets no signature.

A signer without its memory (a standby on another machine, a lost disk) begins anew: the chain must contain the newest checkpoint in the
database, and that it began anew is recorded. Signers of one directory wait for each other, so two at once never sign two histories.

In the directory: `<size, 12 digits>.note` for each checkpoint, written once; `latest.note`; `countersign.vkey`, the public key
to hand to auditors; `signer.json`, the memory. Files are written beside their place and renamed into it.
"""

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

from audit.events import LogEvent
from audit.keys import checkpoint_directory, log_origin, signing_key, verifying_key
from audit.models import Checkpoint
from audit.models import Frontier as FrontierRow
from audit.verifier.countersign_verify import Frontier, Malformed, checkpoint_body, signature_line
from kernel.canonical import canonical_bytes, parse_json
from kernel.errors import NotCanonical

MEMORY = "signer.json"
LATEST = "latest.note"
PUBLIC_KEY = "countersign.vkey"
LEAVES_PER_FETCH = 5_000

LEAVES = """
SELECT s.sequence, l.leaf FROM audit_seal s JOIN audit_link l ON l.event_id = s.event_id
WHERE s.sequence > %s AND s.sequence <= %s ORDER BY s.sequence LIMIT %s
"""


class SigningRefused(Exception):
    """The database's chain does not contain what was signed before: nothing is signed until a person has looked."""

    code = "signing_refused"
    event_id = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the signer signed last, by its own account."""

    frontier: Frontier
    root: bytes


def sign_checkpoint(*, now: datetime) -> Checkpoint | None:
    """Sign, store and export the chain's head; return None when this head was signed before.

    Raises SigningRefused when the chain is smaller than, or inconsistent with, what was signed before.
    """
    directory = checkpoint_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory):
        publish_key(directory)
        return _signed(directory, now)


def _signed(directory: Path, now: datetime) -> Checkpoint | None:
    memory = read_memory(directory)
    head = FrontierRow.objects.order_by("-size").first()
    size = head.size if head else 0
    floor = _stored_floor() if memory is None else None
    signed_size = memory.frontier.size if memory else floor.size if floor else 0
    if size < signed_size:
        raise SigningRefused(f"The chain in the database ends at {size}, but {signed_size} was signed before: entries are gone.")
    if head is None:
        return None
    known = Checkpoint.objects.filter(size=size).first()
    if memory and size == memory.frontier.size and known is not None and bytes(known.root) == memory.root:
        return None
    frontier = _grown(memory.frontier if memory else Frontier(), size, floor=floor)
    root = frontier.root()
    if root != bytes(head.root) or (memory and size == memory.frontier.size and root != memory.root):
        raise SigningRefused(f"The chain in the database at size {size} does not continue the history that was signed before.")
    if known is not None and bytes(known.root) != root:
        raise SigningRefused(f"The database holds another checkpoint of size {size}.")
    note = signed_note(size=size, root=root)
    # Memory first: a signature that was given is never forgotten, whatever is interrupted after it.
    _write(directory / MEMORY, _memory_bytes(frontier, root))
    export_note(directory, size=size, note=note)
    if floor is not None:
        _record_anew(floor.size, now)
    if known is not None:
        return None
    with transaction.atomic():
        return Checkpoint.objects.create(size=size, root=root, note=note.decode("utf-8"), signed_at=now)


def _stored_floor() -> Checkpoint | None:
    """Return the newest checkpoint in the database, which a signer without a memory takes for it; raises SigningRefused if it is forged."""
    row = Checkpoint.objects.order_by("-size").first()
    if row is not None and row.note.encode("utf-8") != signed_note(size=row.size, root=bytes(row.root)):
        raise SigningRefused(f"The newest checkpoint in the database, of size {row.size}, is not one that this key has signed.")
    return row


def _record_anew(size: int, now: datetime) -> None:
    from audit.sealer_process import record_about_log

    record_about_log(LogEvent.SIGNER_BEGAN_ANEW, now=now, status="began_anew", size=size)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Only one signer works in the directory: an old one that does not know yet that it was replaced, or the new one."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def signed_note(*, size: int, root: bytes) -> bytes:
    """Return the C2SP signed note of a tree; Ed25519 is deterministic, so the same tree gives the same note."""
    body = checkpoint_body(log_origin(), size, root)
    return body + b"\n" + signature_line(verifying_key(), signing_key().sign(body))


def export_note(directory: Path, *, size: int, note: bytes) -> None:
    """Put the note into the directory under its size, once and for all, and as the latest one."""
    path = directory / f"{size:012d}.note"
    if path.exists():
        if path.read_bytes() != note:
            raise SigningRefused(f"{path.name} was exported before with another content.")
    else:
        _write(path, note)
    _write(directory / LATEST, note)


def publish_key(directory: Path) -> None:
    """Put the public key into the directory; raises SigningRefused when another one was published there."""
    path, text = directory / PUBLIC_KEY, verifying_key().text + "\n"
    if not path.exists():
        _write(path, text.encode("utf-8"))
    elif path.read_text(encoding="utf-8") != text:
        raise SigningRefused(
            f"{path} publishes another key or log name than AUDIT_SIGNING_KEY, INSTALLATION and REGION give: move the directory aside "
            "if a new log was meant."
        )


def read_memory(directory: Path) -> Memory | None:
    """Return what was signed last; None when nothing is remembered."""
    path = directory / MEMORY
    if not path.exists():
        return None
    try:
        value = parse_json(path.read_bytes())
        if not isinstance(value, dict) or value["origin"] != log_origin():
            raise SigningRefused(f"{path} belongs to another log.")
        frontier = Frontier(value["size"], [bytes.fromhex(item) for item in value["subtrees"]])
        memory = Memory(frontier, bytes.fromhex(value["root"]))
    except (NotCanonical, Malformed, KeyError, TypeError, ValueError) as error:
        raise SigningRefused(f"{path} can't be read: {error}") from error
    if frontier.root() != memory.root:
        raise SigningRefused(f"{path} contradicts itself: its subtrees do not have its root.")
    return memory


def _memory_bytes(frontier: Frontier, root: bytes) -> bytes:
    return canonical_bytes(
        {
            "origin": log_origin(),
            "size": frontier.size,
            "subtrees": [subtree.hex() for subtree in frontier.subtrees],
            "root": root.hex(),
        }
    )


def _grown(frontier: Frontier, size: int, *, floor: Checkpoint | None = None) -> Frontier:
    """Return the tree grown to `size` by the leaves in the database; raises SigningRefused on a gap, or when it misses `floor`."""
    grown = Frontier(frontier.size, frontier.subtrees)
    while grown.size < size:
        with connection.cursor() as cursor:
            cursor.execute(LEAVES, [grown.size, size, LEAVES_PER_FETCH])
            rows = cursor.fetchall()
        for sequence, leaf in rows:
            if sequence != grown.size + 1:
                break
            grown.append(bytes(leaf))
            if floor is not None and sequence == floor.size and grown.root() != bytes(floor.root):
                raise SigningRefused(f"The chain in the database does not contain its own checkpoint of size {floor.size}.")
        else:
            if rows:
                continue
        raise SigningRefused(f"Sequence {grown.size + 1} is missing from the chain in the database.")
    return grown


def _write(path: Path, content: bytes) -> None:
    """Replace the file: afterwards it has this content on disk, whole, or is as it was before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with draft.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
