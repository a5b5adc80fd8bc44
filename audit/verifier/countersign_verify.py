#!/usr/bin/env python3
"""Verify a Countersign evidence bundle offline, with nothing but Python's standard library (3.9 or newer).

    python3 countersign_verify.py FILE_OR_DIRECTORY [--key VKEY ...] [--json]
    python3 verify.py                                  (from inside an unpacked bundle)

Exit code 0: everything holds. 1: something does not hold; each failure is named. 2: the input can't be used at all.

Pin the key you were given by another way than the bundle (`--key`, the one line of `countersign.vkey`, or the file itself).
Without a pinned key the result is "integrity only": the bundle is whole, but the key that says so came out of the bundle.

The first half of this file is the verification core: pure functions over bytes, shared with the installation's own
`manage.py audit_verify`. The second half reads a bundle and checks its members against each other. What is checked, byte by
byte, is described in data_dictionary.md beside this file.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import calendar
import csv
import functools
import hashlib
import hmac
import io
import json
import re
import struct
import sys
import time
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

EVENT_SCHEMA = "countersign.audit.event/1"
BUNDLE_SCHEMA = "countersign.bundle/1"
PERIOD_SCHEMA = "countersign.period_bundle/1"
RANGE_SCHEMA = "countersign.range_proof/1"
TABLES_SCHEMA = "countersign.tables/1"
MANIFEST_SCHEMA = "countersign.manifest/1"
TRUST_SCHEMA = "countersign.trust/1"
TOMBSTONE_SCHEMA = "countersign.tombstone/1"
SHREDDED_KIND = "retention:shredded"
MANIFEST_TYPE = "application/vnd.countersign.manifest+json"
TLOG_PROOF_HEADER = "c2sp.org/tlog-proof@v1"
ACTION_PURPOSE = "countersign.action/1"
POLICY_PURPOSE = "countersign.policy/1"
ROUTE_PURPOSE = "countersign.route/1"
# What `gate.final` of an approval says when nothing may be sent before the approval is sealed.
FINAL_WITH_SEAL = "sealed"

HOLDS, DOES_NOT_HOLD, UNUSABLE = 0, 1, 2
RECEIPT_BYTES_MAX = 64 * 1024**2

# --- Hashes ---------------------------------------------------------------------------------------------------------------


def leaf_hash(stored: bytes) -> bytes:
    """Return the RFC 6962 leaf: SHA-256(0x00 ‖ bytes)."""
    return hashlib.sha256(b"\x00" + stored).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the RFC 6962 node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def entry_hash(sequence: int, previous: bytes, leaf: bytes) -> bytes:
    """Return the chain entry: SHA-256(0x01 ‖ sequence as 8 bytes, big endian ‖ previous entry ‖ leaf)."""
    return hashlib.sha256(b"\x01" + sequence.to_bytes(8, "big") + previous + leaf).digest()


def genesis_entry(chain_id: str) -> bytes:
    """Return what stands before the first entry: it binds a chain to its installation and region."""
    return hashlib.sha256(b"countersign.chain/1\x00" + chain_id.encode("utf-8")).digest()


def digest_text(purpose: str, stored: bytes) -> str:
    """Return `sha256:<hex>` over purpose, NUL and bytes."""
    return "sha256:" + hashlib.sha256(purpose.encode("ascii") + b"\x00" + stored).hexdigest()


def payload_commitment(salt: bytes, stored: bytes) -> str:
    """Return `hmac-sha256:<hex>` of a payload, keyed with its salt."""
    return "hmac-sha256:" + hmac.digest(salt, stored, "sha256").hex()


class Frontier:
    """The RFC 6962 tree as it grows: the roots of its perfect subtrees, largest first."""

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        """Continue a tree; there is one subtree for each bit set in its size."""
        if len(subtrees) != bin(size).count("1"):
            raise ValueError(f"a tree of {size} leaves does not have {len(subtrees)} perfect subtrees")
        self.size = size
        self.subtrees = list(subtrees)

    def append(self, leaf: bytes) -> None:
        """Add one leaf."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self.subtrees.pop(), node)
            size >>= 1
        self.subtrees.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self.subtrees:
            return hashlib.sha256(b"").digest()
        root = self.subtrees[-1]
        for subtree in reversed(self.subtrees[:-1]):
            root = node_hash(subtree, root)
        return root


