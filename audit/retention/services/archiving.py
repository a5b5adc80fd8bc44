"""Archives: old events leave the database in a file that verifies by itself, up to a signed checkpoint.

The file is gzip of canonical JSON lines: a header with the tree before the first event, one line for each event exactly as in a bundle,
and a last line with the signed checkpoint that the events lead to. Payloads stay in the database, under their own retention. Seals and
links stay as well, so that the whole chain is verified as before; only the bytes of archived events are in the file alone.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from audit.events import RetentionEvent
from audit.keys import chain_id, log_origin, region, verifying_key
from audit.models import Checkpoint as CheckpointRow
from audit.models import Frontier as FrontierRow
from audit.partitions import partitions
from audit.records import Subject
from audit.residency import allow_export
from audit.retention.models import Archive
from audit.services import record
from audit.verifier.countersign_verify import (
    Checkpoint,
    Frontier,
    Malformed,
    VerifyingKey,
    decode_base64,
    encode_base64,
    entry_hash,
    genesis_entry,
    leaf_hash,
    parse_json,
)
from kernel.actors import Actor
from kernel.canonical import canonical_bytes
from kernel.errors import StateConflict
from kernel.ids import Prefix, encode

SCHEMA = "countersign.archive/1"
ROWS_PER_FETCH = 5_000
DIGEST_BYTES = 32

NEWEST_OF = (
    "SELECT count(*), count(s.sequence), max(s.sequence) FROM audit_event e LEFT JOIN audit_seal s ON s.event_id = e.event_id WHERE {}"
)
EVENTS = """
SELECT s.sequence, s.event_id, s.previous, s.entry, e.leaf, e.bytes
FROM audit_seal s JOIN audit_event e ON e.event_id = s.event_id WHERE s.sequence > %s AND s.sequence <= %s ORDER BY s.sequence
"""


class ArchiveBroken(Exception):
    """The file is not what was archived; the sentence says what was found."""


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """What an archive holds, once it was verified."""

    chain_id: str
    first_sequence: int
    last_sequence: int
    root: bytes


def archive_before(*, month: datetime, directory: Path, actor: Actor, now: datetime, destination: str = "", reason: str = "") -> Archive:
    """Every partition that ends by the beginning of `month` is in a verified file, and no longer part of the live table.

    The detached tables are left for whoever keeps the database to drop, once the file is where it shall be kept. Holds and retention
    are not touched: nothing is destroyed. Raises StateConflict when there is nothing to archive or something is not sealed, and
    RegionRefused when the file leaves the log's region without a reason.
    """
    names = _partitions_before(month)
    start = Archive.objects.order_by("-last_sequence").first()
    first = start.last_sequence + 1 if start else 1
    last = _checkpoint_over(names, first)
    allow_export(destination=destination or region(), reason=reason, subject=Subject("archive", str(first)), actor=actor, now=now)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"countersign-archive-{first:012d}-{last.size:012d}.jsonl.gz"
    _write(path, first=first, checkpoint=last)
    verified = verify_archive(path, key=verifying_key())
    if (verified.first_sequence, verified.last_sequence, verified.root) != (first, last.size, bytes(last.root)):
        raise StateConflict(detail=f"{path.name} does not hold what was to be archived.")
    with transaction.atomic():
        archive = Archive.objects.create(
            first_sequence=first,
            last_sequence=last.size,
            root=bytes(last.root),
            partitions=names,
            file=path.name,
            sha256=f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
            archived_by=actor.id,
            archived_at=now,
        )
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            for name in names:
                cursor.execute(sql.SQL("ALTER TABLE audit_event DETACH PARTITION {}").format(sql.Identifier(name)))
        record(
            kind=RetentionEvent.ARCHIVED,
            actor=actor,
            subject=Subject("archive", str(archive.first_sequence)),
            now=now,
            outcome={
                "status": "archived",
                "first_sequence": first,
                "last_sequence": last.size,
                "root": bytes(last.root).hex(),
                "sha256": archive.sha256,
                "partitions": names,
            },
        )
    return archive


def verify_archive(path: Path, *, key: VerifyingKey) -> ArchiveResult:
    """Return what the file holds; raises ArchiveBroken unless every event, entry and the signed root are right."""
    try:
        with gzip.open(path, "rb") as file:
            return _verified(iter(file), key)
    except (OSError, EOFError, Malformed, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ArchiveBroken(f"{path.name} can't be read: {error}") from error


def _verified(lines: Iterator[bytes], key: VerifyingKey) -> ArchiveResult:
    header = parse_json(next(lines))
    if header.get("schema") != SCHEMA or header["origin"] != key.name or header["origin"] != f"countersign/{header['chain_id']}":
        raise ArchiveBroken("the header is not that of an archive of this log")
    start = header["start"]
    frontier = Frontier(start["size"], [bytes.fromhex(item) for item in start["subtrees"]])
    entry = bytes.fromhex(start["entry"])
    if not start["size"] and entry != genesis_entry(header["chain_id"]):
        raise ArchiveBroken("the first entry does not continue the beginning of the chain")
    for line in lines:
        value = parse_json(line)
        if "checkpoint" in value:
            return _concluded(header, frontier, value, lines, key)
        frontier, entry = _followed(frontier, entry, value)
    raise ArchiveBroken("the archive ends before its checkpoint")


def _followed(frontier: Frontier, entry: bytes, value: dict[str, Any]) -> tuple[Frontier, bytes]:
    stored, sequence = decode_base64(value["bytes"]), frontier.size + 1
    leaf = leaf_hash(stored)
    following = entry_hash(sequence, entry, leaf)
    if (value["sequence"], value["leaf"], value["entry"]) != (sequence, leaf.hex(), following.hex()):
        raise ArchiveBroken(f"the event at sequence {sequence} is not the one that was sealed there")
    if parse_json(stored).get("event_id") != value["event_id"]:
        raise ArchiveBroken(f"the event at sequence {sequence} is not {value['event_id']}")
    frontier.append(leaf)
    return frontier, following


def _concluded(
    header: dict[str, Any], frontier: Frontier, value: dict[str, Any], lines: Iterator[bytes], key: VerifyingKey
) -> ArchiveResult:
    checkpoint = Checkpoint.parse(str(value["checkpoint"]).encode("utf-8"))
    if not checkpoint.is_signed_by(key) or checkpoint.origin != header["origin"]:
        raise ArchiveBroken("the checkpoint is not signed by this log's key")
    if (checkpoint.size, checkpoint.root) != (frontier.size, frontier.root()) or (header["first"], header["last"]) != (
        header["start"]["size"] + 1,
        frontier.size,
    ):
        raise ArchiveBroken("the events do not lead to the checkpoint")
    if next(lines, None) is not None:
        raise ArchiveBroken("something follows the checkpoint")
    return ArchiveResult(header["chain_id"], header["first"], frontier.size, checkpoint.root)


def _partitions_before(month: datetime) -> list[str]:
    """Return the partitions that end by the beginning of the month."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_first_id(%s)", [month])
        (bound,) = cursor.fetchone()
    names = [found.name for found in partitions() if (upper := found.upper) is not None and upper <= bound]
    if not names:
        raise StateConflict(detail=f"No partition of events ends before {month:%Y-%m}.")
    return names


