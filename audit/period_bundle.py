"""The bundle of a period: every event recorded in it as one consecutive range, with proof, payloads, documents, tables and report.

Completeness is what a period is for, so the range has no gap: what the person who asked may not see, and what went into an archive, is
there as a leaf without its bytes, counted and linked like the rest. The range is proved by the tree before it (`proofs/range.json`: the
perfect subtrees) and a consistency proof from its end to a signed checkpoint, not by a proof for each event.

Rows are read in pieces by their key, each piece is written to a workshop on disk and noted there, so memory does not
grow with the period and a worker that died is followed by one that goes on where it stopped. The same period, as of the same
checkpoint and for the same eyes, gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from audit.bundle import NotSealedYet, manifest_of, outside_members, payload_note, signed_envelope, standing_members, trust_document
from audit.bundle_parts import Scope, TableWriter, compose_report, section_members, section_names, tables_document, tables_for
from audit.keys import chain_id, log_origin, region
from audit.models import Checkpoint, EventPayload
from audit.proofs import frontier_before, stored_consistency_path, stored_leaves
from audit.queries import population
from audit.verifier.countersign_verify import PERIOD_SCHEMA, RANGE_SCHEMA, encode_base64
from audit.workshop import Workshop
from kernel.canonical import canonical_bytes
from kernel.clock import wire_time
from kernel.errors import DomainError
from kernel.ids import Prefix, encode

EVENTS_PER_PIECE = 2_000
# What is stored about so many proposals is in memory at once.
PROPOSALS_PER_PIECE = 50

# What is done, how much of it, out of how much.
Progress = Callable[[str, int, int], object]

EVENTS = """
SELECT s.sequence, s.entry, s.previous, e.event_id, l.leaf, e.bytes, e.company, e.subject_kind, e.subject_id
FROM audit_seal s JOIN audit_link l ON l.event_id = s.event_id LEFT JOIN audit_event e ON e.event_id = s.event_id
WHERE s.sequence > %s AND s.sequence <= %s ORDER BY s.sequence LIMIT %s
"""
PROPOSALS = """
SELECT DISTINCT e.proposal, e.company FROM audit_seal s JOIN audit_event e ON e.event_id = s.event_id
WHERE s.sequence BETWEEN %s AND %s AND e.proposal <> '' AND e.chain = e.proposal
ORDER BY e.proposal
"""
DAILY_CHECKPOINTS = """
SELECT max(size) FROM audit_checkpoint WHERE size BETWEEN %s AND %s GROUP BY date_trunc('day', signed_at AT TIME ZONE 'UTC') ORDER BY 1
"""


class EmptyPeriod(DomainError):
    """Nothing was recorded in the period."""

    code = "empty_period"
    title = "Nothing was recorded in this period"


@dataclass(frozen=True, slots=True)
class MadeBundle:
    """A finished archive on disk."""

    path: Path
    bytes: int
    sha256: str
    events: int
    withheld: int
    checkpoint_size: int


def plan_period(*, since: datetime, until: datetime, companies: frozenset[str] | None, visible: dict[str, frozenset[str]]) -> Scope:
    """Return what the bundle of a period will hold; raises EmptyPeriod, or NotSealedYet while its last events wait."""
    found = population(since=since, until=until)
    if found.unsealed:
        raise NotSealedYet(detail=f"{found.unsealed} events of the period are not sealed yet. Is the sealer running?")
    if found.first_sequence is None or found.last_sequence is None:
        raise EmptyPeriod(detail=f"No event was recorded from {since:%Y-%m-%d %H:%M} until {until:%Y-%m-%d %H:%M} UTC.")
    checkpoint = Checkpoint.objects.filter(size__gte=found.last_sequence).order_by("size").first()
    if checkpoint is None:
        raise NotSealedYet(detail="The last events of the period are not in a signed checkpoint yet. Is the sealer running?")
    return Scope(
        first_sequence=found.first_sequence,
        last_sequence=found.last_sequence,
        checkpoint_size=checkpoint.size,
        as_of=checkpoint.signed_at,
        since=since,
        until=until,
        companies=companies,
        visible=visible,
    )


def make_period_bundle(workshop: Workshop, plan: Callable[[], Scope], output: Path, *, progress: Progress) -> MadeBundle:
    """Write the bundle to `output`, going on where the workshop was left; what was planned first stays planned."""
    if "plan" not in workshop.noted:
        workshop.note(plan=_plan_as_json(plan()))
    scope = _plan_of_json(workshop.noted["plan"])
    _write_events(workshop, scope, progress)
    _write_proofs(workshop, scope)
    _write_documents(workshop, scope, progress)
    _write_tables(workshop, scope, progress)
    if not workshop.is_done("report"):
        progress("report", 0, 1)
        described = _described(workshop)
        workshop.write("tables.json", tables_document(described))
        report = compose_report(scope, workshop.members(), described)
        workshop.write_all(report.members)
        workshop.write_all(standing_members([*described, *report.tables]))
        workshop.finish("report")
    progress("archive", 0, 1)
    workshop.write("manifest.json", b"")
    workshop.write("manifest.dsse.json", b"")
    manifest = manifest_of(workshop.members())
    workshop.write("manifest.json", manifest)
    workshop.write("manifest.dsse.json", signed_envelope(manifest))
    size, digest = workshop.assemble(output)
    events, withheld = int(str(workshop.noted["events"])), int(str(workshop.noted["withheld"]))
    return MadeBundle(output, size, f"sha256:{digest}", events, withheld, scope.checkpoint_size)


@dataclass
class _Walk:
    """How far the events are written: the last sequence, the length of each file, what was withheld."""

    sequence: int
    events: int = 0
    payloads: int = 0
    tombstones: int = 0
    withheld: int = 0


def _write_events(workshop: Workshop, scope: Scope, progress: Progress) -> None:
    stored = workshop.noted.get("walk")
    walk = _Walk(**stored) if isinstance(stored, dict) else _Walk(sequence=scope.first_sequence - 1)
    total = scope.last_sequence - scope.first_sequence + 1
    with (
        workshop.file("events.jsonl", walk.events) as events,
        workshop.file("payloads/payloads.jsonl", walk.payloads) as payloads,
        workshop.file("tombstones/tombstones.jsonl", walk.tombstones) as tombstones,
    ):
        while walk.sequence < scope.last_sequence:
            with connection.cursor() as cursor:
                cursor.execute(EVENTS, [walk.sequence, scope.last_sequence, EVENTS_PER_PIECE])
                rows = cursor.fetchall()
            shown = [row for row in rows if row[3] is not None and scope.shows(company=row[6], subject_kind=row[7], subject_id=row[8])]
            beside, shredded = _beside([row[3] for row in shown])
            visible = {row[0] for row in shown}
            walk.events += events.write(b"".join(_line(row, is_shown=row[0] in visible) for row in rows))
            walk.payloads += payloads.write(beside)
            walk.tombstones += tombstones.write(shredded)
            walk.withheld += len(rows) - len(shown)
            walk.sequence = rows[-1][0]
            for file in (events, payloads, tombstones):
                file.flush()
            workshop.note(walk=vars(walk).copy())
            progress("events", walk.sequence - scope.first_sequence + 1, total)
    workshop.finish("events", events=total, withheld=walk.withheld)


def _line(row: tuple[Any, ...], *, is_shown: bool) -> bytes:
    """Return one line, spelled here because a million of them are: sorted names and plain ASCII are the canonical form."""
    sequence, entry, previous, event_id, leaf, stored = row[:6]
    named = (
        f'"bytes":"{encode_base64(bytes(stored))}","entry":"{bytes(entry).hex()}","event_id":"{encode(Prefix.EVENT, event_id)}"'
        if is_shown
        else f'"entry":"{bytes(entry).hex()}"'
    )
    rest = f'"leaf":"{bytes(leaf).hex()}","previous_entry":"{bytes(previous).hex()}","sequence":{sequence}'
    return f"{{{named},{rest}}}\n".encode("ascii")


def _beside(event_ids: list[UUID]) -> tuple[bytes, bytes]:
    """Return the lines of the payloads of these events and of those that were shredded, in the order of the events."""
    rows = {row.event_id: row for row in EventPayload.objects.filter(event_id__in=event_ids).select_related("key")}
    payloads: list[bytes] = []
    tombstones: list[bytes] = []
    for event_id in event_ids:
        if (row := rows.get(event_id)) is not None:
            note, is_shredded = payload_note(encode(Prefix.EVENT, event_id), row)
            (tombstones if is_shredded else payloads).append(canonical_bytes(note) + b"\n")
    return b"".join(payloads), b"".join(tombstones)


def _write_proofs(workshop: Workshop, scope: Scope) -> None:
    if workshop.is_done("proofs"):
        return
    before = frontier_before(scope.first_sequence - 1)
    for leaf in stored_leaves(scope.first_sequence - 1, after=before.size):
        before.append(leaf)
    proof = {
        "schema": RANGE_SCHEMA,
        "first": scope.first_sequence,
        "last": scope.last_sequence,
        "size": scope.checkpoint_size,
        "before": [node.hex() for node in before.subtrees],
        "after": [node.hex() for node in stored_consistency_path(scope.last_sequence, scope.checkpoint_size)],
    }
    workshop.write("proofs/range.json", canonical_bytes(proof))
    with connection.cursor() as cursor:
        cursor.execute(DAILY_CHECKPOINTS, [scope.first_sequence, scope.last_sequence])
        sizes = [row[0] for row in cursor.fetchall()]
    for checkpoint in Checkpoint.objects.filter(size__in=[*sizes, scope.checkpoint_size]):
        workshop.write(f"checkpoints/{checkpoint.size:012d}.note", checkpoint.note.encode("utf-8"))
    covering = Checkpoint.objects.get(size=scope.checkpoint_size)
    workshop.write_all(outside_members([*sizes, scope.checkpoint_size]))
    workshop.write("keys/trust.json", trust_document())
    workshop.write("bundle.json", canonical_bytes(_header(workshop, scope, covering)))
    workshop.finish("proofs")


def _header(workshop: Workshop, scope: Scope, checkpoint: Checkpoint) -> dict[str, object]:
    if scope.since is None or scope.until is None:
        raise ValueError("the bundle of a period has a beginning and an end")
    return {
        "schema": PERIOD_SCHEMA,
        "since": wire_time(scope.since),
        "until": wire_time(scope.until),
        "companies": sorted(scope.companies) if scope.companies is not None else "all",
        "chain_id": chain_id(),
        "origin": log_origin(),
        "region": region(),
        "events": workshop.noted["events"],
        "withheld": workshop.noted["withheld"],
        "first_sequence": scope.first_sequence,
        "last_sequence": scope.last_sequence,
        "checkpoint": {"size": checkpoint.size, "root": bytes(checkpoint.root).hex()},
        "sections": section_names(),
    }


def _write_documents(workshop: Workshop, scope: Scope, progress: Progress) -> None:
    if workshop.is_done("documents"):
        return
    with connection.cursor() as cursor:
        cursor.execute(PROPOSALS, [scope.first_sequence, scope.last_sequence])
        proposals = [proposal for proposal, company in cursor.fetchall() if scope.shows_company(company)]
    last, length = str(workshop.noted.get("documents_after", "")), int(str(workshop.noted.get("documents_length", 0)))
    written = sum(proposal <= last for proposal in proposals)
    with workshop.file("documents.jsonl", length) as file:
        while written < len(proposals):
            piece = proposals[written : written + PROPOSALS_PER_PIECE]
            for proposal, members in section_members(piece):
                length += file.write(b"".join(_document_lines(proposal, members)))
            file.flush()
            written += len(piece)
            workshop.note(documents_after=piece[-1], documents_length=length)
            progress("documents", written, len(proposals))
    workshop.finish("documents", proposals=len(proposals))


def _document_lines(proposal: str, members: Mapping[str, bytes]) -> Iterable[bytes]:
    """Yield one line for each document, spelled here like those of events: no path and no id holds what JSON would escape."""
    for path, content in sorted(members.items()):
        yield f'{{"bytes":"{encode_base64(content)}","path":"{path}","proposal":"{proposal}"}}\n'.encode("ascii")


def _write_tables(workshop: Workshop, scope: Scope, progress: Progress) -> None:
    tables = tables_for(scope)
    for number, table in enumerate(tables):
        step = f"table_{table.path}"
        if workshop.is_done(step):
            continue
        progress("tables", number, len(tables))
        writer = TableWriter(table)
        with workshop.file(table.path, 0) as file:
            for line in writer.lines(scope):
                file.write(line)
        workshop.finish(step, **{f"stated_{table.path}": writer.described()})


def _described(workshop: Workshop) -> list[dict[str, object]]:
    return [value for name, value in sorted(workshop.noted.items()) if name.startswith("stated_") and isinstance(value, dict)]


def _plan_as_json(scope: Scope) -> dict[str, object]:
    if scope.since is None or scope.until is None:
        raise ValueError("the bundle of a period has a beginning and an end")
    return {
        "first_sequence": scope.first_sequence,
        "last_sequence": scope.last_sequence,
        "checkpoint_size": scope.checkpoint_size,
        "as_of": wire_time(scope.as_of),
        "since": wire_time(scope.since),
        "until": wire_time(scope.until),
        "companies": sorted(scope.companies) if scope.companies is not None else None,
        "visible": {kind: sorted(ids) for kind, ids in scope.visible.items()},
    }


def _plan_of_json(value: Any) -> Scope:
    return Scope(
        first_sequence=value["first_sequence"],
        last_sequence=value["last_sequence"],
        checkpoint_size=value["checkpoint_size"],
        as_of=datetime.fromisoformat(value["as_of"]),
        since=datetime.fromisoformat(value["since"]),
        until=datetime.fromisoformat(value["until"]),
        companies=frozenset(value["companies"]) if value["companies"] is not None else None,
        visible={kind: frozenset(ids) for kind, ids in value["visible"].items()},
    )