def is_included(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `path` proves that `leaf` stands at `index` (from 0) in the tree of `size` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and node == root


def is_consistent(*, old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether `path` proves that the tree of `size` leaves begins with that of `old_size` leaves (RFC 9162, 2.1.4.2).

    The empty tree is the beginning of every tree; equal sizes must have equal roots; both are proved by no path at all.
    """
    if old_size == 0 and not path:
        return old_root == Frontier().root() and (size > 0 or root == old_root)
    if old_size == size:
        return not path and old_root == root
    if not 0 < old_size < size or not path:
        return False
    # A perfect old tree is itself the first node of the path, and is not repeated there.
    nodes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    position, last = old_size - 1, size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old, new = nodes[0], nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, node)
        position >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == root


# --- Ed25519 (RFC 8032), verification only ----------------------------------------------------------------------------------

_PRIME = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _PRIME) % _PRIME
_ROOT_OF_MINUS_ONE = pow(2, (_PRIME - 1) // 4, _PRIME)
_Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, x·y = T/Z
_NEUTRAL: _Point = (0, 1, 1, 0)


def _add(first: _Point, second: _Point) -> _Point:
    a = (first[1] - first[0]) * (second[1] - second[0]) % _PRIME
    b = (first[1] + first[0]) * (second[1] + second[0]) % _PRIME
    c = 2 * first[3] * second[3] * _D % _PRIME
    d = 2 * first[2] * second[2] % _PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _PRIME, g * h % _PRIME, f * g % _PRIME, e * h % _PRIME


def _decode_point(data: bytes) -> _Point | None:
    """Return the point, or None when these 32 bytes are not the one canonical encoding of a point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _PRIME:
        return None
    numerator, denominator = (y * y - 1) % _PRIME, (_D * y * y + 1) % _PRIME
    x = numerator * pow(denominator, 3, _PRIME) * pow(numerator * pow(denominator, 7, _PRIME), (_PRIME - 5) // 8, _PRIME)
    x %= _PRIME
    if denominator * x * x % _PRIME != numerator:
        x = x * _ROOT_OF_MINUS_ONE % _PRIME
    if denominator * x * x % _PRIME != numerator or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _PRIME - x
    return x, y, 1, x * y % _PRIME


def _encode_point(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _PRIME)
    x, y = point[0] * inverse % _PRIME, point[1] * inverse % _PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _base_point() -> _Point:
    point = _decode_point((4 * pow(5, -1, _PRIME) % _PRIME).to_bytes(32, "little"))
    if point is None:
        raise ArithmeticError("the base point of Ed25519 does not decode")
    return point


_BASE = _base_point()


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is the Ed25519 signature of `message` under `public`: [S]B = R + [k]A, without cofactor."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = _decode_point(public), signature[:32]
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= _ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(commitment + public + message).digest(), "little") % _ORDER
    negative: _Point = (_PRIME - key[0], key[1], key[2], _PRIME - key[3])
    both = _add(_BASE, negative)
    result = _NEUTRAL
    for bit in range(252, -1, -1):
        result = _add(result, result)
        choice = (scalar >> bit & 1) | (challenge >> bit & 1) << 1
        if choice:
            result = _add(result, (_BASE, negative, both)[choice - 1])
    return hmac.compare_digest(_encode_point(result), commitment)


SignatureCheck = Callable[[bytes, bytes, bytes], bool]

# --- Keys, signed notes, checkpoints (C2SP signed-note and tlog-checkpoint), DSSE ---------------------------------------------


class Malformed(ValueError):
    """The text does not have the form it must have."""


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard base64, accepting only the one canonical spelling."""
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Malformed(f"not base64: {text[:40]!r}") from error
    if base64.b64encode(value).decode("ascii") != text:
        raise Malformed(f"not canonical base64: {text[:40]!r}")
    return value


def encode_base64(value: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(value).decode("ascii")


# What a key of C2SP signs: notes as they are, or checkpoints with the instant at which a witness saw them.
NOTE_ALGORITHM, COSIGNATURE_ALGORITHM = 1, 4


@dataclass(frozen=True)
class VerifyingKey:
    """An Ed25519 public key under a name, written as a C2SP vkey: `name+keyid+base64(algorithm ‖ key)`."""

    name: str
    public: bytes
    key_id: bytes
    algorithm: int = NOTE_ALGORITHM

    @classmethod
    def named(cls, name: str, public: bytes, algorithm: int = NOTE_ALGORITHM) -> VerifyingKey:
        """Return the key under `name`; the key id follows from name, algorithm and key."""
        if not name or "+" in name or len(name.split()) != 1:
            raise Malformed(f"{name!r} can't name a key")
        key_id = hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([algorithm]) + public).digest()[:4]
        return cls(name, public, key_id, algorithm)

    @classmethod
    def parse(cls, text: str) -> VerifyingKey:
        """Return the key written as a vkey; raises Malformed."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Malformed(f"not a vkey: {text[:60]!r}")
        encoded = decode_base64(parts[2])
        if len(encoded) != 33 or encoded[0] not in {NOTE_ALGORITHM, COSIGNATURE_ALGORITHM}:
            raise Malformed("the vkey does not hold an Ed25519 key")
        key = cls.named(parts[0], encoded[1:], encoded[0])
        if key.key_id.hex() != parts[1]:
            raise Malformed("the vkey's id does not belong to its name and key")
        return key

    @property
    def text(self) -> str:
        """Return the vkey."""
        encoded = encode_base64(bytes([self.algorithm]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


@dataclass(frozen=True)
class Checkpoint:
    """A signed note over a tree: origin, size, root, the signed body and its signature lines `(name, key id, signature)`."""

    origin: str
    size: int
    root: bytes
    body: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, note: bytes) -> Checkpoint:
        """Return the checkpoint in a note; raises Malformed."""
        try:
            text = note.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("the note is not UTF-8") from error
        body, blank, tail = text.rpartition("\n\n")
        if not blank or not tail.endswith("\n"):
            raise Malformed("the note has no signature")
        lines = body.split("\n")
        if len(lines) < 3 or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
            raise Malformed("the note is not a checkpoint: origin, size and root are expected")
        root = decode_base64(lines[2])
        if len(root) != 32:
            raise Malformed("the checkpoint's root is not 32 bytes")
        signatures = []
        for line in tail[:-1].split("\n"):
            parts = line.split(" ")
            if len(parts) != 3 or parts[0] != "\u2014":
                raise Malformed(f"not a signature line: {line[:60]!r}")
            value = decode_base64(parts[2])
            signatures.append((parts[1], value[:4], value[4:]))
        return cls(lines[0], int(lines[1]), root, (body + "\n").encode("utf-8"), tuple(signatures))

    def is_signed_by(self, key: VerifyingKey, check: SignatureCheck = is_signed) -> bool:
        """Tell whether the note carries a signature by `key` that verifies."""
        return key.algorithm == NOTE_ALGORITHM and any(
            name == key.name and key_id == key.key_id and check(key.public, self.body, signature)
            for name, key_id, signature in self.signatures
        )

    def is_signed_by_another(self, key: VerifyingKey) -> bool:
        """Tell whether the note is signed in the name of `key`, but never by that key."""
        ids = {key_id for name, key_id, _ in self.signatures if name == key.name}
        return bool(ids) and key.key_id not in ids

    def cosigned_at(self, key: VerifyingKey, check: SignatureCheck = is_signed) -> int | None:
        """Return when the witness with `key` last saw the checkpoint, in seconds since 1970; None when it did not sign it."""
        found = [
            int.from_bytes(signature[:8], "big")
            for name, key_id, signature in self.signatures
            if name == key.name and key_id == key.key_id and len(signature) == 72 and key.algorithm == COSIGNATURE_ALGORITHM
            and check(key.public, cosignature_message(self.body, int.from_bytes(signature[:8], "big")), signature[8:])
        ]  # fmt: skip
        return max(found, default=None)


def cosignature_message(body: bytes, seconds: int) -> bytes:
    """Return what a witness signs: that it saw this checkpoint at that instant (C2SP tlog-cosignature, cosignature/v1)."""
    return b"cosignature/v1\ntime %d\n%b" % (seconds, body)


def checkpoint_body(origin: str, size: int, root: bytes) -> bytes:
    """Return the text of a checkpoint that is signed."""
    return f"{origin}\n{size}\n{encode_base64(root)}\n".encode()


def signature_line(key: VerifyingKey, signature: bytes) -> bytes:
    """Return the line that a signed note ends with."""
    return f"\u2014 {key.name} {encode_base64(key.key_id + signature)}\n".encode()


def dsse_message(payload_type: str, payload: bytes) -> bytes:
    """Return what a DSSE signature covers (pre-authentication encoding, version 1)."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


# --- JSON -------------------------------------------------------------------------------------------------------------------


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(items)
    if len(result) != len(items):
        raise Malformed("an object has the same key twice")
    return result


def _number(literal: str) -> Any:
    raise Malformed(f"the number {literal} is not an integer")


# Made once: json.loads with hooks builds a decoder for every text.
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_number, parse_constant=_number)


def parse_json(stored: bytes) -> Any:
    """Return a JSON value without floats and without duplicate keys; raises Malformed."""
    try:
        return _DECODER.decode(stored.decode("utf-8"))
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or a number of more digits than Python reads
        raise Malformed(f"not JSON: {error}") from error


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a value without floats."""

    def ordered(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: ordered(item[key]) for key in sorted(item, key=lambda text: text.encode("utf-16-be"))}
        if isinstance(item, list):
            return [ordered(part) for part in item]
        return item

    text = json.dumps(ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)  # noqa: TID251
    return text.encode("utf-8")


def parse_canonical(stored: bytes) -> Any:
    """Return the value of JSON that is exactly in canonical form; raises Malformed."""
    value = parse_json(stored)
    try:
        canonical = canonical_json(value)
    except UnicodeEncodeError as error:
        raise Malformed("text with a lone surrogate") from error
    if canonical != stored:
        raise Malformed("not in canonical form (RFC 8785)")
    return value


# --- Findings ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold: a stable code, where, and a sentence."""

    code: str
    where: str
    sentence: str


@dataclass
class Findings:
    """What was checked and what came of it."""

    problems: list[Problem] = field(default_factory=list)
    checks: list[tuple[str, bool, str]] = field(default_factory=list)
    limitations: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Tell whether nothing was found wrong."""
        return not self.problems

    def problem(self, code: str, where: str, sentence: str) -> None:
        """Note that something does not hold."""
        self.problems.append(Problem(code, where, sentence))

    def expect(self, condition: bool, code: str, where: str, sentence: str) -> bool:
        """Note a problem unless `condition`; return the condition."""
        if not condition:
            self.problem(code, where, sentence)
        return condition

    @contextmanager
    def check(self, name: str) -> Iterator[list[str]]:
        """Run one named check; it holds when no problem was added inside. Put a word on what was checked into the list."""
        before = len(self.problems)
        detail: list[str] = []
        try:
            yield detail
        except Malformed as error:
            self.problem("malformed", name, f"{name}: {error}.")
        self.checks.append((name, len(self.problems) == before, " ".join(detail)))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "holds": self.holds,
            "checks": [{"name": name, "holds": holds, "detail": detail} for name, holds, detail in self.checks],
            "problems": [vars(problem) for problem in self.problems],
            "limitations": self.limitations,
        }


# --- The whole chain: consecutive rows, as the installation's own database gives them -----------------------------------------


@dataclass(frozen=True)
class ChainRow:
    """One sealed event. `stored` is None when the seal has no event; `columns` repeats parts of the record for searching.

    `salt` and `payload` are what lies beside the event, if anything; an encrypted payload can't be compared with its commitment.
    """

    sequence: int
    entry: bytes
    previous: bytes
    event_id: str
    stored: bytes | None
    leaf: bytes = b""
    expected_mac: bytes = b""
    mac: bytes = b""
    columns: Mapping[str, str] = field(default_factory=dict)
    salt: bytes | None = None
    payload: bytes | None = None
    is_payload_encrypted: bool = False
    is_payload_shredded: bool = False


RECORD_COLUMNS = {
    "kind": ("type",),
    "occurred_at": ("occurred_at",),
    "actor_kind": ("actor", "kind"),
    "actor_id": ("actor", "id"),
    "subject_kind": ("subject", "kind"),
    "subject_id": ("subject", "id"),
    "proposal": ("subject", "proposal"),
    "company": ("subject", "company"),
    "tool": ("subject", "tool"),
    "chain": ("link", "chain"),
    "position": ("link", "position"),
    "previous_leaf": ("link", "previous"),
}


def record_part(record: Any, *path: str) -> Any:
    """Return a part of a record, or "" where it is absent."""
    for name in path:
        if not isinstance(record, dict):
            return ""
        record = record.get(name, "")
    return record


def check_event(findings: Findings, where: str, *, event_id: str, chain_id: str, stored: bytes, leaf: bytes) -> dict[str, Any] | None:
    """Return the record in the bytes, having checked leaf, schema, event id and chain."""
    if leaf_hash(stored) != leaf:
        findings.problem("event_edited", where, f"The bytes of {event_id} at {where} do not have the leaf stored with them.")
    try:
        record = parse_json(stored)
    except Malformed as error:
        findings.problem("event_malformed", where, f"The record of {event_id} at {where} can't be read: {error}.")
        return None
    if not isinstance(record, dict) or record.get("schema") != EVENT_SCHEMA:
        findings.problem("event_schema", where, f"The record of {event_id} at {where} is not a {EVENT_SCHEMA}.")
        return None
    if record.get("event_id") != event_id:
        findings.problem("event_swapped", where, f"The bytes at {where} are those of {record.get('event_id')}, not of {event_id}.")
    if record.get("chain_id") != chain_id:
        findings.problem("foreign_chain", where, f"{event_id} belongs to the chain {record.get('chain_id')}, not to {chain_id}.")
    return record


# So many subjects, and so many places of events, are in memory; the others lie in a temporary file.
KEPT_IN_MEMORY_MAX = 20_000
_BEGINNING = (0, "")
# One bit for each name that was put away, by its hash: whoever finds it unset need not look on disk.
_SEEN_BYTES = 4 * 1024**2


class TemporaryTable:
    """A table on disk that nobody else sees and that is gone with the process; SQLite finds a place for it (SQLITE_TMPDIR names one)."""

    def __init__(self, definition: str) -> None:
        """Make the table; raises ImportError where Python was built without SQLite, Unusable where there is no place."""
        import sqlite3

        self._errors = sqlite3.Error
        self._rows = sqlite3.connect("", isolation_level=None)
        weakref.finalize(self, self._rows.close)
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", f"CREATE TABLE kept ({definition}) WITHOUT ROWID"):
            self.ask(statement)

    def ask(self, statement: str, *values: object) -> list[Any]:
        """Return the rows that a statement finds; raises Unusable."""
        try:
            return self._rows.execute(statement, values).fetchall()
        except self._errors as error:
            raise Unusable(f"what was seen so far can't be kept in a temporary file: {error}") from error

    def put(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Write rows at once; raises Unusable."""
        try:
            self._rows.execute("BEGIN")
            self._rows.executemany(statement, rows)
            self._rows.execute("COMMIT")
        except self._errors as error:
            raise Unusable(f"what was seen so far can't be kept in a temporary file: {error}") from error


def _name_bytes(text: str) -> bytes:
    """Return a name as it is kept: whatever a record says, with lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")


class SubjectLinks:
    """The end of each per-subject chain, as events go by in sequence; memory does not grow with the number of subjects."""

    def __init__(self) -> None:
        """Begin with no subject."""
        self._ends: dict[str, tuple[int, str]] = {}
        self._put_away: TemporaryTable | None = None
        self._seen = bytearray()
        self._most = KEPT_IN_MEMORY_MAX

    def end_of(self, chain: str) -> tuple[int, str]:
        """Return position and leaf of the last event of this subject; 0 and nothing before its first."""
        end = self._ends.get(chain)
        if end is not None:
            return end
        if self._put_away is None:
            return _BEGINNING
        bit = hash(chain) % (8 * _SEEN_BYTES)
        return self._end_put_away(chain, self._put_away) if self._seen[bit >> 3] >> (bit & 7) & 1 else _BEGINNING

    def _end_put_away(self, chain: str, table: TemporaryTable) -> tuple[int, str]:
        found = table.ask("SELECT place FROM kept WHERE name = ?", _name_bytes(chain))
        if not found:
            return _BEGINNING
        position, _, link = found[0][0].decode("utf-8", "surrogatepass").partition(" ")
        return int(position), link

    def _put_ends_away(self) -> None:
        try:
            self._put_away = self._put_away or TemporaryTable("name BLOB PRIMARY KEY, place BLOB")
        except ImportError:
            self._most = sys.maxsize  # without SQLite everything stays in memory
            return
        self._seen = self._seen or bytearray(_SEEN_BYTES)
        for chain in self._ends:
            bit = hash(chain) % (8 * _SEEN_BYTES)
            self._seen[bit >> 3] |= 1 << (bit & 7)
        rows = ((_name_bytes(chain), _name_bytes(f"{position:d} {link}")) for chain, (position, link) in self._ends.items())
        self._put_away.put("INSERT OR REPLACE INTO kept VALUES (?, ?)", rows)
        self._ends.clear()

    def follow(self, findings: Findings, where: str, record: Mapping[str, Any], leaf: bytes) -> None:
        """Check that the event follows the last one of its subject; then it is the last one."""
        chain, position = str(record_part(record, "link", "chain")), record_part(record, "link", "position")
        end = self.end_of(chain)
        if position != end[0] + 1 or record_part(record, "link", "previous") != end[1]:
            findings.problem(
                "link_broken",
                where,
                f"{record.get('event_id')} at {where} says it is number {position} of {chain}, but does not follow number {end[0]}: "
                "an event of this subject is missing, doubled or out of order.",
            )
        self._ends[chain] = (int(position) if isinstance(position, int) else end[0] + 1, leaf.hex())
        if len(self._ends) > self._most:
            self._put_ends_away()

    def join(self, findings: Findings, row: RowResult, leaf: bytes) -> None:
        """Do the same for a row that was checked by itself; written out, because a million rows come by."""
        position, link = self.end_of(row.chain)
        # What lies in an archive says its place, and no more.
        if row.position == position + 1 and (row.link == link or row.link is None):
            self._ends[row.chain] = (position + 1, leaf.hex())
            if len(self._ends) > self._most:
                self._put_ends_away()
        else:
            record = {"event_id": row.event_id, "link": {"chain": row.chain, "position": row.position, "previous": row.link}}
            self.follow(findings, f"sequence {row.sequence}", record, leaf)


class RowResult(NamedTuple):
    """What one row says by itself, and what was found wrong with it: all that its neighbours have to know."""

    sequence: int
    entry: bytes
    previous: bytes
    event_id: str
    leaf: bytes | None
    kind: str
    occurred_at: str
    chain: str
    position: Any
    link: Any
    problems: tuple[Problem, ...]


def check_row(row: ChainRow, chain_id: str) -> RowResult:
    """Check everything about a row that needs no other row: leaf, record, columns, mac, payload, entry."""
    where, findings = f"sequence {row.sequence}", Findings()
    if row.stored is None:
        findings.problem("event_missing", where, f"The event at {where} is missing; its seal is still there.")
        return RowResult(row.sequence, row.entry, row.previous, "", None, "", "", "", None, None, tuple(findings.problems))
    leaf = leaf_hash(row.stored)
    record = check_event(findings, where, event_id=row.event_id, chain_id=chain_id, stored=row.stored, leaf=row.leaf)
    if row.expected_mac != row.mac:
        findings.problem(
            "event_forged",
            where,
            f"{row.event_id} at {where} does not carry the application's mac: it was edited or inserted in the database.",
        )
    if entry_hash(row.sequence, row.previous, leaf) != row.entry:
        findings.problem("entry_wrong", where, f"The entry at {where} is not the digest of its place and {row.event_id}.")
    if record is not None:
        check_columns(findings, where, record, row.columns)
        _check_payload(findings, row, record, where)
    return RowResult(
        row.sequence,
        row.entry,
        row.previous,
        str(record_part(record, "event_id")),
        leaf,
        str(record_part(record, "type")),
        str(record_part(record, "occurred_at")),
        str(record_part(record, "link", "chain")),
        record_part(record, "link", "position"),
        record_part(record, "link", "previous"),
        tuple(findings.problems),
    )


def _check_payload(findings: Findings, row: ChainRow, record: Mapping[str, Any], where: str) -> None:
    commitment = record.get("payload_commitment", "")
    if row.is_payload_shredded or (not commitment and row.salt is None):
        return
    if row.salt is None or row.payload is None:
        findings.problem("payload_missing", where, f"The payload of {row.event_id} at {where} is missing.")
    elif not row.is_payload_encrypted and payload_commitment(row.salt, row.payload) != commitment:
        findings.problem("payload_edited", where, f"The payload of {row.event_id} at {where} is not the one it committed to.")


# The log's own clock: what the sealer records while it works. No work of the product takes longer than this from its beginning, whose
# instant its events carry, to its end.
TICKS = frozenset({"log:heartbeat", "log:sealer_started"})
BACKDATED_SECONDS = 7 * 3600


class Claim(NamedTuple):
    """A root that somebody states for some size, and what it is called when the chain does not have it."""

    source: str
    root: bytes
    code: str = "root_differs"


class ChainVerifier:
    """Checks a chain row by row: sequence, entries, leaves, macs, links, time, and the tree's root at every known checkpoint.

    `roots` holds what is claimed about each size. `seen` holds when witnesses saw the chain at a size: no event
    after it can be much older.
    """

    def __init__(
        self,
        findings: Findings,
        *,
        chain_id: str,
        roots: Mapping[int, Iterable[Claim]],
        seen: Mapping[int, int] | None = None,
    ) -> None:
        """Begin before the first row."""
        self.findings = findings
        self.frontier = Frontier()
        self.last_sequence = 0
        self.roots_checked = 0
        self._chain_id = chain_id
        self._roots = roots
        self._seen = seen or {}
        self._entry = genesis_entry(chain_id)
        self._links = SubjectLinks()
        self._is_tree_known = True
        self._wrong_roots: set[str] = set()
        self._clock = self._not_before = ""

    def feed(self, row: ChainRow) -> None:
        """Check one row against all before it."""
        self.join(check_row(row, self._chain_id))

    def join(self, row: RowResult) -> None:
        """Check a row that was checked by itself against all before it."""
        findings = self.findings
        if row.sequence != self.last_sequence + 1:
            findings.problem(
                "sequence_gap",
                f"sequence {row.sequence}",
                f"The sequence goes from {self.last_sequence} to {row.sequence}: entries are missing.",
            )
            self._lose_tree(f"sequence {row.sequence}")
        if row.previous != self._entry:
            findings.problem(
                "entry_unlinked", f"sequence {row.sequence}", f"The entry at sequence {row.sequence} does not continue the entry before it."
            )
        if row.problems:
            findings.problems.extend(row.problems)
        if row.leaf is None:
            self._lose_tree(f"sequence {row.sequence}")
        else:
            self._join_event(row, row.leaf)
        self.last_sequence = row.sequence
        self._entry = row.entry
        if row.sequence in self._roots:
            self._check_roots(row.sequence)
        if row.sequence in self._seen:
            self._tick(instant_text(self._seen[row.sequence]))

    def finish(self) -> None:
        """Check what is claimed beyond the last row."""
        beyond = sorted(size for size in self._roots if size > self.last_sequence)
        if beyond:
            sources = ", ".join(claim.source for claim in self._roots[beyond[-1]])
            self.findings.problem(
                "tail_truncated",
                sources,
                f"The chain ends at {self.last_sequence}, but {sources} was signed at {beyond[-1]}: "
                f"the last {beyond[-1] - self.last_sequence} entries are gone.",
            )

    def _join_event(self, row: RowResult, leaf: bytes) -> None:
        if row.chain:
            self._links.join(self.findings, row, leaf)
        if row.occurred_at and row.occurred_at < self._not_before:
            self.findings.problem(
                "event_backdated",
                f"sequence {row.sequence}",
                f"{row.event_id} at sequence {row.sequence} says {row.occurred_at}, but was recorded after {self._clock}.",
            )
        if row.kind in TICKS:
            self._tick(row.occurred_at)
        if self._is_tree_known:
            self.frontier.append(leaf)

    def _tick(self, instant: str) -> None:
        """From here on nothing is much older than this instant."""
        earlier = instant_text(instant_seconds(instant) - BACKDATED_SECONDS)
        if earlier > self._not_before:
            self._clock, self._not_before = instant, earlier

    def _check_roots(self, size: int) -> None:
        claimed = self._roots.get(size)
        if not claimed or not self._is_tree_known:
            return
        root = self.frontier.root()
        for claim in claimed:
            self.roots_checked += 1
            # After the first one all larger trees differ as well.
            if root != claim.root and claim.code not in self._wrong_roots:
                self._wrong_roots.add(claim.code)
                self.findings.problem(
                    claim.code,
                    claim.source,
                    f"The events up to {size} do not have the root that {claim.source} states: "
                    + ("history was rewritten." if claim.code == "root_differs" else "this log has shown two histories."),
                )

    def _lose_tree(self, where: str) -> None:
        if self._is_tree_known and any(size >= self.last_sequence for size in self._roots):
            self.findings.limitations.append(f"Roots from {where} on can't be recomputed, because leaves are missing.")
        self._is_tree_known = False


def instant_seconds(text: str) -> int:
    """Return the whole seconds since 1970 of an instant as records spell it; 0 for what is none."""
    try:
        return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0


def instant_text(seconds: int) -> str:
    """Return an instant as records spell it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(max(seconds, 0)))


def check_columns(findings: Findings, where: str, record: Mapping[str, Any], columns: Mapping[str, str]) -> None:
    """Check that the searchable columns repeat the record, so that no event is hidden from a search."""
    for name, value in columns.items():
        top, *below = RECORD_COLUMNS[name]
        part = record.get(top, "")
        if below:
            part = part.get(below[0], "") if isinstance(part, dict) else ""
        # Nearly every column is text and equal: then nothing has to be spelled first.
        if part != value and str(part) != value:
            findings.problem(
                "column_edited", where, f"The column {name} of {record.get('event_id')} at {where} says {value!r}; its record does not."
            )


# --- Passkeys: a decision signed over its digest (WebAuthn assertion), verification only ----------------------------------------

PASSKEY_TAG = b"countersign/decision/v1\0"
DECISION_PURPOSE = "countersign.decision/1"
BULK_PURPOSE = "countersign.bulk/1"
_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_P256_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Affine = tuple[int, int]
_RSA_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def passkey_challenge(digest: bytes, nonce: bytes) -> bytes:
    """Return what the passkey signs: SHA-256 over a tag, the decision's digest and a nonce, 32 bytes each."""
    if len(digest) != 32 or len(nonce) != 32:
        raise Malformed("digest and nonce have 32 bytes")
    return hashlib.sha256(PASSKEY_TAG + digest + nonce).digest()


@dataclass(frozen=True)
class Assertion:
    """One passkey signature as it was received, with what it was asked for."""

    digest: bytes
    nonce: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    public_key: bytes
    rp_id: str
    origin: str


def passkey_problems(assertion: Assertion) -> list[str]:
    """Return what does not hold about a signature, in sentences; empty when it holds.

    Raises Malformed for bytes that are no assertion, and Uncheckable when the key is of a kind that this file can't compute with.
    """
    try:
        client = json.loads(assertion.client_data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Malformed("the client data is not JSON") from error
    if not isinstance(client, dict) or len(assertion.authenticator_data) < 37:
        raise Malformed("the client data or the authenticator data is cut short")
    challenge = base64.urlsafe_b64encode(passkey_challenge(assertion.digest, assertion.nonce)).decode("ascii").rstrip("=")
    flags = assertion.authenticator_data[32]
    expected = [
        (client.get("type") == "webauthn.get", "It is not the signature of a sign-in ceremony."),
        (client.get("challenge") == challenge, "It signs another digest or another nonce."),
        (client.get("origin") == assertion.origin, "It was made for another origin."),
        (client.get("crossOrigin", False) is False, "It was made inside a page of another origin."),
        (
            assertion.authenticator_data[:32] == hashlib.sha256(assertion.rp_id.encode("utf-8")).digest(),
            "It was made for another relying party.",
        ),
        (bool(flags & 0x01), "Nobody was present."),
        (bool(flags & 0x04), "The person was not verified."),
    ]
    problems = [sentence for holds, sentence in expected if not holds]
    signed = assertion.authenticator_data + hashlib.sha256(assertion.client_data).digest()
    if not is_signed_by_cose_key(assertion.public_key, signed, assertion.signature):
        problems.append("The signature is not the key's.")
    return problems


class Uncheckable(ValueError):
    """The key's algorithm is not one that Python's standard library can compute with in reasonable length."""


def is_signed_by_cose_key(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is the COSE key's: ES256, EdDSA with Ed25519, RS256. Raises Malformed and Uncheckable."""
    key, rest = _read_cbor(public_key, 0, 0)
    if rest != len(public_key) or not isinstance(key, dict):
        raise Malformed("the key is not one COSE key")
    algorithm = key.get(3)
    parts = {name: key.get(name) for name in (-1, -2, -3)}
    if algorithm == -7 and parts[-1] == 1 and isinstance(parts[-2], bytes) and isinstance(parts[-3], bytes):
        point = int.from_bytes(parts[-2], "big"), int.from_bytes(parts[-3], "big")
        return _is_es256(point, hashlib.sha256(message).digest(), signature)
    if algorithm == -8 and parts[-1] == 6 and isinstance(parts[-2], bytes):
        return is_signed(parts[-2], message, signature)
    if algorithm == -257 and isinstance(parts[-1], bytes) and isinstance(parts[-2], bytes):
        return _is_rs256(int.from_bytes(parts[-1], "big"), int.from_bytes(parts[-2], "big"), message, signature)
    raise Uncheckable(f"a key of algorithm {algorithm}")


def _is_rs256(modulus: int, exponent: int, message: bytes, signature: bytes) -> bool:
    length = (modulus.bit_length() + 7) // 8
    if length < 128 or len(signature) != length:
        return False
    tail = _RSA_SHA256_PREFIX + hashlib.sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (length - len(tail) - 3) + b"\x00" + tail
    return hmac.compare_digest(pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(length, "big"), expected)


def _is_es256(point: tuple[int, int], hashed: bytes, signature: bytes) -> bool:
    x, y = point
    numbers = _der_numbers(signature)
    if numbers is None or not (x < _P256 and y < _P256) or (y * y - (x * x * x - 3 * x + _P256_B)) % _P256:
        return False
    r, s = numbers
    if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
        return False
    inverse = pow(s, -1, _P256_ORDER)
    first = _p256_times(int.from_bytes(hashed, "big") * inverse % _P256_ORDER, _P256_BASE)
    second = _p256_times(r * inverse % _P256_ORDER, point)
    total = _p256_add(first, second)
    return total is not None and total[0] % _P256_ORDER == r


def _p256_add(first: _Affine | None, second: _Affine | None) -> _Affine | None:
    if first is None or second is None:
        return second if first is None else first
    if first[0] == second[0] and (first[1] + second[1]) % _P256 == 0:
        return None
    if first == second:
        slope = (3 * first[0] * first[0] - 3) * pow(2 * first[1], -1, _P256) % _P256
    else:
        slope = (second[1] - first[1]) * pow(second[0] - first[0], -1, _P256) % _P256
    x = (slope * slope - first[0] - second[0]) % _P256
    return x, (slope * (first[0] - x) - first[1]) % _P256


def _p256_times(factor: int, point: _Affine) -> _Affine | None:
    result: _Affine | None = None
    for bit in range(factor.bit_length() - 1, -1, -1):
        result = _p256_add(result, result)
        if factor >> bit & 1:
            result = _p256_add(result, point)
    return result


def _der_numbers(signature: bytes) -> tuple[int, int] | None:
    """Return r and s of an ECDSA signature, or None when it is not the one DER encoding of two positive integers."""
    if len(signature) < 8 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        return None
    numbers, place = [], 2
    while place < len(signature):
        if place + 2 > len(signature) or signature[place] != 0x02:
            return None
        encoded = signature[place + 2 : place + 2 + signature[place + 1]]
        if len(encoded) != signature[place + 1] or not encoded or encoded[0] & 0x80:
            return None
        if encoded[0] == 0 and (len(encoded) == 1 or not encoded[1] & 0x80):
            return None
        numbers.append(int.from_bytes(encoded, "big"))
        place += 2 + len(encoded)
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _read_cbor(data: bytes, place: int, depth: int) -> tuple[Any, int]:
    """Return one value of the part of CBOR that COSE keys are made of, and the place behind it; raises Malformed."""
    if place >= len(data) or depth > 4:
        raise Malformed("the CBOR is cut short or nested too deeply")
    kind, short = data[place] >> 5, data[place] & 0x1F
    place += 1
    length = {24: 1, 25: 2, 26: 4, 27: 8}.get(short, 0)
    if short > 27 or place + length > len(data):
        raise Malformed("the CBOR has an unknown form")
    number = int.from_bytes(data[place : place + length], "big") if length else short
    place += length
    if kind in (0, 1):
        return (number if kind == 0 else -1 - number), place
    if kind in (2, 3):
        if place + number > len(data):
            raise Malformed("the CBOR is cut short")
        content = data[place : place + number]
        return (content if kind == 2 else content.decode("utf-8", "replace")), place + number
    if kind == 5:
        found: dict[Any, Any] = {}
        for _ in range(number):
            name, place = _read_cbor(data, place, depth + 1)
            found[name if isinstance(name, (int, str)) else repr(name)], place = _read_cbor(data, place, depth + 1)
        return found, place
    raise Malformed("the CBOR has a kind that no key is made of")


# --- Bundles: reading ---------------------------------------------------------------------------------------------------------

MEMBER_PATTERN = re.compile(r"^(?=.{1,200}$)[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")
MEMBERS_MAX = 20_000
# A member of more bytes is read line by line only; none that is read whole may be larger.
MEMBER_BYTES_MAX = 64 * 1024**2
LINE_BYTES_MAX = 16 * 1024**2
CHUNK_BYTES = 1024**2
PART_BUFFER_BYTES = 64 * 1024
SIGNED_APART = frozenset({"manifest.json", "manifest.dsse.json"})


class Unusable(Exception):
    """There is nothing here that could be verified."""


class Members(Mapping[str, bytes]):
    """The members of a bundle: read whole when small, in pieces or line by line when large; nothing is written to disk."""

    def __init__(self, sources: Mapping[str, tuple[int, Callable[[], BinaryIO]]]) -> None:
        """`sources` holds for each path its size and what opens it."""
        self._sources = dict(sources)
        # What is wrong with members as parts of their archive; the one that can't be read at all is not among the sources.
        self.damaged: dict[str, str] = {}

    @classmethod
    def of(cls, members: Mapping[str, bytes]) -> Members:
        """Return members that are in memory."""
        return cls({path: (len(content), functools.partial(io.BytesIO, content)) for path, content in members.items()})

    def __getitem__(self, path: str) -> bytes:
        """Return a member whole; raises KeyError, or Malformed when it is too large for that."""
        size, opened = self._sources[path]
        if size > MEMBER_BYTES_MAX:
            raise Malformed(f"{path} has {size} bytes; at most {MEMBER_BYTES_MAX} are read at once")
        with opened() as file:
            return file.read()

    def __contains__(self, path: object) -> bool:
        """Tell whether there is such a member, without reading it: a Mapping would, and large ones can't be read whole."""
        return path in self._sources

    def __iter__(self) -> Iterator[str]:
        """Yield the paths."""
        return iter(self._sources)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sources)

    def open(self, path: str) -> BinaryIO:
        """Return the member as a file that can seek; raises Malformed when it is missing."""
        if path not in self._sources:
            raise Malformed(f"{path} is missing")
        return self._sources[path][1]()

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Yield each line without its end, and where it begins; raises Malformed when the last one does not end or one is too long."""
        offset = 0
        with self.open(path) as file:
            while line := file.readline(LINE_BYTES_MAX):
                if not line.endswith(b"\n"):
                    raise Malformed(f"{path} does not end with a line break, or holds a line of more than {LINE_BYTES_MAX} bytes")
                yield offset, line[:-1]
                offset += len(line)

    def measure(self, path: str) -> tuple[int, str]:
        """Return size and SHA-256 of a member, read in pieces."""
        digest, size = hashlib.sha256(), 0
        with self.open(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()


class ArchiveWriter:
    """Writes the one zip file of given members: sorted, stored, with fixed times and rights, so equal members give equal bytes.

    Written out here and not left to zipfile, whose bytes differ between versions of Python. Sizes beyond 4 GiB are told in
    zip64 fields, and only those.
    """

    LIMIT = 0xFFFFFFFF

    def __init__(self, file: BinaryIO) -> None:
        """Begin at the start of `file`, which only has to be able to write."""
        self._file = file
        self._central: list[bytes] = []
        self._offset = 0
        self._last = ""

    def add(self, path: str, *, size: int, crc: int, chunks: Iterable[bytes]) -> None:
        """Write one member; raises ValueError when it is out of order or its bytes are not as many as said."""
        if path <= self._last:
            raise ValueError(f"{path} does not come after {self._last}")
        name, offset = path.encode("ascii"), self._offset
        self._write(self.local_header(name, size, crc))
        start = self._offset
        for chunk in chunks:
            self._write(chunk)
        if self._offset - start != size:
            raise ValueError(f"{path} has {self._offset - start} bytes, not {size}")
        self._central.append(self.central_header(name, size, crc, offset))
        self._last = path

    def close(self) -> None:
        """Write the directory at the end."""
        self._write(self.directory(self._central, self._offset))

    @classmethod
    def local_header(cls, name: bytes, size: int, crc: int) -> bytes:
        """Return what stands before a member's bytes."""
        extra = struct.pack("<HHQQ", 1, 16, size, size) if size >= cls.LIMIT else b""
        told = min(size, cls.LIMIT)
        version = 45 if extra else 20
        return struct.pack("<4s5H3L2H", b"PK\3\4", version, 0, 0, 0, 33, crc, told, told, len(name), len(extra)) + name + extra

    @classmethod
    def central_header(cls, name: bytes, size: int, crc: int, offset: int) -> bytes:
        """Return a member's entry in the directory."""
        wide = [size, size] if size >= cls.LIMIT else []
        wide += [offset] if offset >= cls.LIMIT else []
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        version = 45 if extra else 20
        told = min(size, cls.LIMIT)
        return (
            struct.pack(
                "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | version, version, 0, 0, 0, 33, crc, told, told,
                len(name), len(extra), 0, 0, 0, 0o100644 << 16, min(offset, cls.LIMIT),
            )
            + name
            + extra
        )  # fmt: skip

    @classmethod
    def directory(cls, entries: Sequence[bytes], offset: int) -> bytes:
        """Return the end of the file: the directory, which begins at `offset`, and where to find it."""
        central, count = b"".join(entries), len(entries)
        if count >= 0xFFFF:
            raise ValueError(f"{count} members are too many for one archive")
        wide = b""
        if offset >= cls.LIMIT:
            size = len(central)
            wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 3 << 8 | 45, 45, 0, 0, count, count, size, offset)
            wide += struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(central), min(offset, cls.LIMIT), 0)
        return central + wide + end

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._offset += len(content)


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """Return the zip file of members that are in memory."""
    buffer = io.BytesIO()
    writer = ArchiveWriter(buffer)
    for path in sorted(members):
        content = members[path]
        writer.add(path, size=len(content), crc=zlib.crc32(content), chunks=[content])
    writer.close()
    return buffer.getvalue()


UNREADABLE = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, NotImplementedError, IndexError, struct.error, zlib.error)


