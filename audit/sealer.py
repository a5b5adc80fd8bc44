"""Sealing: every recorded event gets its place in one gapless chain, a tick after it was committed.

Finding what is unsealed is an anti-join of events against seals, never "id greater than the last one": a transaction that
began early and commits late is found like any other. To keep the anti-join cheap over millions of rows it looks only at events
whose inserting transaction is not older than `_lower`, and `_lower` only moves up to the oldest transaction that was still
running before the scan: whatever is older had ended, was visible, and is sealed. A full anti-join sets the bound at start-up
and again every ten minutes, so that not even a restored dump or a forged column hides an event for longer.

An event is sealed only with its mac, its record and its per-subject link intact; otherwise sealing stops and raises an alarm.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from uuid import UUID

from django.db import connection, transaction

from audit.keys import chain_id, mac_key
from audit.models import Frontier as FrontierRow
from audit.records import event_mac
from audit.verifier.countersign_verify import (
    Findings,
    Frontier,
    check_columns,
    check_event,
    entry_hash,
    genesis_entry,
)
from kernel.clock import wire_time
from kernel.ids import Prefix, encode

BATCH_SIZE = 1_000
FULL_SWEEP_SECONDS = 600.0
DIGEST_BYTES = 32

EVENT_COLUMNS = """
    e.event_id, e.kind, e.occurred_at, e.actor_kind, e.actor_id, e.subject_kind, e.subject_id, e.proposal, e.company, e.tool,
    e.chain, e.position, e.previous_leaf, e.bytes, e.leaf, e.mac, e.transaction
"""
IS_UNSEALED = "NOT EXISTS (SELECT FROM audit_seal s WHERE s.event_id = e.event_id)"

OLDEST_RUNNING = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
OLDEST_UNSEALED = f"SELECT min(e.transaction) FROM audit_event e WHERE {IS_UNSEALED}"  # noqa: S608  constants only
UNSEALED = f"""
SELECT {EVENT_COLUMNS} FROM audit_event e WHERE e.transaction >= %s AND {IS_UNSEALED}
ORDER BY e.transaction, e.recorded_at, e.position LIMIT %s
"""  # noqa: S608  constants only
# The events before those of a batch that are not in the batch: sealed long ago, or to be pulled in.
PREDECESSORS = f"""
SELECT {EVENT_COLUMNS}, {IS_UNSEALED} FROM unnest(%s::text[], %s::bigint[]) AS wanted (chain, position)
JOIN audit_event e ON e.chain = wanted.chain AND e.position = wanted.position
"""  # noqa: S608  constants only
# Those whose events were detached with their archive: sealed, and known by their leaf.
ARCHIVED_LEAVES = """
SELECT l.chain, l.position, l.leaf FROM unnest(%s::text[], %s::bigint[]) AS wanted (chain, position)
JOIN audit_link l ON l.chain = wanted.chain AND l.position = wanted.position
JOIN audit_seal s ON s.event_id = l.event_id WHERE s.sequence <= (SELECT max(last_sequence) FROM audit_archive)
"""
INSERT_SEALS = """
INSERT INTO audit_seal (sequence, event_id, entry, previous)
SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::bytea[], %s::bytea[])
"""


class SealingRefused(Exception):
    """An event, or the chain itself, is not what the application wrote: sealing stops until a person has looked."""

    def __init__(self, code: str, sentence: str, *, event_id: str = "") -> None:
        """Name what was found."""
        super().__init__(sentence)
        self.code = code
        self.event_id = event_id


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of the event table as the sealer and the verifier read it."""

    event_id: UUID
    kind: str
    occurred_at: datetime
    actor_kind: str
    actor_id: str
    subject_kind: str
    subject_id: str
    proposal: str
    company: str
    tool: str
    chain: str
    position: int
    previous_leaf: bytes | None
    stored: bytes
    leaf: bytes
    mac: bytes
    transaction: int

    @classmethod
    def from_row(cls, row: Sequence[object]) -> StoredEvent:
        """Return the event in one row of EVENT_COLUMNS."""
        return cls(*row[:17])  # type: ignore[arg-type]

    @property
    def text_id(self) -> str:
        """Return the event's TypeID."""
        return encode(Prefix.EVENT, self.event_id)

    def columns(self) -> dict[str, str]:
        """Return the searchable columns as the record spells them."""
        return {
            "kind": self.kind,
            "occurred_at": wire_time(self.occurred_at),
            "actor_kind": self.actor_kind,
            "actor_id": self.actor_id,
            "subject_kind": self.subject_kind,
            "subject_id": self.subject_id,
            "proposal": self.proposal,
            "company": self.company,
            "tool": self.tool,
            "chain": self.chain,
            "position": str(self.position),
            "previous_leaf": self.previous_leaf.hex() if self.previous_leaf is not None else "",
        }

    def expected_mac(self, key: bytes) -> bytes:
        """Return the mac that the application would have given this leaf."""
        return event_mac(key, leaf=self.leaf, event_id=self.event_id.bytes)