def _checkpoint_over(names: list[str], first: int) -> CheckpointRow:
    """Return the first signed checkpoint over every event of these partitions; raises StateConflict when one is not sealed."""
    with connection.cursor() as cursor:
        condition = "e.tableoid = ANY (SELECT unnest(%s::text[])::regclass)"
        cursor.execute(NEWEST_OF.format(condition), [names])
        count, sealed, newest = cursor.fetchone()
    if not count or newest < first:
        raise StateConflict(detail="These partitions hold nothing that is not archived.")
    found = CheckpointRow.objects.filter(size__gte=newest).order_by("size").first()
    # The tree at its size is needed by the next archive.
    if sealed != count or found is None or not FrontierRow.objects.filter(size=found.size).exists():
        raise StateConflict(detail="Some of these events are not sealed, or no signed checkpoint covers them. Is the sealer running?")
    return found


def _write(path: Path, *, first: int, checkpoint: CheckpointRow) -> None:
    start = FrontierRow.objects.filter(size=first - 1).first()
    subtrees = bytes(start.subtrees) if start else b""
    header = {
        "schema": SCHEMA,
        "chain_id": chain_id(),
        "origin": log_origin(),
        "region": region(),
        "first": first,
        "last": checkpoint.size,
        "start": {
            "size": first - 1,
            "subtrees": [subtrees[at : at + DIGEST_BYTES].hex() for at in range(0, len(subtrees), DIGEST_BYTES)],
            "entry": (bytes(start.entry) if start else genesis_entry(chain_id())).hex(),
        },
    }
    draft = path.with_name(f".{path.name}")
    with draft.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        file.write(canonical_bytes(header) + b"\n")
        with connection.chunked_cursor() as cursor:
            cursor.execute(EVENTS, [first - 1, checkpoint.size])
            while rows := cursor.fetchmany(ROWS_PER_FETCH):
                for row in rows:
                    file.write(_line(row))
        file.write(canonical_bytes({"checkpoint": checkpoint.note}) + b"\n")
    draft.replace(path)


def _line(row: tuple[Any, ...]) -> bytes:
    sequence, event_id, previous, entry, leaf, stored = row
    value = {
        "sequence": sequence,
        "event_id": encode(Prefix.EVENT, event_id),
        "previous_entry": bytes(previous).hex(),
        "entry": bytes(entry).hex(),
        "leaf": bytes(leaf).hex(),
        "bytes": encode_base64(bytes(stored)),
    }
    return canonical_bytes(value) + b"\n"