def read_archive(findings: Findings, file: BinaryIO) -> Members:
    """Return the members of a zip, having refused what no honest bundle holds; nothing is written to disk."""
    try:
        _refuse_large_directory(file)
        archive = zipfile.ZipFile(file)
    except UNREADABLE as error:
        raise Unusable(f"this is not a readable zip file: {error}") from error
    entries = archive.infolist()
    if len(entries) > MEMBERS_MAX:
        raise Unusable(f"the archive holds more than {MEMBERS_MAX} members")
    accepted: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename
        if not MEMBER_PATTERN.match(name):
            findings.problem("member_path", name, f"The member path {name!r} is not one that a bundle can hold.")
        elif name in accepted:
            findings.problem("member_duplicate", name, f"The member {name} is in the archive twice.")
        elif entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            findings.problem("member_packed", name, f"The member {name} is compressed; bundles store their members as they are.")
        else:
            accepted[name] = entry
    _check_overlaps(findings, entries)
    if findings.holds and not _is_as_written(file, entries):
        findings.problem(
            "archive_altered", "archive", "The zip file is not byte for byte the one that was exported; unpack it to check its members."
        )
    # Read once through zipfile, which compares checksums; from then on as the plain bytes they are, because zipfile goes back slowly.
    damaged: dict[str, str] = {}
    members = Members(
        {
            name: (entry.file_size, functools.partial(open_part, file, _start_of(file, entry), entry.file_size))
            for name, entry in accepted.items()
            if _is_readable(damaged, archive, entry)
        }
    )
    members.damaged.update(damaged)
    return members