@dataclass(slots=True)
class Head:
    """The end of the chain: the tree so far, and the last entry."""

    frontier: Frontier
    entry: bytes


def current_head() -> Head:
    """Return the end of the chain as the database has it."""
    row = FrontierRow.objects.order_by("-size").first()
    if row is None:
        return Head(Frontier(), genesis_entry(chain_id()))
    subtrees = bytes(row.subtrees)
    parts = [subtrees[start : start + DIGEST_BYTES] for start in range(0, len(subtrees), DIGEST_BYTES)]
    return Head(Frontier(row.size, parts), bytes(row.entry))


class Sealer:
    """Seals batches; holds nothing but the bound below which everything is known to be sealed."""

    def __init__(self) -> None:
        """Begin with nothing known: the first batch sweeps the whole table."""
        self._lower: int | None = None
        self._swept_at = 0.0

    def seal_everything(self) -> int:
        """Seal until nothing visible is unsealed; return how many events were sealed."""
        total = 0
        while count := self.seal_batch():
            total += count
        return total

    def seal_batch(self, *, limit: int = BATCH_SIZE) -> int:
        """Seal up to about `limit` events in one transaction; return how many (0 when nothing is unsealed).

        Raises SealingRefused, having sealed nothing of the batch, when an event is not what the application wrote.
        """
        oldest_running = _scalar(OLDEST_RUNNING) or 0
        lower = self._lower_bound(oldest_running)
        rows = _events(UNSEALED, [lower, limit])
        if rows:
            _seal(rows)
        # Nothing below this bound can appear any more, and everything visible below it is sealed now.
        self._lower = oldest_running if len(rows) < limit else min(oldest_running, rows[-1].transaction)
        return len(rows)

    def _lower_bound(self, oldest_running: int) -> int:
        if self._lower is None or monotonic() - self._swept_at > FULL_SWEEP_SECONDS:
            oldest_unsealed = _scalar(OLDEST_UNSEALED)
            self._swept_at = monotonic()
            self._lower = min(oldest_running, oldest_unsealed) if oldest_unsealed is not None else oldest_running
        return self._lower


def _seal(rows: list[StoredEvent]) -> None:
    ordered = _linked_order(rows)
    key, chain = mac_key(), chain_id()
    for event in ordered:
        refuse_forged(event, key, chain)
    with transaction.atomic():
        head = current_head()
        sequences, entries, previous_entries = [], [], []
        for event in ordered:
            head.frontier.append(event.leaf)
            previous_entries.append(head.entry)
            head.entry = entry_hash(head.frontier.size, head.entry, event.leaf)
            sequences.append(head.frontier.size)
            entries.append(head.entry)
        with connection.cursor() as cursor:
            cursor.execute(INSERT_SEALS, [sequences, [event.event_id for event in ordered], entries, previous_entries])
        FrontierRow.objects.create(
            size=head.frontier.size,
            subtrees=b"".join(head.frontier.subtrees),
            root=head.frontier.root(),
            entry=head.entry,
        )


