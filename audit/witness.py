"""A witness: a second process with a key of its own that cosigns a log's checkpoints only after a consistency proof.

It knows nothing of the log's database. What it remembers, in a file of its own, is the last head of each log that it cosigned; a new one is
cosigned only when it is signed by the log and proved to begin with that one. Two histories of one log therefore never both carry its
signature: whoever is shown a forked log can see that the witness's line is missing.

The door is that of C2SP tlog-witness, so any log may use this witness and this log may use any witness. Source: c2sp.org/tlog-witness,
c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Lock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from audit.verifier.countersign_verify import (
    COSIGNATURE_ALGORITHM,
    Checkpoint,
    Frontier,
    Malformed,
    VerifyingKey,
    canonical_json,
    cosignature_message,
    decode_base64,
    is_consistent,
    signature_line,
)

BODY_BYTES_MAX = 64 * 1024
PROOF_NODES_MAX = 63
SIZE_TYPE = "text/x.tlog.size"
PLAIN_TYPE = "text/plain; charset=utf-8"


class WitnessUnusable(Exception):
    """Key, state or configuration of the witness can't be used; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the witness answers."""

    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN_TYPE


@dataclass(frozen=True, slots=True)
class Head:
    """The last head of a log that was cosigned."""

    size: int
    root: bytes


class WitnessMemory:
    """The heads cosigned so far, in a file that survives; written before any signature leaves."""

    def __init__(self, path: Path) -> None:
        """Remember in `path`; its directory is made if need be."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process of this witness out: two with one memory never cosign two histories."""
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def heads(self) -> dict[str, Head]:
        """Return the last head of each log; raises WitnessUnusable when the file can't be read, and never begins anew by itself."""
        if not self._path.exists():
            return {}
        try:
            stored = json.loads(self._path.read_bytes())
            return {origin: Head(item["size"], bytes.fromhex(item["root"])) for origin, item in stored.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WitnessUnusable(f"{self._path} can't be read: {error}") from error

    def remember(self, origin: str, head: Head) -> None:
        """From now on this is the log's last head, on disk."""
        known = self.heads() | {origin: head}
        content = canonical_json({name: {"size": item.size, "root": item.root.hex()} for name, item in known.items()})
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Witness:
    """Cosigns checkpoints of the logs it knows."""

    def __init__(self, *, name: str, key: Ed25519PrivateKey, logs: Sequence[VerifyingKey], memory: WitnessMemory) -> None:
        """Cosign as `name` for these logs, each named by its key."""
        self._key = key
        self._logs: Mapping[str, VerifyingKey] = {log.name: log for log in logs}
        self._memory = memory
        self._lock = Lock()
        self.vkey = VerifyingKey.named(name, key.public_key().public_bytes_raw(), COSIGNATURE_ALGORITHM)

    def add_checkpoint(self, body: bytes, *, seconds: int) -> Reply:
        """Return the cosignature over the checkpoint in an add-checkpoint request, or why there is none."""
        try:
            old_size, path, note = _parsed(body)
            checkpoint = Checkpoint.parse(note)
        except Malformed as error:
            return _refusal(HTTPStatus.BAD_REQUEST, f"not an add-checkpoint request: {error}")
        log = self._logs.get(checkpoint.origin)
        if log is None:
            return _refusal(HTTPStatus.NOT_FOUND, f"the log {checkpoint.origin} is not known here")
        if not checkpoint.is_signed_by(log):
            return _refusal(HTTPStatus.FORBIDDEN, f"the checkpoint is not signed by {log.name}")
        if old_size > checkpoint.size:
            return _refusal(HTTPStatus.BAD_REQUEST, "the old size is larger than the new one")
        with self._lock, self._memory.alone():
            return self._cosigned(checkpoint, old_size, path, seconds)

    def _cosigned(self, checkpoint: Checkpoint, old_size: int, path: Sequence[bytes], seconds: int) -> Reply:
        known = self._memory.heads().get(checkpoint.origin, Head(0, Frontier().root()))
        if old_size != known.size or (checkpoint.size == known.size and checkpoint.root != known.root):
            return Reply(HTTPStatus.CONFLICT, b"%d\n" % known.size, SIZE_TYPE)
        if not is_consistent(old_size=known.size, old_root=known.root, size=checkpoint.size, root=checkpoint.root, path=path):
            return _refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"the proof does not show that this head contains the one of size {known.size} seen before"
            )
        self._memory.remember(checkpoint.origin, Head(checkpoint.size, checkpoint.root))
        signature = self._key.sign(cosignature_message(checkpoint.body, seconds))
        return Reply(HTTPStatus.OK, signature_line(self.vkey, seconds.to_bytes(8, "big") + signature))


def witness_key(path: Path) -> Ed25519PrivateKey:
    """Return the witness's private key, made at its first start and readable by its owner only; raises WitnessUnusable."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise WitnessUnusable(f"{path} is not a PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise WitnessUnusable(f"{path} does not hold an Ed25519 key")
    return key


def _parsed(body: bytes) -> tuple[int, list[bytes], bytes]:
    """Return old size, proof and note of a request; raises Malformed."""
    head, blank, note = body.partition(b"\n\n")
    lines = head.decode("ascii", errors="replace").split("\n")
    if not blank or not lines[0].startswith("old ") or not lines[0][4:].isdigit() or len(lines[0]) > 22:
        raise Malformed("it does not begin with the old size")
    if len(lines) - 1 > PROOF_NODES_MAX:
        raise Malformed("the proof is too long")
    path = [decode_base64(line) for line in lines[1:]]
    if any(len(node) != 32 for node in path):
        raise Malformed("a node of the proof is not 32 bytes")
    return int(lines[0][4:]), path, note


def _refusal(status: HTTPStatus, sentence: str) -> Reply:
    return Reply(status, f"{sentence}\n".encode())