class Part(io.RawIOBase):
    """Some bytes of a file as a file of its own; several of one file may be open at a time."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        """Begin at the first of `size` bytes from `start`."""
        super().__init__()
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can seek."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place within the part."""
        self._place = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence])
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read on from the place, not beyond the part."""
        self._file.seek(self._start + self._place)
        content = self._file.read(max(0, min(len(buffer), self._size - self._place)))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


def open_part(file: BinaryIO, start: int, size: int) -> BinaryIO:
    """Return a part of a file, opened to be read."""
    return io.BufferedReader(Part(file, start, size), PART_BUFFER_BYTES)


def _start_of(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Return where the bytes of a stored member begin: behind its header, its name and what else stands there."""
    file.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return entry.header_offset + 30 + int(name) + int(extra)


def _refuse_large_directory(file: BinaryIO) -> None:
    """Look at the number of entries before zipfile reads them all into memory."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 22))
    tail = file.read(22)
    if tail[:4] == b"PK\5\6" and struct.unpack("<H", tail[10:12])[0] > MEMBERS_MAX:
        raise Unusable(f"the archive holds more than {MEMBERS_MAX} members")
    file.seek(0)


def _is_readable(damaged: dict[str, str], archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Tell whether a member's bytes are there; with a wrong checksum they are, and are checked further: that names what changed."""
    name = entry.filename
    try:
        with archive.open(entry) as file:
            try:
                while file.read(CHUNK_BYTES):  # to its end, where zipfile compares the checksum
                    pass
            except zipfile.BadZipFile:
                damaged[name] = f"The member {name} is damaged: its bytes do not have the checksum that the archive states for them."
    except UNREADABLE as error:
        damaged[name] = f"The member {name} can't be read: {error}."
        return False
    return True