def refuse_forged(event: StoredEvent, key: bytes, chain: str) -> None:
    """Do nothing when the event is exactly what the application wrote; raise SealingRefused otherwise."""
    if not hmac.compare_digest(event.expected_mac(key), event.mac):
        raise SealingRefused(
            "event_forged",
            f"{event.text_id} ({event.kind}) does not carry the application's mac: it was edited or inserted in the database.",
            event_id=event.text_id,
        )
    findings = Findings()
    record = check_event(findings, "the unsealed rows", event_id=event.text_id, chain_id=chain, stored=event.stored, leaf=event.leaf)
    if record is not None:
        check_columns(findings, "the unsealed rows", record, event.columns())
    if not findings.holds:
        problem = findings.problems[0]
        raise SealingRefused(problem.code, problem.sentence, event_id=event.text_id)


def _linked_order(rows: list[StoredEvent]) -> list[StoredEvent]:
    """Return the events so that each follows the one its link names, pulling in predecessors the batch does not hold."""
    known = {(event.chain, event.position): event for event in rows}
    sealed: dict[tuple[str, int], bytes] = {}
    wanted = _missing_predecessors(rows, known)
    while wanted:
        found = _predecessors(wanted)
        sealed.update({(event.chain, event.position): event.leaf for event, is_unsealed in found if not is_unsealed})
        if len(found) < len(wanted):
            places = {(event.chain, event.position) for event, _ in found}
            sealed.update(_archived_leaves([place for place in wanted if place not in places]))
        pulled = [event for event, is_unsealed in found if is_unsealed]
        known.update({(event.chain, event.position): event for event in pulled})
        wanted = _missing_predecessors(pulled, known)
    ordered: list[StoredEvent] = []
    done: set[tuple[str, int]] = set()
    for event in rows:
        pending: list[StoredEvent] = []
        current: StoredEvent | None = event
        while current is not None and (current.chain, current.position) not in done:
            pending.append(current)
            done.add((current.chain, current.position))
            current = known.get((current.chain, current.position - 1))
        ordered.extend(reversed(pending))
    for event in ordered:
        place = (event.chain, event.position - 1)
        _refuse_broken_link(event, known[place].leaf if place in known else sealed.get(place))
    return ordered


def _refuse_broken_link(event: StoredEvent, expected: bytes | None) -> None:
    is_first = event.position == 1
    if event.previous_leaf != expected or is_first != (expected is None):
        raise SealingRefused(
            "link_broken",
            f"{event.text_id} ({event.kind}) says it is number {event.position} of {event.chain}, but the event before it is "
            f"{'another one' if expected is not None else 'missing'}.",
            event_id=event.text_id,
        )


def _missing_predecessors(events: Iterable[StoredEvent], known: dict[tuple[str, int], StoredEvent]) -> list[tuple[str, int]]:
    places = {(event.chain, event.position - 1) for event in events if event.position > 1}
    return sorted(place for place in places if place not in known)


def _predecessors(places: Sequence[tuple[str, int]]) -> list[tuple[StoredEvent, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(PREDECESSORS, [[chain for chain, _ in places], [position for _, position in places]])
        return [(StoredEvent.from_row(row), bool(row[17])) for row in cursor.fetchall()]


def _archived_leaves(places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
    with connection.cursor() as cursor:
        cursor.execute(ARCHIVED_LEAVES, [[chain for chain, _ in places], [position for _, position in places]])
        return {(chain, position): bytes(leaf) for chain, position, leaf in cursor.fetchall()}


def _events(sql: str, parameters: Sequence[int]) -> list[StoredEvent]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [StoredEvent.from_row(row) for row in cursor.fetchall()]


def _scalar(sql: str) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row[0] if row else None