def _check_overlaps(findings: Findings, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Check that no byte of the file is two members at once: then no archive unpacks to more than it weighs."""
    end, last = 0, ""
    for entry in sorted(entries, key=lambda item: item.header_offset):
        if entry.header_offset < end:
            findings.problem("member_overlap", entry.filename, f"The members {last} and {entry.filename} share bytes of the archive.")
        end, last = entry.header_offset + 30 + len(entry.filename) + entry.compress_size, entry.filename


def _is_as_written(file: BinaryIO, entries: Sequence[zipfile.ZipInfo]) -> bool:
    """Tell whether headers, order and directory of the archive are exactly what ArchiveWriter makes of these members."""
    offset, central, last = 0, [], ""
    for entry in entries:
        name = entry.filename.encode("ascii")
        expected = ArchiveWriter.local_header(name, entry.file_size, entry.CRC)
        file.seek(offset)
        if entry.filename <= last or file.read(len(expected)) != expected:
            return False
        central.append(ArchiveWriter.central_header(name, entry.file_size, entry.CRC, offset))
        offset, last = offset + len(expected) + entry.file_size, entry.filename
    expected = ArchiveWriter.directory(central, offset)
    file.seek(offset)
    return file.read(len(expected) + 1) == expected


def open_binary(path: Path) -> BinaryIO:
    """Return the file, opened to be read."""
    return path.open("rb")


def read_directory(findings: Findings, directory: Path) -> Members:
    """Return the members of an unpacked bundle."""
    sources: dict[str, tuple[int, Callable[[], BinaryIO]]] = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            findings.problem("member_path", name, f"{name} is a symbolic link; a bundle holds plain files.")
        elif path.is_file():
            if len(sources) >= MEMBERS_MAX:
                raise Unusable(f"the directory holds more than {MEMBERS_MAX} files")
            if MEMBER_PATTERN.match(name):
                sources[name] = (path.stat().st_size, functools.partial(open_binary, path))
            else:
                findings.problem("member_path", name, f"{name!r} is not a path that a bundle can hold.")
    return Members(sources)


# --- Bundles: checking --------------------------------------------------------------------------------------------------------


@dataclass
class Bundle:
    """A bundle being verified."""

    members: Members
    pinned: Sequence[VerifyingKey]
    findings: Findings
    is_signed_with: SignatureCheck = is_signed
    header: dict[str, Any] = field(default_factory=dict)
    checkpoints: dict[bytes, Checkpoint] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    # How many events of each kind go by: what tables are counted against.
    kinds: dict[str, int] = field(default_factory=dict)
    # Whether all of them went by: where a range breaks off, nothing is counted against it.
    are_kinds_counted: bool = True

    def member(self, path: str) -> bytes:
        """Return a member that must be there; raises Malformed."""
        if path not in self.members:
            raise Malformed(f"{path} is missing")
        return self.members[path]

    def document(self, path: str, schema: str) -> dict[str, Any]:
        """Return a canonical JSON member of the given schema; raises Malformed."""
        value = parse_canonical(self.member(path))
        if not isinstance(value, dict) or value.get("schema") != schema:
            raise Malformed(f"{path} is not a {schema}")
        return value

    def trusted_keys(self) -> list[VerifyingKey]:
        """Return the pinned keys, or else the ones that the bundle itself brings."""
        if self.pinned:
            return list(self.pinned)
        trust = self.document("keys/trust.json", TRUST_SCHEMA)
        return [VerifyingKey.parse(str(record_part(item, "vkey"))) for item in trust.get("keys", [])]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of one kind, in order."""
        return [record for record in self.records if record.get("type") == kind]


def verify_members(members: Members, *, pinned: Sequence[VerifyingKey], findings: Findings, kept: Kept | None = None) -> Bundle:
    """Return the bundle with everything checked; what does not hold is in the findings."""
    bundle = Bundle(members, pinned, findings)
    check_manifest(bundle)
    check_manifest_signature(bundle)
    check_content(bundle)
    check_witnesses(bundle)
    if kept is not None and kept.notes:
        check_kept(findings, list(bundle.checkpoints.values()), kept, bundle.trusted_keys(), bundle.is_signed_with)
    if not pinned:
        findings.limitations.append("Integrity only: the key came from the bundle. Pin the key you were given another way with --key.")
    return bundle


def check_content(bundle: Bundle) -> None:
    """Check everything but the manifest: what can be said before there is one."""
    check_header(bundle)
    check_checkpoints(bundle)
    if bundle.header.get("schema") == PERIOD_SCHEMA:
        verify_period(bundle)
        check_tables(bundle)
        return
    check_events(bundle)
    check_proofs(bundle)
    check_payloads(bundle)
    if bundle.records:
        check_action(bundle)
        check_approval(bundle)
        check_finality(bundle)
        check_cited_documents(bundle)
        check_commit(bundle)
    for record in bundle.records:
        bundle.kinds[str(record.get("type"))] = bundle.kinds.get(str(record.get("type")), 0) + 1
    check_tables(bundle)


def check_manifest(bundle: Bundle) -> None:
    """Check that the members are exactly those of the manifest, byte for byte."""
    findings = bundle.findings
    with findings.check("Members match the manifest") as detail:
        for path, sentence in bundle.members.damaged.items():
            findings.problem("member_unreadable", path, sentence)
        manifest = bundle.document("manifest.json", MANIFEST_SCHEMA)
        listed: set[str] = set()
        for item in manifest.get("members", []):
            path = str(record_part(item, "path"))
            findings.expect(path not in listed, "manifest_duplicate", path, f"The manifest lists {path} twice.")
            listed.add(path)
            if path in bundle.members.damaged:
                continue  # named already
            if path not in bundle.members:
                findings.problem("member_missing", path, f"The member {path} is missing.")
            elif bundle.members.measure(path) != (record_part(item, "bytes"), record_part(item, "sha256")):
                findings.problem("member_altered", path, f"The member {path} is not the one that was signed.")
        for path in sorted(set(bundle.members) - listed - SIGNED_APART):
            findings.problem("member_extra", path, f"The member {path} is not in the manifest.")
        detail.append(f"{len(listed)} members")


def check_manifest_signature(bundle: Bundle) -> None:
    """Check that the manifest is signed (DSSE) by a pinned key, or by the bundle's own."""
    findings = bundle.findings
    with findings.check("The manifest is signed") as detail:
        envelope = parse_canonical(bundle.member("manifest.dsse.json"))
        manifest = bundle.member("manifest.json")
        if record_part(envelope, "payloadType") != MANIFEST_TYPE or record_part(envelope, "payload") != encode_base64(manifest):
            findings.problem("manifest_unsigned", "manifest.dsse.json", "The envelope does not hold this manifest.")
        signatures = [item for item in record_part(envelope, "signatures") or [] if isinstance(item, dict)]
        if set(envelope) != {"payload", "payloadType", "signatures"} or len(signatures) != 1:
            raise Malformed("the envelope does not hold exactly one signature")
        message = dsse_message(MANIFEST_TYPE, manifest)
        keyid, signature = str(signatures[0].get("keyid", "")), decode_base64(str(signatures[0].get("sig", "")))
        signers = [
            key for key in bundle.trusted_keys()
            if f"{key.name}+{key.key_id.hex()}" == keyid and bundle.is_signed_with(key.public, message, signature)
        ]  # fmt: skip
        whose = "a pinned key" if bundle.pinned else "the key in the bundle"
        findings.expect(bool(signers), "manifest_signature", "manifest.dsse.json", f"The manifest is not signed by {whose}.")
        detail.append(f"by {whose}: {keyid}")


def check_header(bundle: Bundle) -> None:
    """Check that bundle.json says what this is."""
    with bundle.findings.check("The bundle says what it is") as detail:
        is_period = record_part(parse_canonical(bundle.member("bundle.json")), "schema") == PERIOD_SCHEMA
        header = bundle.document("bundle.json", PERIOD_SCHEMA if is_period else BUNDLE_SCHEMA)
        for name in ("chain_id", "origin", *(("since", "until") if is_period else ("proposal",))):
            if not isinstance(header.get(name), str) or not header[name]:
                raise Malformed(f"bundle.json does not name its {name}")
        bundle.header = header
        trust = bundle.document("keys/trust.json", TRUST_SCHEMA)
        bundle.findings.expect(
            trust.get("origin") == header["origin"] == f"countersign/{header['chain_id']}",
            "origin_differs", "bundle.json", "Bundle, trust and chain do not name the same origin.",
        )  # fmt: skip
        bundle.findings.expect(
            header.get("region") == header["chain_id"].rpartition("/")[2],
            "region_differs", "bundle.json", f"bundle.json names the region {header.get('region')}, the chain another one.",
        )  # fmt: skip
        detail.append(f"{subject_of(header)} of chain {header['chain_id']}")


def subject_of(header: Mapping[str, Any]) -> str:
    """Return what the bundle is about, in words."""
    if header.get("schema") == PERIOD_SCHEMA:
        return f"period {header.get('since', '?')} to {header.get('until', '?')}"
    return f"proposal {header.get('proposal', '?')}"


def check_checkpoints(bundle: Bundle) -> None:
    """Check that every checkpoint is well-formed, of this chain, and signed."""
    findings = bundle.findings
    with findings.check("Checkpoints are signed") as detail:
        for path in sorted(path for path in bundle.members if path.startswith("checkpoints/")):
            note = bundle.members[path]
            checkpoint = Checkpoint.parse(note)
            keys = bundle.trusted_keys()
            findings.expect(
                any(checkpoint.is_signed_by(key, bundle.is_signed_with) for key in keys),
                "signed_by_another_key" if any(checkpoint.is_signed_by_another(key) for key in keys) else "checkpoint_signature",
                path, f"{path} is not signed by {'a pinned' if bundle.pinned else 'the bundle’s'} key.",
            )  # fmt: skip
            findings.expect(
                checkpoint.origin == bundle.header.get("origin"), "checkpoint_origin", path, f"{path} is of {checkpoint.origin}."
            )
            findings.expect(
                path == f"checkpoints/{checkpoint.size:012d}.note", "checkpoint_name", path, f"{path} holds size {checkpoint.size}."
            )
            bundle.checkpoints[note] = checkpoint
        claimed = bundle.header.get("checkpoint")
        findings.expect(
            any({"size": item.size, "root": item.root.hex()} == claimed for item in bundle.checkpoints.values()),
            "checkpoint_missing", "checkpoints/", "The checkpoint that bundle.json names is not there.",
        )  # fmt: skip
        detail.append(", ".join(f"size {item.size}" for item in bundle.checkpoints.values()))


def check_events(bundle: Bundle) -> None:
    """Check each event's leaf and entry, and that the proposal's own chain is complete from its first event."""
    findings = bundle.findings
    with findings.check("Events are complete and linked") as detail:
        lines = bundle.member("events.jsonl").split(b"\n")
        if lines[-1] != b"":
            raise Malformed("events.jsonl does not end with a line break")
        links = SubjectLinks()
        before: dict[str, Any] = {}
        for line in lines[:-1]:
            event = parse_canonical(line)
            _check_event_line(bundle, event, before, links)
            before = event
        expected = bundle.header.get("events")
        findings.expect(
            len(bundle.events) == expected and bool(bundle.events),
            "event_count", "events.jsonl", f"bundle.json counts {expected} events; there are {len(bundle.events)}.",
        )  # fmt: skip
        ends = [bundle.events[index]["sequence"] for index in (0, -1)] if bundle.events else [None, None]
        findings.expect(
            ends == [bundle.header.get("first_sequence"), bundle.header.get("last_sequence")],
            "event_range", "events.jsonl", f"bundle.json names another range than {ends[0]} to {ends[1]}.",
        )  # fmt: skip
        if bundle.records:
            findings.expect(
                bundle.records[0].get("type") == "proposal:proposed",
                "first_event", "events.jsonl", "The first event is not the proposal being proposed.",
            )  # fmt: skip
        detail.append(f"{len(bundle.events)} events")


def _check_event_line(bundle: Bundle, event: Any, before: Mapping[str, Any], links: SubjectLinks) -> None:
    findings = bundle.findings
    names = {"sequence", "event_id", "previous_entry", "entry", "leaf", "bytes"}
    if not isinstance(event, dict) or set(event) != names or not isinstance(event["sequence"], int):
        raise Malformed("a line of events.jsonl does not hold exactly " + ", ".join(sorted(names)))
    sequence, where = event["sequence"], f"sequence {event['sequence']}"
    try:
        previous, entry, leaf = (bytes.fromhex(event[name]) for name in ("previous_entry", "entry", "leaf"))
    except (ValueError, TypeError) as error:
        raise Malformed(f"a digest at {where} is not hexadecimal") from error
    if not 1 <= sequence < 2**53:
        raise Malformed(f"{sequence} is not a sequence")
    findings.expect(sequence > before.get("sequence", 0), "event_order", where, f"{event['event_id']} at {where} is out of order.")
    findings.expect(
        entry_hash(sequence, previous, leaf) == entry, "entry_wrong", where, f"The entry at {where} is not the digest of its place."
    )
    if sequence == 1:
        findings.expect(
            previous == genesis_entry(str(bundle.header.get("chain_id"))), "entry_unlinked", where, "The first entry is not this chain's."
        )
    if sequence == before.get("sequence", 0) + 1 and before:
        findings.expect(
            event["previous_entry"] == before["entry"], "entry_unlinked", where, f"The entry at {where} does not continue the one before."
        )
    stored = decode_base64(event["bytes"])
    record = check_event(findings, where, event_id=event["event_id"], chain_id=str(bundle.header.get("chain_id")), stored=stored, leaf=leaf)
    bundle.events.append(event)
    if record is None:
        return
    bundle.records.append(record)
    links.follow(findings, where, record, leaf)
    findings.expect(
        record_part(record, "subject", "proposal") == bundle.header.get("proposal") == record_part(record, "link", "chain"),
        "foreign_event", where, f"{event['event_id']} is not an event of this proposal.",
    )  # fmt: skip


def check_proofs(bundle: Bundle) -> None:
    """Check that each event is proved to stand in the tree of a signed checkpoint (C2SP tlog-proof)."""
    findings = bundle.findings
    with findings.check("Events are included in a signed checkpoint") as detail:
        expected = {f"proofs/{event['sequence']:012d}.tlog-proof": event for event in bundle.events}
        for path in sorted(path for path in bundle.members if path.startswith("proofs/") and path not in expected):
            findings.problem("proof_extra", path, f"{path} proves no event of this bundle.")
        for path, event in expected.items():
            head, blank, note = bundle.member(path).partition(b"\n\n")
            lines = head.decode("ascii", errors="replace").split("\n")
            checkpoint = bundle.checkpoints.get(note)
            if not blank or lines[0] != TLOG_PROOF_HEADER or lines[1:2] != [f"index {event['sequence'] - 1}"]:
                findings.problem("proof_malformed", path, f"{path} is not the proof of sequence {event['sequence']}.")
            elif checkpoint is None:
                findings.problem("proof_checkpoint", path, f"{path} leans on a checkpoint that is not in the bundle.")
            elif not is_included(
                bytes.fromhex(event["leaf"]),
                index=event["sequence"] - 1,
                size=checkpoint.size,
                path=[decode_base64(line) for line in lines[2:]],
                root=checkpoint.root,
            ):
                findings.problem("proof_wrong", path, f"{path} does not prove that {event['event_id']} is in the tree.")
        detail.append(f"{len(expected)} proofs")


def check_payloads(bundle: Bundle) -> None:
    """Check that payloads are the ones the events are committed to, and that what is missing was shredded on record."""
    findings = bundle.findings
    with findings.check("Payloads match their commitments") as detail:
        known: set[str] = set()
        shredded: set[str] = set()
        tombstones = {str(record.get("event_id")): record for record in bundle.of_kind(SHREDDED_KIND)}
        for record in bundle.records:
            commitment, stem = record.get("payload_commitment", ""), f"payloads/{record.get('event_id')}"
            if not commitment:
                continue
            tombstone = f"tombstones/{record.get('event_id')}.json"
            if tombstone in bundle.members:
                shredded.add(tombstone)
                _check_tombstone(bundle, record, tombstone, tombstones)
                continue
            known |= {f"{stem}.json", f"{stem}.salt"}
            content, salt = bundle.member(f"{stem}.json"), bundle.member(f"{stem}.salt")
            try:
                matches = payload_commitment(bytes.fromhex(salt.decode("ascii").strip()), content) == commitment
            except ValueError:
                matches = False
            findings.expect(matches, "payload_swapped", f"{stem}.json", f"{stem}.json is not the payload that its event committed to.")
        for path in sorted(
            path for path in bundle.members if path.startswith(("payloads/", "tombstones/")) and path not in known | shredded
        ):
            findings.problem("payload_extra", path, f"{path} belongs to no event, or to one whose payload was shredded.")
        detail.append(f"{len(known) // 2} payloads" + (f", {len(shredded)} shredded" if shredded else ""))


def _check_tombstone(bundle: Bundle, record: Mapping[str, Any], path: str, tombstones: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the note of a shredded payload is about this event, and that the event it names says so, if that one is here."""
    event_id, note = str(record.get("event_id")), bundle.document(path, TOMBSTONE_SCHEMA)
    named = str(note.get("tombstone", ""))
    bundle.findings.expect(
        note.get("event_id") == event_id and bool(named), "tombstone_differs", path, f"{path} is not the tombstone of {event_id}'s payload."
    )
    if named not in tombstones:  # it would stand in the chain of the proposal, which is here from its first event on
        bundle.findings.problem(
            "shredded_unrecorded", path, f"The payload of {event_id} is gone; {named}, which is said to say so, is not among the events."
        )
    elif event_id not in (record_part(tombstones[named], "outcome", "events") or []):
        bundle.findings.problem("tombstone_differs", path, f"{named} does not say that the payload of {event_id} was shredded.")


# --- Bundles: what the events and the other apps' members say about each other -------------------------------------------------


def check_action(bundle: Bundle) -> None:
    """Check that what was proposed, approved and sent is one and the same action."""
    findings = bundle.findings
    with findings.check("Proposed, approved and sent are the same action") as detail:
        kinds = ("proposal:proposed", "approval:decided", "approval:granted", "commit:started", "commit:succeeded")
        digests = {
            str(record["action_digest"]): kind
            for kind in kinds for record in bundle.of_kind(kind) if record.get("action_digest")
        }  # fmt: skip
        findings.expect(
            len(digests) == 1, "action_differs", "events.jsonl", f"The events name {len(digests)} different actions: {digests}."
        )
        for kind in ("proposal:proposed", "approval:granted", "commit:started"):
            for record in bundle.of_kind(kind):
                findings.expect(
                    bool(record.get("action_digest")), "action_unnamed", str(record.get("event_id")), f"A {kind} names no action."
                )
        for record in bundle.of_kind("approval:decided"):
            decided_on = record_part(record, "human", "payload_digest")
            findings.expect(
                not decided_on or decided_on == record.get("action_digest"),
                "action_differs", str(record.get("event_id")), "A decision was made on another action than the one its event names.",
            )  # fmt: skip
        action = bundle.members.get("proposal/action.json")
        if action is None:
            findings.limitations.append("The proposed action is not in the bundle; only its digest was compared.")
            return
        digest = digest_text(ACTION_PURPOSE, action)
        findings.expect(
            set(digests) == {digest}, "action_swapped", "proposal/action.json", "This action is not the one that was decided on."
        )
        request = bundle.members.get("erp/request.json")
        if request is None:
            if bundle.of_kind("commit:started"):
                findings.limitations.append("The request to the ERP is not in the bundle.")
            return
        findings.expect(
            _requested_action(request) == action, "request_differs", "erp/request.json", "What was sent is not the approved action."
        )
        detail.append(digest)


def _requested_action(request: bytes) -> bytes:
    """Return the action within the stored request: the request itself, or its member `action` in canonical form."""
    value = parse_canonical(request)
    inner = value.get("action") if isinstance(value, dict) else None
    return canonical_json(inner) if isinstance(inner, dict) and "key" in value else request


def check_approval(bundle: Bundle) -> None:
    """Check that approval came before the commit, by enough distinct people, none of them excluded."""
    findings = bundle.findings
    with findings.check("The gate was passed before anything was sent") as detail:
        order = {str(record["event_id"]): number for number, record in enumerate(bundle.records)}
        granted = [order[str(record["event_id"])] for record in bundle.of_kind("approval:granted")]
        for record in bundle.of_kind("commit:started") + bundle.of_kind("commit:succeeded"):
            if not any(number < order[str(record["event_id"])] for number in granted):
                findings.problem("approval_late", str(record["event_id"]), f"{record['type']} has no approval before it.")
        decided = bundle.of_kind("approval:decided")
        approvers = [str(record_part(record, "actor", "id")) for record in decided if record_part(record, "human", "decision") == "approve"]
        for record in decided:
            findings.expect(
                record_part(record, "actor", "kind") == "human",
                "decider_not_human", str(record["event_id"]), "A decision was not made by a person.",
            )  # fmt: skip
        _check_route(bundle, approvers)
        _check_decisions(bundle, decided)
        signed = _check_signatures(bundle, decided) + _check_sets(bundle, decided)
        detail.append(f"{len(set(approvers))} approvers, {len(granted)} approvals{f', {signed} signed by a passkey' if signed else ''}")


def check_finality(bundle: Bundle) -> None:
    """Check that what had to be sealed first was: each commit names the places of what it leaned on, and they are those places."""
    findings = bundle.findings
    with findings.check("What had to be final was sealed before anything was sent") as detail:
        places = {str(event["event_id"]): (event["sequence"], event["entry"]) for event in bundle.events}
        granted = {
            str(record["event_id"]) for record in bundle.of_kind("approval:granted")
            if record_part(record, "gate", "final") == FINAL_WITH_SEAL
        }  # fmt: skip
        count = 0
        for record in bundle.of_kind("commit:started"):
            where = str(record["event_id"])
            own = places.get(where, (0, ""))[0]
            listed = record_part(record, "gate", "sealed")
            receipts = {str(record_part(item, "event")): item for item in (listed if isinstance(listed, list) else ())}
            count += len(receipts)
            for event_id, item in receipts.items():
                sequence, entry = record_part(item, "sequence"), record_part(item, "entry")
                findings.expect(
                    isinstance(sequence, int) and sequence < own and places.get(event_id, (sequence, entry)) == (sequence, entry),
                    "receipt_differs", where, f"It was sent on a sealed receipt of {event_id} that is not its place in the chain.",
                )  # fmt: skip
            for event_id in sorted(granted - set(receipts)):
                findings.problem("receipt_missing", where, f"It was sent without a sealed receipt of {event_id}.")
        detail.append(f"{count} receipts")


def _check_route(bundle: Bundle, approvers: Sequence[str]) -> None:
    findings = bundle.findings
    if "gate/route.json" not in bundle.members:
        if bundle.of_kind("approval:granted"):
            findings.limitations.append("The route is not in the bundle; who was excluded was not checked.")
        return
    route = parse_json(bundle.members["gate/route.json"])
    _check_policy(bundle, route)
    _check_routed(bundle, route)
    excluded = {str(item.get("user", "")) if isinstance(item, dict) else str(item) for item in record_part(route, "excluded") or []}
    for approver in sorted(set(approvers) & excluded):
        findings.problem("approver_excluded", "gate/route.json", f"Person {approver} approved although excluded from deciding.")
    required = record_part(route, "required_approvals") or 0
    if bundle.of_kind("approval:granted") and record_part(route, "automatic") is not True:
        findings.expect(
            isinstance(required, int) and len(set(approvers)) >= max(1, required),
            "approvals_missing", "gate/route.json", f"{len(set(approvers))} distinct people approved; the route asks for {required}.",
        )  # fmt: skip


def _check_routed(bundle: Bundle, route: Any) -> None:
    """Check that the route is the one in the log: how many have to approve, who is excluded, and that nothing later names another."""
    routed = bundle.of_kind("gate:routed")
    if not routed:
        return
    gate = record_part(routed[-1], "gate")
    stated = {
        "automatic": record_part(route, "automatic"),
        "approvals_required": record_part(route, "required_approvals"),
        "sod": _who_and_why(record_part(route, "excluded")),
        "route_digest": record_part(route, "route_digest"),
    }
    logged = {**{name: record_part(gate, name) for name in stated}, "sod": _who_and_why(record_part(gate, "sod"))}
    found = bundle.members.get("gate/route_as_found.json")
    bundle.findings.expect(
        found is None or digest_text(ROUTE_PURPOSE, found) == logged["route_digest"],
        "route_differs", "gate/route_as_found.json", "This is not the route that the log names.",
    )  # fmt: skip
    for name in sorted(name for name in stated if stated[name] != logged[name]):
        bundle.findings.problem("route_differs", "gate/route.json", f"The route says another {name} than the log does.")
    for record in bundle.records:
        named = record_part(record, "gate", "route_digest")
        bundle.findings.expect(
            record.get("type") == "gate:routed" or not named or named == logged["route_digest"],
            "route_differs", str(record.get("event_id")), f"{record.get('type')} names another route than the log does.",
        )  # fmt: skip


def _who_and_why(excluded: Any) -> list[tuple[str, str]]:
    return sorted({(str(record_part(item, "user")), str(record_part(item, "reason"))) for item in excluded or []})


def _check_policy(bundle: Bundle, route: Any) -> None:
    """Check that the policy's text is the one that the route was found by and that the events name."""
    text, stated = bundle.members.get("gate/policy.json"), str(record_part(route, "policy", "digest") or "")
    gates = [record_part(record, "gate", "digest") for record in bundle.records if str(record.get("type")).startswith("approval:")]
    named = {str(digest) for digest in (stated, *gates) if digest}
    if text is None:
        if named:
            bundle.findings.limitations.append("The policy's text is not in the bundle; only its digest is known.")
        return
    bundle.findings.expect(
        named <= {digest_text(POLICY_PURPOSE, text)},
        "policy_differs", "gate/policy.json", "This policy is not the one by which the route was found.",
    )  # fmt: skip


def _check_decisions(bundle: Bundle, decided: Sequence[Mapping[str, Any]]) -> None:
    if "gate/decisions.json" not in bundle.members:
        return
    names = ("decision", "payload_digest", "presentation_digest", "page_digest", "shown_at", "decided_at", "step", "second_factor")
    listed = sorted(
        (
            str(record_part(item, "user")),
            bool(record_part(item, "signed")),
            *(str(record_part(item, name) or "") for name in names),
        )
        for item in record_part(parse_json(bundle.members["gate/decisions.json"]), "decisions") or []
    )
    logged = sorted(
        (
            str(record_part(record, "actor", "id")),
            bool(record_part(record, "human", "signature")),
            *(str(record_part(record, "human", name) or "") for name in names),
        )
        for record in decided
    )
    bundle.findings.expect(
        listed == logged, "decisions_differ", "gate/decisions.json", "The decisions listed are not the decisions in the audit log."
    )


def _check_signatures(bundle: Bundle, decided: Sequence[Mapping[str, Any]]) -> int:
    """Check each decision that a passkey signed, from its event alone, and the statement that was signed; return how many there are."""
    findings, statements = bundle.findings, _signed_statements(bundle)
    signed = 0
    for record in decided:
        kept, where = record_part(record, "human", "signature"), str(record["event_id"])
        if not isinstance(kept, dict):
            continue
        signed += 1
        _check_assertion(findings, kept, where)
        statement = statements.get(str(kept.get("digest")))
        if statement is None:
            findings.limitations.append("The statement that a passkey signed is not in the bundle; its signature was checked without it.")
            continue
        said = {name: record_part(statement, name) for name in ("decision", "payload_digest", "presentation_digest", "page_digest", "user")}
        human, actor = record_part(record, "human"), str(record_part(record, "actor", "id"))
        logged = {**{name: record_part(human, name) for name in said if name != "user"}, "user": actor}
        findings.expect(
            said == logged,
            "signature_of_another_decision", where, "A passkey signed another decision than the one in the log.",
        )  # fmt: skip
    return signed


def _check_assertion(findings: Findings, kept: Mapping[str, Any], where: str) -> None:
    """Check the passkey's signature itself, from its bytes alone."""
    try:
        for problem in passkey_problems(_kept_assertion(kept)):
            findings.problem("signature_broken", where, f"The passkey's signature of a decision does not hold. {problem}")
    except Uncheckable as error:
        findings.limitations.append(f"A decision was signed with {error}, which this verifier can't compute with.")
    except (Malformed, KeyError, TypeError, ValueError) as error:
        findings.problem("signature_broken", where, f"The passkey's signature of a decision is no signature: {error}.")


def _check_sets(bundle: Bundle, decided: Sequence[Mapping[str, Any]]) -> int:
    """Check each decision on a set: it is that set, this proposal is in it as decided, the signature holds; return how many are signed."""
    sets: dict[str, Mapping[str, Any]] = {}
    if "gate/bulks.json" in bundle.members:
        listed = record_part(parse_json(bundle.members["gate/bulks.json"]), "bulks") or []
        sets = {str(record_part(item, "set_digest")): item for item in listed if isinstance(item, dict)}
    signed = 0
    for record in decided:
        digest, said = record_part(record, "human", "set_digest"), record_part(record, "human", "set_signature")
        if not digest:
            continue
        kept = sets.get(str(digest))
        if kept is None:
            bundle.findings.limitations.append("The set that a decision was made on is not in the bundle; only its digest is known.")
            continue
        content = _set_decided_on(bundle.findings, record, kept)
        if said or kept.get("signature"):
            signed += 1
            _check_set_signature(bundle.findings, record, kept, content)
    return signed


def _set_decided_on(findings: Findings, record: Mapping[str, Any], kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the set if it has the digest that the decision names; what does not hold about it is named."""
    where, stored = "gate/bulks.json", str(kept.get("set", "")).encode("utf-8")
    if digest_text(BULK_PURPOSE, stored) != record_part(record, "human", "set_digest"):
        findings.problem("set_forged", where, "A set is not the one that was decided on.")
        return {}
    content: Any = parse_json(stored)
    items = [item for item in record_part(content, "items") or [] if isinstance(item, dict)]
    human = record_part(record, "human")
    wanted = (
        record_part(record, "subject", "proposal"), record_part(human, "payload_digest"), record_part(human, "presentation_digest")
    )  # fmt: skip
    found = [(item.get("proposal"), item.get("payload_digest"), item.get("presentation_digest")) for item in items]
    findings.expect(found.count(wanted) == 1, "not_in_set", where, "This proposal, as it was decided on, is not in the set.")
    findings.expect(
        record_part(content, "count") == len(items) and record_part(content, "sums") == _sums(items),
        "set_miscounted", where, "The set says another number or another sum than its items have.",
    )  # fmt: skip
    return content if isinstance(content, dict) else {}


def _sums(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for item in items:
        amount = item.get("amount_minor")
        sums[str(item.get("currency"))] = sums.get(str(item.get("currency")), 0) + (amount if isinstance(amount, int) else 0)
    return sums


def _check_set_signature(findings: Findings, record: Mapping[str, Any], kept: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Check that the person's passkey signed this set: the signature that the log names, over its digest, number and sums."""
    where, said, signature = "gate/bulks.json", record_part(record, "human", "set_signature"), kept.get("signature")
    if not isinstance(signature, dict):
        findings.problem("signature_missing", where, "The log says that a passkey signed the set; its signature is not there.")
        return
    _check_assertion(findings, signature, where)
    statement = str(record_part(signature, "statement")).encode("utf-8")
    if digest_text(DECISION_PURPOSE, statement) != record_part(signature, "digest"):
        findings.problem("statement_forged", where, "A statement is not the one that was signed.")
        return
    meant: Any = parse_json(statement)
    names = ("decision", "set_digest", "count", "sums", "user")
    expected = {
        "decision": record_part(record, "human", "decision"),
        "set_digest": record_part(record, "human", "set_digest"),
        "count": content.get("count"),
        "sums": content.get("sums"),
        "user": str(record_part(record, "actor", "id")),
    }
    findings.expect(
        said == record_part(signature, "digest") and {name: record_part(meant, name) for name in names} == expected,
        "signature_of_another_set", where, "A passkey signed another set than the one that was decided on.",
    )  # fmt: skip


def _signed_statements(bundle: Bundle) -> dict[str, Any]:
    """Return what was signed by its digest; a statement that does not have its digest is left out and named."""
    found: dict[str, Any] = {}
    if "gate/signatures.json" not in bundle.members:
        return found
    for item in record_part(parse_json(bundle.members["gate/signatures.json"]), "signatures") or []:
        statement = str(record_part(item, "statement")).encode("utf-8")
        digest = digest_text(DECISION_PURPOSE, statement)
        if digest == record_part(item, "digest"):
            found[digest] = parse_json(statement)
        else:
            bundle.findings.problem("statement_forged", "gate/signatures.json", "A statement is not the one that was signed.")
    return found


def _kept_assertion(kept: Mapping[str, Any]) -> Assertion:
    """Return the signature that stands in an event."""
    parts = {name: decode_base64(str(kept[name])) for name in ("nonce", "client_data", "authenticator_data", "signature", "public_key")}
    digest = bytes.fromhex(str(kept["digest"])[len("sha256:") :])
    return Assertion(digest=digest, rp_id=str(kept["rp_id"]), origin=str(kept["origin"]), **parts)


def _check_shown_pages(bundle: Bundle) -> int:
    """Check that the pages as shown are those that decisions name, and that attachments have their digests; return how many there are."""
    findings = bundle.findings
    if not any(record_part(record, "link", "position") == 1 for record in bundle.records):
        return 0  # a part of its life only: what was attached or decided before is not in these events
    named = {str(record_part(record, "human", "page_digest")) for record in bundle.of_kind("approval:decided")} - {"", "None"}
    count = 0
    for path in bundle.members:
        if path.startswith("proposal/as_shown"):
            count += 1
            digest = "sha256:" + hashlib.sha256(bundle.members[path]).hexdigest()
            findings.expect(not named or digest in named, "page_forged", path, f"{path} is not a page that a decision names.")
    attached = {
        str(item.get("digest"))
        for record in bundle.of_kind("proposal:attached") for item in record.get("evidence", []) if isinstance(item, dict)
    }  # fmt: skip
    for path in bundle.members:
        if path.startswith("proposal/attachments/"):
            count += 1
            digest = "sha256:" + hashlib.sha256(bundle.members[path]).hexdigest()
            findings.expect(digest in attached, "attachment_forged", path, f"{path} was never attached.")
    return count


def check_cited_documents(bundle: Bundle) -> None:
    """Check that pages as shown and reads as cited have the digests that the events hold."""
    findings = bundle.findings
    with findings.check("Pages shown and reads cited match their digests") as detail:
        cited = {
            str(item.get("source")): str(item.get("digest"))
            for record in bundle.records for item in record.get("evidence", []) if isinstance(item, dict)
        }  # fmt: skip
        shown = {str(record_part(record, "human", "presentation_digest")) for record in bundle.of_kind("approval:decided")} - {""}
        count = 0
        for path, stored in bundle.members.items():
            stem = path.rpartition("/")[2][: -len(".json")]
            if path.startswith("proposal/reads/"):
                count += 1
                if stem in cited:
                    findings.expect(
                        digest_text("countersign.read/1", stored) == cited[stem], "read_forged", path, f"{path} is not what the agent read."
                    )
            elif path.startswith("proposal/presentation-"):
                count += 1
                digest = digest_text("countersign.presentation/1", stored)
                findings.expect(
                    f"presentation-{digest[len('sha256:') :]}" == stem, "page_forged", path, f"{path} is not the page that its name states."
                )
                shown.discard(digest)
        if shown:
            findings.limitations.append(f"{len(shown)} of the pages that were decided on are not in the bundle.")
        count += _check_shown_pages(bundle)
        detail.append(f"{count} documents")


def check_commit(bundle: Bundle) -> None:
    """Check that the ERP posted once, and that what it posted is what was read back, or that the difference is on record."""
    findings = bundle.findings
    with findings.check("The ERP's answer and the read-back agree with the log") as detail:
        succeeded = bundle.of_kind("commit:succeeded")
        if not succeeded:
            findings.limitations.append("The proposal was not committed.")
            return
        findings.expect(len(succeeded) == 1, "committed_twice", "events.jsonl", f"The commit succeeded {len(succeeded)} times.")
        outcome = record_part(succeeded[-1], "outcome")
        document = record_part(outcome, "document")
        for path, purpose, name in (
            ("erp/receipt.json", "countersign.receipt/1", "receipt_digest"),
            ("erp/read_back.json", "countersign.read_back/1", "read_back_digest"),
        ):
            stored = bundle.members.get(path)
            if stored is None:
                findings.limitations.append(f"{path} is not in the bundle.")
                continue
            expected = record_part(outcome, name)
            if expected:
                findings.expect(digest_text(purpose, stored) == expected, "erp_document", path, f"{path} is not the one in the log.")
            content = parse_json(stored)
            findings.expect(
                record_part(content, "document") == document, "document_differs", path, f"{path} is not about document {document}."
            )
            if path == "erp/read_back.json":
                _check_differences(findings, record_part(content, "differences"), record_part(outcome, "differences"))
        detail.append(f"document {document}")


def _check_differences(findings: Findings, found: Any, reported: Any) -> None:
    found_count = len(found) if isinstance(found, list) else found or 0
    reported_count = len(reported) if isinstance(reported, list) else reported or 0
    findings.expect(
        found_count == reported_count,
        "differences_hidden", "erp/read_back.json", f"Read-back found {found_count} differences; the log reports {reported_count}.",
    )  # fmt: skip
    if found_count and found_count == reported_count:
        findings.limitations.append(f"What landed differs from what was approved in {found_count} fields, as the log reports.")


# --- Bundles: tables, with their counts and control totals ------------------------------------------------------------------------


def check_tables(bundle: Bundle) -> None:
    """Check that each table has the rows and the sums it states, and as many rows as there are events of its kind."""
    findings = bundle.findings
    if "tables.json" not in bundle.members:
        return
    with findings.check("Tables have the rows and control totals they state") as detail:
        listed, rows = set(), 0
        for table in bundle.document("tables.json", TABLES_SCHEMA).get("tables", []):
            path = str(record_part(table, "path"))
            listed.add(path)
            rows += _check_table(bundle, path, table)
        for path in sorted(path for path in bundle.members if path.endswith(".csv") and path not in listed):
            findings.problem("table_unlisted", path, f"{path} is a table that tables.json does not describe.")
        detail.append(f"{len(listed)} tables, {rows} rows")


def _check_table(bundle: Bundle, path: str, table: Any) -> int:
    findings = bundle.findings
    names = [str(record_part(column, "name")) for column in record_part(table, "columns") or []]
    totals = [(str(record_part(item, "column")), str(record_part(item, "by"))) for item in record_part(table, "totals") or []]
    sums: dict[str, dict[str, Decimal]] = {amount: {} for amount, _ in totals}
    count = 0
    with io.TextIOWrapper(bundle.members.open(path), encoding="utf-8", newline="") as text:
        try:
            rows = csv.reader(text, strict=True)
            if next(rows, []) != names or any(amount not in names or by not in names for amount, by in totals):
                raise Malformed(f"{path} does not have the columns that tables.json describes")
            places = [(amount, names.index(amount), names.index(by)) for amount, by in totals]
            for row in rows:
                count += 1
                if len(row) != len(names):
                    raise Malformed(f"row {count} of {path} has {len(row)} fields, not {len(names)}")
                for amount, place, by_place in places:
                    if row[place]:
                        sums[amount][row[by_place]] = sums[amount].get(row[by_place], Decimal(0)) + Decimal(row[place])
        except (csv.Error, UnicodeDecodeError, ArithmeticError) as error:
            raise Malformed(f"{path} can't be read: {error}") from error
    findings.expect(
        count == record_part(table, "rows"), "table_rows", path, f"{path} has {count} rows; tables.json says {record_part(table, 'rows')}."
    )
    for item in record_part(table, "totals") or []:
        stated = {str(key): str(value) for key, value in (record_part(item, "sums") or {}).items()}
        found = {key: f"{value:f}" for key, value in sums[str(item["column"])].items()}
        findings.expect(stated == found, "table_totals", path, f"The sums of {item['column']} in {path} are not the stated ones.")
    kind = record_part(table, "of_kind")
    if kind and bundle.are_kinds_counted:
        events = bundle.kinds.get(str(kind), 0)
        findings.expect(count == events, "table_events", path, f"{path} has {count} rows for {events} events {kind} in the log.")
    return count


# --- Bundles: a period ------------------------------------------------------------------------------------------------------------

NAMED, WITHHELD = {"sequence", "event_id", "previous_entry", "entry", "leaf", "bytes"}, {"sequence", "previous_entry", "entry", "leaf"}


@dataclass
class PeriodWalk:
    """What is known while the events of a period go by; memory grows neither with them nor with the number of proposals."""

    frontier: Frontier
    roots: Mapping[int, list[tuple[str, bytes]]]
    links: PeriodLinks
    payloads: LockStep
    tombstones: LockStep
    places: ProposalPlaces
    count: int = 0
    withheld: int = 0
    sequence: int = 0
    entry: str = ""
    commitments: int = 0
    roots_checked: int = 0


class PeriodLinks(SubjectLinks):
    """Per-subject chains whose beginning may lie before the period, and some of whose events may be withheld."""

    def __init__(self) -> None:
        """Begin with no subject, and nothing withheld."""
        super().__init__()
        self._withheld: set[bytes] = set()
        self._withheld_put_away: TemporaryTable | None = None

    def withhold(self, leaf: bytes) -> None:
        """Note the leaf of a withheld event: an event of its subject may name it as the one before."""
        self._withheld.add(leaf)
        if len(self._withheld) <= self._most:
            return
        try:
            self._withheld_put_away = self._withheld_put_away or TemporaryTable("leaf BLOB PRIMARY KEY")
        except ImportError:
            self._most = sys.maxsize  # without SQLite everything stays in memory
            return
        self._withheld_put_away.put("INSERT OR IGNORE INTO kept VALUES (?)", ((item,) for item in self._withheld))
        self._withheld.clear()

    def _is_withheld(self, previous: str) -> bool:
        try:
            leaf = bytes.fromhex(previous)
        except ValueError:
            return False
        if leaf in self._withheld or self._withheld_put_away is None:
            return leaf in self._withheld
        return bool(self._withheld_put_away.ask("SELECT 1 FROM kept WHERE leaf = ?", leaf))

    def follow(self, findings: Findings, where: str, record: Mapping[str, Any], leaf: bytes) -> None:
        """Take the first event of a subject as it comes; from then on nothing may be missing but what is withheld."""
        chain, position = str(record_part(record, "link", "chain")), record_part(record, "link", "position")
        previous, end = str(record_part(record, "link", "previous")), self.end_of(chain)
        if isinstance(position, int) and position > end[0] + 1 and (end == _BEGINNING or self._is_withheld(previous)):
            self._ends[chain] = (position - 1, previous)
        super().follow(findings, where, record, leaf)


class ProposalPlaces:
    """Where the events of each proposal begin in events.jsonl, and whether the first of them is its first at all."""

    def __init__(self) -> None:
        """Begin with no proposal."""
        self._rows: list[tuple[bytes, int, bool]] = []
        self._put_away: TemporaryTable | None = None
        self._most = KEPT_IN_MEMORY_MAX
        self._in_memory: dict[bytes, list[tuple[int, bool]]] = {}

    def add(self, proposal: str, offset: int, *, is_first: bool) -> None:
        """Note one more event."""
        self._rows.append((_name_bytes(proposal), offset, is_first))
        if len(self._rows) > self._most:
            self._put_rows_away()

    def finish(self) -> int:
        """Make ready to be asked, and return how many proposals there are."""
        if self._put_away is None:
            for name, offset, is_first in self._rows:
                self._in_memory.setdefault(name, []).append((offset, is_first))
            return len(self._in_memory)
        self._put_rows_away()
        return int(self._put_away.ask("SELECT count(DISTINCT name) FROM kept")[0][0])

    def of(self, proposal: str) -> list[tuple[int, bool]]:
        """Return the places of a proposal's events, in their order."""
        name = _name_bytes(proposal)
        if self._put_away is None:
            return self._in_memory.get(name, [])
        return self._put_away.ask("SELECT place, first FROM kept WHERE name = ? ORDER BY place", name)

    def _put_rows_away(self) -> None:
        try:
            self._put_away = self._put_away or TemporaryTable("name BLOB, place INTEGER, first INTEGER, PRIMARY KEY (name, place)")
        except ImportError:
            self._most = sys.maxsize  # without SQLite everything stays in memory
            return
        self._put_away.put("INSERT INTO kept VALUES (?, ?, ?)", self._rows)
        self._rows.clear()


class LockStep:
    """A file of lines about events, in the order of the events: each is taken when its event goes by.

    One line that is about no event is named and passed over: else every line behind it would seem to be missing.
    """

    def __init__(self, bundle: Bundle, path: str) -> None:
        """Begin at the first line; a file that is not there has none."""
        self._lines = bundle.members.lines(path) if path in bundle.members else iter(())
        self._findings = bundle.findings
        self.path = path
        self.next = self._read()
        self._after = self._read()

    def take(self, event_id: str) -> Any:
        """Return the line about this event, or None when neither the next line nor the one behind it is about it."""
        if not self._is_about(self.next, event_id):
            if not self._is_about(self._after, event_id):
                return None
            self.name_next()
            self._step()
        taken = self.next
        self._step()
        return taken

    def name_next(self) -> None:
        """Note that the next line has no place here."""
        sentence = f"{self.path} holds a line about {record_part(self.next, 'event_id')}, which is no event with one, or out of order."
        self._findings.problem("payload_extra", self.path, sentence)

    def _step(self) -> None:
        self.next, self._after = self._after, self._read()

    def _read(self) -> Any:
        line = next(self._lines, None)
        return None if line is None else parse_canonical(line[1])

    @staticmethod
    def _is_about(line: Any, event_id: str) -> bool:
        return line is not None and record_part(line, "event_id") == event_id


def verify_period(bundle: Bundle) -> None:
    """Check what only the bundle of a period has: a range without a gap, its proof, payloads beside, documents of each proposal."""
    findings = bundle.findings
    walks: list[PeriodWalk] = []
    with findings.check("The range is complete, linked and leads to the checkpoint") as detail:
        walk = _walk_period(bundle, detail)
        walks.append(walk)
        _check_range(bundle, walk)
    bundle.are_kinds_counted = bool(walks)
    for walk in walks:  # none where the range broke off: then nothing can be said about proposals
        with findings.check("Documents of proposals agree with their events") as detail:
            _check_documents(bundle, walk, detail)


def _walk_period(bundle: Bundle, detail: list[str]) -> PeriodWalk:
    proof = bundle.document("proofs/range.json", RANGE_SCHEMA)
    first = proof.get("first")
    if not isinstance(first, int) or first < 1 or first != bundle.header.get("first_sequence"):
        raise Malformed("proofs/range.json is not about the range that bundle.json names")
    roots: dict[int, list[tuple[str, bytes]]] = {}
    for checkpoint in bundle.checkpoints.values():
        roots.setdefault(checkpoint.size, []).append((f"the checkpoint of size {checkpoint.size}", checkpoint.root))
    try:
        frontier = Frontier(first - 1, [bytes.fromhex(node) for node in proof.get("before", [])])
    except (ValueError, TypeError) as error:
        raise Malformed(f"proofs/range.json: {error}") from error
    payloads, tombstones = LockStep(bundle, "payloads/payloads.jsonl"), LockStep(bundle, "tombstones/tombstones.jsonl")
    walk = PeriodWalk(frontier, roots, PeriodLinks(), payloads, tombstones, ProposalPlaces(), sequence=first - 1)
    for offset, line in bundle.members.lines("events.jsonl"):
        try:
            event = parse_canonical(line)
        except Malformed as error:
            raise Malformed(f"the line of events.jsonl behind sequence {walk.sequence} can't be read: {error}") from error
        _walk_event(bundle, walk, event, offset)
    for beside in (walk.payloads, walk.tombstones):
        if beside.next is not None:
            beside.name_next()
    detail.append(f"{walk.count} events, {walk.withheld} of them withheld, {walk.commitments} payloads, {walk.roots_checked} roots")
    return walk


def _walk_event(bundle: Bundle, walk: PeriodWalk, event: Any, offset: int) -> None:
    findings = bundle.findings
    if not isinstance(event, dict) or set(event) not in (NAMED, WITHHELD) or not isinstance(event["sequence"], int):
        raise Malformed("a line of events.jsonl does not hold exactly " + ", ".join(sorted(NAMED)))
    sequence, where = event["sequence"], f"sequence {event['sequence']}"
    if sequence != walk.sequence + 1:
        findings.problem("sequence_gap", where, f"The sequence goes from {walk.sequence} to {sequence}: entries are missing.")
        raise Malformed(f"the range is not whole at {where}")
    try:
        previous, entry, leaf = (bytes.fromhex(event[name]) for name in ("previous_entry", "entry", "leaf"))
    except (ValueError, TypeError) as error:
        raise Malformed(f"a digest at {where} is not hexadecimal") from error
    if walk.entry and event["previous_entry"] != walk.entry:
        findings.problem("entry_unlinked", where, f"The entry at {where} does not continue the one before.")
    if sequence == 1 and previous != genesis_entry(str(bundle.header.get("chain_id"))):
        findings.problem("entry_unlinked", where, "The first entry is not this chain's.")
    if entry_hash(sequence, previous, leaf) != entry:
        findings.problem("entry_wrong", where, f"The entry at {where} is not the digest of its place.")
    walk.sequence, walk.entry, walk.count = sequence, event["entry"], walk.count + 1
    walk.frontier.append(leaf)
    _check_period_roots(findings, walk)
    if "bytes" not in event:
        walk.withheld += 1
        walk.links.withhold(leaf)
        return
    stored = decode_base64(event["bytes"])
    record = check_event(findings, where, event_id=event["event_id"], chain_id=str(bundle.header.get("chain_id")), stored=stored, leaf=leaf)
    if record is None:  # what lies beside it goes by with it
        _ = walk.payloads.take(event["event_id"]) or walk.tombstones.take(event["event_id"])
    else:
        bundle.kinds[str(record.get("type"))] = bundle.kinds.get(str(record.get("type")), 0) + 1
        walk.links.follow(findings, where, record, leaf)
        _check_beside(findings, walk, record, where)
        _note_proposal(walk, record, offset)


def _note_proposal(walk: PeriodWalk, record: Mapping[str, Any], offset: int) -> None:
    proposal = str(record_part(record, "subject", "proposal"))
    if proposal and record_part(record, "link", "chain") == proposal:
        walk.places.add(proposal, offset, is_first=record_part(record, "link", "position") == 1)


def _check_beside(findings: Findings, walk: PeriodWalk, record: Mapping[str, Any], where: str) -> None:
    """Check the payload or tombstone of an event that committed to a payload."""
    commitment, event_id = record.get("payload_commitment", ""), str(record.get("event_id"))
    if not commitment:
        return
    walk.commitments += 1
    payload = walk.payloads.take(event_id)
    if payload is None:
        if walk.tombstones.take(event_id) is None:
            findings.problem("payload_missing", where, f"The payload of {event_id} is neither there nor said to be shredded.")
        return
    try:
        matches = payload_commitment(bytes.fromhex(payload["salt"]), decode_base64(payload["content"])) == commitment
    except (KeyError, ValueError, TypeError, AttributeError):
        matches = False
    findings.expect(matches, "payload_swapped", where, f"The payload of {event_id} is not the one that its event committed to.")


def _check_period_roots(findings: Findings, walk: PeriodWalk) -> None:
    for source, root in walk.roots.get(walk.sequence, ()):
        walk.roots_checked += 1
        findings.expect(
            walk.frontier.root() == root, "root_differs", source, f"The events up to {walk.sequence} do not have the root of {source}."
        )


def _check_range(bundle: Bundle, walk: PeriodWalk) -> None:
    """Check counts against bundle.json, and that the tree at the end of the range is the beginning of the checkpoint's tree."""
    findings, header = bundle.findings, bundle.header
    proof = bundle.document("proofs/range.json", RANGE_SCHEMA)
    stated = tuple(header.get(name) for name in ("events", "withheld", "last_sequence"))
    found = (walk.count, walk.withheld, walk.sequence)
    counted = "{} events, {} of them withheld, up to sequence {}"
    sentence = f"bundle.json says {counted.format(*stated)}; there are {counted.format(*found)}."
    findings.expect(stated == found, "event_count", "events.jsonl", sentence)
    claimed = header.get("checkpoint")
    checkpoint = next((item for item in bundle.checkpoints.values() if {"size": item.size, "root": item.root.hex()} == claimed), None)
    if checkpoint is None:
        return  # found missing where checkpoints are checked
    try:
        path = [bytes.fromhex(node) for node in proof.get("after", [])]
    except (ValueError, TypeError) as error:
        raise Malformed(f"proofs/range.json: {error}") from error
    holds = is_consistent(old_size=walk.frontier.size, old_root=walk.frontier.root(), size=checkpoint.size, root=checkpoint.root, path=path)
    findings.expect(holds, "range_unproved", "proofs/range.json", "The range is not proved to be part of the checkpoint's tree.")


def _check_documents(bundle: Bundle, walk: PeriodWalk, detail: list[str]) -> None:
    """Check each proposal of the period as its own bundle would be checked."""
    notes: dict[str, int] = {}
    seen, count = 0, walk.places.finish()
    with bundle.members.open("events.jsonl") as events:
        for proposal, documents in _document_groups(bundle):
            places = walk.places.of(proposal)
            if not places:
                bundle.findings.problem("documents_extra", proposal, f"There are documents of {proposal} but no events.")
                continue
            seen += 1
            lines = [_line_at(events, offset) for offset, _ in places]
            _check_one_proposal(bundle, proposal, documents, lines, notes, is_whole=bool(places[0][1]))
    if count > seen:
        notes["Nothing but events of it is in the bundle."] = count - seen
    bundle.findings.limitations.extend(f"In {count} proposals: {sentence}" for sentence, count in sorted(notes.items()))
    detail.append(f"{seen} proposals")


def _document_groups(bundle: Bundle) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield each proposal with its documents by path; raises Malformed when proposals or paths are out of order."""
    current, last = "", ("", "")
    documents: dict[str, bytes] = {}
    for _, line in bundle.members.lines("documents.jsonl") if "documents.jsonl" in bundle.members else ():
        value = parse_canonical(line)
        place = (str(record_part(value, "proposal")), str(record_part(value, "path")))
        if place <= last or not MEMBER_PATTERN.match(place[1]):
            raise Malformed(f"documents.jsonl is out of order at {place[0]} {place[1]}")
        if place[0] != current:
            if current:
                yield current, documents
            current, documents = place[0], {}
        documents[place[1]], last = decode_base64(str(record_part(value, "bytes"))), place
    if current:
        yield current, documents


def _line_at(events: BinaryIO, offset: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a line of events.jsonl that has gone by, and its record; None for what is none, which was named then."""
    events.seek(offset)
    line: dict[str, Any] = parse_json(events.readline(LINE_BYTES_MAX))
    try:
        record = parse_json(decode_base64(str(record_part(line, "bytes"))))
    except Malformed:
        return line, None
    return line, record if isinstance(record, dict) else None


def _check_one_proposal(
    bundle: Bundle,
    proposal: str,
    documents: dict[str, bytes],
    lines: Sequence[tuple[dict[str, Any], dict[str, Any] | None]],
    notes: dict[str, int],
    *,
    is_whole: bool,
) -> None:
    findings = Findings()
    records = [record for _, record in lines if record is not None]
    one = Bundle(
        Members.of(documents), bundle.pinned, findings,
        header={"proposal": proposal}, events=[line for line, _ in lines], records=records,
    )  # fmt: skip
    check_cited_documents(one)
    if is_whole:
        check_action(one)
        check_approval(one)
        check_finality(one)
        check_commit(one)
    else:
        findings.limitations.append("It began before the period: approval and action were not checked here.")
    for problem in findings.problems:
        bundle.findings.problem(problem.code, f"{proposal} {problem.where}", f"{proposal}: {problem.sentence}")
    for sentence in findings.limitations:
        notes[sentence] = notes.get(sentence, 0) + 1


# --- Witnesses, time-stamps, checkpoints that somebody kept ------------------------------------------------------------------


def check_witnesses(bundle: Bundle) -> None:
    """Check that the witnesses whose keys are pinned saw the bundle's checkpoints, and that time-stamps are over them."""
    findings = bundle.findings
    noted = {f"{checkpoint.size:012d}": (note, checkpoint) for note, checkpoint in bundle.checkpoints.items()}
    witnesses = [key for key in bundle.pinned if key.algorithm == COSIGNATURE_ALGORITHM]
    paths = [path for path in bundle.members if path.startswith(("witness/", "tsa/"))]
    if not witnesses and not paths:
        return
    with findings.check("Witnesses and time-stamps are about these checkpoints") as detail:
        cosigned = []
        for path in sorted(paths):
            note, checkpoint = noted.get(path.partition("/")[2].partition(".")[0], (b"", None))
            if checkpoint is None:
                findings.problem("witness_other", path, f"{path} is about a checkpoint that is not in the bundle.")
            elif path.startswith("tsa/"):
                check_timestamp(findings, path, note, bundle.members[path])
            else:
                seen = Checkpoint.parse(bundle.members[path])
                findings.expect(seen.body == checkpoint.body, "witness_other", path, f"{path} is about another head.")
                cosigned.append(seen)
        for key in witnesses:
            times = [at for seen in cosigned if (at := seen.cosigned_at(key, bundle.is_signed_with)) is not None]
            if findings.expect(
                bool(times), "cosignature_missing", key.name, f"The witness {key.name} has cosigned none of these checkpoints."
            ):
                detail.append(f"{key.name} at {instant_text(max(times))}")


def check_timestamp(findings: Findings, path: str, note: bytes, stamp: bytes) -> None:
    """Check that an RFC 3161 response is about this note. Its signature takes a certificate library: openssl has one."""
    imprint = b"\x04\x20" + hashlib.sha256(note).digest()
    if findings.expect(imprint in stamp, "timestamp_other", path, f"{path} is not a time-stamp of this checkpoint."):
        findings.limitations.append(
            f"{path} is about this checkpoint; its signature is for openssl: openssl ts -verify -data NOTE -in {path}"
        )


@dataclass(frozen=True)
class Kept:
    """What somebody brings along: checkpoints from elsewhere, and proofs that one head contains another."""

    notes: tuple[tuple[str, Checkpoint], ...] = ()
    proofs: tuple[tuple[int, tuple[bytes, ...], Checkpoint], ...] = ()


def kept_files(notes: Sequence[Path], proofs: Sequence[Path]) -> Kept:
    """Return the checkpoints and consistency proofs in these files; raises Malformed and OSError."""
    found = []
    for path in proofs:
        head, _, note = path.read_bytes().partition(b"\n\n")
        lines = head.decode("ascii", errors="replace").split("\n")
        if not re.fullmatch(r"old (0|[1-9][0-9]{0,18})", lines[0]):
            raise Malformed(f"{path.name} is no consistency proof")
        found.append((int(lines[0][4:]), tuple(decode_base64(line) for line in lines[1:]), Checkpoint.parse(note)))
    return Kept(tuple((path.name, Checkpoint.parse(path.read_bytes())) for path in notes), tuple(found))


def check_kept(
    findings: Findings, own: Sequence[Checkpoint], kept: Kept, keys: Sequence[VerifyingKey], check: SignatureCheck = is_signed
) -> None:
    """Check that the checkpoints somebody kept and these are heads of one history."""
    if not kept.notes:
        return
    with findings.check("Checkpoints that were kept belong to the same history") as detail:
        for source, note in kept.notes:
            if not any(note.is_signed_by(key, check) for key in keys):
                findings.problem("checkpoint_signature", source, f"{source} is not signed by the log's key.")
            elif all(note.origin != item.origin for item in own):
                findings.problem("checkpoint_origin", source, f"{source} is of {note.origin}.")
            else:
                _compare(findings, source, note, own, kept)
        detail.append(f"{len(kept.notes)} kept")


def _compare(findings: Findings, source: str, note: Checkpoint, own: Sequence[Checkpoint], kept: Kept) -> None:
    for item in own:
        older, newer = sorted((note, item), key=lambda head: head.size)
        if older.size == newer.size:
            findings.expect(
                older.root == newer.root,
                "log_forked", source, f"{source} is signed by this log and has another root at {note.size}: it has shown two histories.",
            )  # fmt: skip
            continue
        proof = next((path for size, path, head in kept.proofs if size == older.size and head.body == newer.body), None)
        if proof is None:
            findings.limitations.append(
                f"{source} is of size {note.size}, this one of {item.size}: ask for the proof between them (manage.py audit_consistency)."
            )
        else:
            findings.expect(
                is_consistent(old_size=older.size, old_root=older.root, size=newer.size, root=newer.root, path=proof),
                "log_forked", source, f"The head of size {newer.size} does not contain that of size {older.size}: there are two histories.",
            )  # fmt: skip


# --- Inclusion receipts: the events of one proposal in a signed tree, in one JSON file ------------------------------------------

INCLUSION_SCHEMA = "countersign.inclusion/1"


def verify_inclusion(findings: Findings, stored: bytes, *, pinned: Sequence[VerifyingKey], kept: Kept) -> Bundle:
    """Return what the receipt says it is, with everything checked; what does not hold is in the findings."""
    receipt = parse_canonical(stored)
    if not isinstance(receipt, dict) or receipt.get("schema") != INCLUSION_SCHEMA:
        raise Malformed(f"the file is not a {INCLUSION_SCHEMA}")
    bundle = Bundle(Members.of({}), pinned, findings, header={name: str(record_part(receipt, name)) for name in ("proposal", "chain_id")})
    keys = list(pinned) or [VerifyingKey.parse(str(record_part(receipt, "vkey")))]
    checkpoint = Checkpoint.parse(str(record_part(receipt, "checkpoint")).encode("utf-8"))
    with findings.check("Checkpoints are signed") as detail:
        findings.expect(
            any(checkpoint.is_signed_by(key) for key in keys),
            "signed_by_another_key" if any(checkpoint.is_signed_by_another(key) for key in keys) else "checkpoint_signature",
            "checkpoint", f"The checkpoint is not signed by {'a pinned' if pinned else 'the receipt’s'} key.",
        )  # fmt: skip
        findings.expect(
            checkpoint.origin == f"countersign/{bundle.header['chain_id']}",
            "checkpoint_origin", "checkpoint", f"The checkpoint is of {checkpoint.origin}.",
        )  # fmt: skip
        for key in keys:
            if key.algorithm == COSIGNATURE_ALGORITHM:
                at = checkpoint.cosigned_at(key)
                if findings.expect(at is not None, "cosignature_missing", "checkpoint", f"The witness {key.name} has not cosigned it."):
                    detail.append(f"{key.name} at {instant_text(at or 0)}")
        detail.append(f"size {checkpoint.size}")
    _check_inclusion_events(findings, bundle, receipt, checkpoint)
    check_kept(findings, [checkpoint], kept, keys)
    findings.limitations.append(f"What happened to {bundle.header['proposal']} after the head of size {checkpoint.size} is not in here.")
    if not pinned:
        findings.limitations.append("Integrity only: the key came from the receipt. Pin the key you were given another way with --key.")
    return bundle


def _check_inclusion_events(findings: Findings, bundle: Bundle, receipt: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    events = record_part(receipt, "events")
    proposal, chain_id = bundle.header["proposal"], bundle.header["chain_id"]
    with findings.check("Events are complete and linked, and included in a signed checkpoint") as detail:
        links, last = SubjectLinks(), 0
        if not isinstance(events, list) or not events:
            raise Malformed("the receipt holds no events")
        for event in events:
            stored = decode_base64(str(record_part(event, "bytes")))
            sequence, leaf = record_part(event, "sequence"), leaf_hash(stored)
            where = f"sequence {sequence}"
            if not isinstance(sequence, int):
                raise Malformed(f"{sequence!r} is not a sequence")
            findings.expect(sequence > last, "event_order", where, f"The event at {where} is out of order.")
            record = check_event(findings, where, event_id=str(record_part(event, "event_id")), chain_id=chain_id, stored=stored, leaf=leaf)
            if record is not None:
                links.follow(findings, where, record, leaf)
                findings.expect(
                    record_part(record, "subject", "proposal") == proposal == record_part(record, "link", "chain"),
                    "foreign_event", where, f"The event at {where} is not one of {proposal}.",
                )  # fmt: skip
            path = [decode_base64(str(node)) for node in record_part(event, "path") or ()]
            findings.expect(
                is_included(leaf, index=sequence - 1, size=checkpoint.size, path=path, root=checkpoint.root),
                "proof_wrong", where, f"The path does not prove that the event at {where} is in the tree: it was edited, or never there.",
            )  # fmt: skip
            last = sequence
        bundle.header["events"] = len(events)
        detail.append(f"{len(events)} events")


def verify_note(findings: Findings, stored: bytes, *, pinned: Sequence[VerifyingKey], kept: Kept) -> Bundle:
    """Return a checkpoint that was given by itself, checked."""
    note = Checkpoint.parse(stored)
    bundle = Bundle(Members.of({}), pinned, findings, header={"chain_id": note.origin.removeprefix("countersign/"), "events": note.size})
    with findings.check("Checkpoints are signed") as detail:
        code = "signed_by_another_key" if any(note.is_signed_by_another(key) for key in pinned) else "checkpoint_signature"
        findings.expect(any(note.is_signed_by(key) for key in pinned), code, "checkpoint", "The checkpoint is not signed by a pinned key.")
        for key in pinned:
            at = note.cosigned_at(key)
            if key.algorithm == COSIGNATURE_ALGORITHM and findings.expect(
                at is not None, "cosignature_missing", "checkpoint", f"The witness {key.name} has not cosigned it."
            ):
                detail.append(f"{key.name} at {instant_text(at or 0)}")
        detail.append(f"size {note.size}")
    check_kept(findings, [note], kept, pinned)
    return bundle


# --- Command line -------------------------------------------------------------------------------------------------------------


def verify_path(path: Path, *, pinned: Sequence[VerifyingKey] = (), kept: Kept | None = None) -> tuple[Findings, Bundle]:
    """Return what was found in a zip file, an unpacked directory, an inclusion receipt or a checkpoint; raises Unusable."""
    findings = Findings()
    if path.suffix in {".json", ".note"} and path.is_file():
        if path.stat().st_size > RECEIPT_BYTES_MAX:
            raise Unusable(f"{path} holds more than {RECEIPT_BYTES_MAX} bytes")
        verify = verify_inclusion if path.suffix == ".json" else verify_note
        return findings, verify(findings, path.read_bytes(), pinned=pinned, kept=kept or Kept())
    if path.is_dir():
        if not (path / "manifest.json").is_file():
            raise Unusable(f"{path} holds no manifest.json: it is not an unpacked bundle")
        return findings, verify_members(read_directory(findings, path), pinned=pinned, findings=findings, kept=kept)
    try:
        file = path.open("rb")
    except OSError as error:
        raise Unusable(f"{path} can't be read: {error.strerror}") from error
    with file:
        return findings, verify_members(read_archive(findings, file), pinned=pinned, findings=findings, kept=kept)


def pinned_key(text: str) -> VerifyingKey:
    """Return the key given on the command line: a vkey, or a file that holds one."""
    path = Path(text)
    if "+" not in text and path.is_file():
        text = path.read_text(encoding="utf-8")
    return VerifyingKey.parse(text)


def print_result(findings: Findings, bundle: Bundle) -> None:
    """Print the result for people."""
    about = subject_of(bundle.header)
    print(f"{about[:1].upper()}{about[1:]} of chain {bundle.header.get('chain_id', '?')}")
    for name, holds, detail in findings.checks:
        print(f"  {'holds ' if holds else 'FAILS '} {name}{': ' + detail if detail else ''}")
    for problem in findings.problems:
        print(f"  {problem.code}: {problem.sentence}")
    for limitation in findings.limitations:
        print(f"  note: {limitation}")
    count = len(findings.problems)
    print("Everything holds." if findings.holds else f"DOES NOT HOLD: {count} {'problem' if count == 1 else 'problems'}.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the command line names and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify a Countersign evidence bundle, inclusion receipt or checkpoint offline.")
    whole = "a bundle (zip file or directory), an inclusion receipt (.json) or a checkpoint (.note)"
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent, help=whole)
    parser.add_argument(
        "--key", action="append", default=[], metavar="VKEY", help="pin this key, of the log or a witness (a vkey, or a file)"
    )
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, metavar="FILE", help="a checkpoint you kept")
    parser.add_argument("--consistency", action="append", default=[], type=Path, metavar="FILE", help="a proof between two checkpoints")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        pinned = [pinned_key(text) for text in options.key]
        findings, bundle = verify_path(options.bundle, pinned=pinned, kept=kept_files(options.checkpoint, options.consistency))
    except (Unusable, Malformed, OSError) as error:
        print(json.dumps({"holds": False, "unusable": str(error)}) if options.json else f"Unusable: {error}")  # noqa: TID251
        return UNUSABLE
    if options.json:
        result = {
            **findings.as_dict(),
            "trust": "pinned" if pinned else "integrity only",
            "proposal": bundle.header.get("proposal", ""),
            "chain_id": bundle.header.get("chain_id", ""),
            "about": subject_of(bundle.header),
            "events": bundle.header.get("events", 0),
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))  # noqa: TID251
    else:
        print_result(findings, bundle)
    return HOLDS if findings.holds else DOES_NOT_HOLD


if __name__ == "__main__":
    sys.exit(main())
