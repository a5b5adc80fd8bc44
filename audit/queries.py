"""Reads of the log: for the console, for bundles, for statements of completeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Max, QuerySet

from audit.events import LogEvent
from audit.keys import checkpoint_directory
from audit.models import Checkpoint, Event, Seal
from audit.payloads import PayloadUnreadable, Shredded, opened
from kernel.canonical import parse_json
from kernel.clock import wire_time
from kernel.ids import Prefix, decode, encode

PAGE_SIZE = 50
COMMITTED = "commit:succeeded"


@dataclass(frozen=True, slots=True)
class EventView:
    """An event as a person or a bundle sees it; `sequence` is None until it is sealed."""

    event_id: str
    sequence: int | None
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    actor_kind: str
    actor_id: str
    subject_kind: str
    subject_id: str
    proposal: str
    company: str
    tool: str
    leaf: str
    record: Mapping[str, Any]
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> Mapping[str, Any]:
        """Return what came of it."""
        value = self.record.get("outcome", {})
        return value if isinstance(value, dict) else {}

    @property
    def human(self) -> Mapping[str, Any]:
        """Return the person's decision, if it was one."""
        value = self.record.get("human", {})
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What an audit page filters by; an empty field filters nothing. Periods are half-open: since ≤ recorded_at < until."""

    since: datetime | None = None
    until: datetime | None = None
    kind: str = ""
    family: str = ""
    actor_kind: str = ""
    actor_id: str = ""
    subject_kind: str = ""
    subject_id: str = ""
    proposal: str = ""
    company: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page, newest first; `next_cursor` is empty on the last one."""

    rows: tuple[EventView, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """How far the log is sealed, signed and verified; whether anything is wrong with it says `audit.watch.log_health`."""

    sealed_to: int
    unsealed: int
    oldest_unsealed_at: datetime | None
    last_sealed_at: datetime | None
    checkpoint_size: int
    checkpoint_at: datetime | None
    checkpoint_file: str
    verified_at: datetime | None
    verified_size: int
    verified_holds: bool


@dataclass(frozen=True, slots=True)
class Population:
    """A statement of completeness over a period of recording: how many, from where to where, and how many are missing."""

    since: datetime
    until: datetime
    count: int
    unsealed: int
    first_sequence: int | None
    last_sequence: int | None
    gaps: int


def events_of_proposal(proposal: str) -> list[EventView]:
    """Return every event of a proposal in the order of its chain, payloads included."""
    rows = Event.objects.filter(chain=proposal).select_related("seal", "payload__key").order_by("position")
    return [_view(row) for row in rows]


def events(filters: EventFilter | None = None, *, cursor: str = "", limit: int = PAGE_SIZE) -> EventPage:
    """Return one page of events, newest first, continuing after `cursor` (the TypeID of the last event seen)."""
    rows = _filtered(filters or EventFilter())
    if cursor:
        rows = rows.filter(event_id__lt=decode(Prefix.EVENT, cursor))
    found = list(rows.select_related("seal", "payload__key").order_by("-event_id")[: limit + 1])
    page = tuple(_view(row) for row in found[:limit])
    return EventPage(page, page[-1].event_id if len(found) > limit else "")


def event(event_id: str) -> EventView | None:
    """Return one event by its TypeID, or None."""
    row = Event.objects.filter(event_id=decode(Prefix.EVENT, event_id)).select_related("seal", "payload__key").first()
    return _view(row) if row else None


def chain_status() -> ChainStatus:
    """Return how far the chain is sealed, signed and verified."""
    sealed_to = Seal.objects.aggregate(last=Max("sequence"))["last"] or 0
    last_seal = Seal.objects.filter(sequence=sealed_to).first()
    unsealed, oldest = _unsealed()
    checkpoint = Checkpoint.objects.order_by("-size").first()
    verified = Event.objects.filter(kind=LogEvent.VERIFIED).order_by("-event_id").first()
    outcome = record_of(verified).get("outcome", {}) if verified else {}
    file = checkpoint_directory() / f"{checkpoint.size:012d}.note" if checkpoint else None
    return ChainStatus(
        sealed_to=sealed_to,
        unsealed=unsealed,
        oldest_unsealed_at=oldest,
        last_sealed_at=last_seal.sealed_at if last_seal else None,
        checkpoint_size=checkpoint.size if checkpoint else 0,
        checkpoint_at=checkpoint.signed_at if checkpoint else None,
        checkpoint_file=str(file) if file else "",
        verified_at=verified.occurred_at if verified else None,
        verified_size=int(outcome.get("size", 0)),
        verified_holds=outcome.get("status") == "holds",
    )


def begun() -> datetime | None:
    """Return when the oldest sealed event that is still here was sealed, or None while there is none."""
    oldest = Seal.objects.order_by("sequence").only("sealed_at").first()
    return oldest.sealed_at if oldest else None


def population(*, since: datetime, until: datetime) -> Population:
    """Return the completeness statement of a period: since ≤ recorded_at < until."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), count(*) FILTER (WHERE s.sequence IS NULL), min(s.sequence), max(s.sequence)
            FROM audit_event e LEFT JOIN audit_seal s ON s.event_id = e.event_id
            WHERE e.recorded_at >= %s AND e.recorded_at < %s
            """,
            [since, until],
        )
        count, unsealed, first, last = cursor.fetchone()
        present = 0
        if first is not None:
            cursor.execute("SELECT count(*) FROM audit_seal WHERE sequence BETWEEN %s AND %s", [first, last])
            present = cursor.fetchone()[0]
    gaps = last - first + 1 - present if first is not None else 0
    return Population(since=since, until=until, count=count, unsealed=unsealed, first_sequence=first, last_sequence=last, gaps=gaps)


def newest_committed_proposal() -> str:
    """Return the proposal of the newest commit that succeeded, or "" when there is none."""
    row = Event.objects.filter(kind=COMMITTED).exclude(proposal="").order_by("-event_id").values_list("proposal").first()
    return row[0] if row else ""


def record_of(row: Event) -> dict[str, Any]:
    """Return the record that the event's bytes hold."""
    value = parse_json(bytes(row.bytes))
    return value if isinstance(value, dict) else {}


def alarm_sentence(raised: Event) -> str:
    """Return what an alarm says."""
    content = _view(raised).payload.get("content", {})
    return f"Sealing stopped: {content.get('sentence', '') if isinstance(content, dict) else ''}"


def sequences_of(event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the sequence of each of these events that is sealed."""
    return dict(Seal.objects.filter(event_id__in=event_ids).values_list("event_id", "sequence"))


def _filtered(filters: EventFilter) -> QuerySet[Event]:
    rows = Event.objects.all()
    for name in ("kind", "actor_kind", "actor_id", "subject_kind", "subject_id", "company", "tool"):
        if value := getattr(filters, name):
            rows = rows.filter(**{name: value})
    if filters.proposal:
        rows = rows.filter(chain=filters.proposal)
    if filters.family:
        rows = rows.filter(kind__startswith=f"{filters.family}:")
    if filters.since:
        rows = rows.filter(recorded_at__gte=filters.since)
    if filters.until:
        rows = rows.filter(recorded_at__lt=filters.until)
    return rows


def _view(row: Event) -> EventView:
    seal = getattr(row, "seal", None)
    content = _payload_of(row)
    return EventView(
        event_id=encode(Prefix.EVENT, row.event_id),
        sequence=seal.sequence if seal else None,
        kind=row.kind,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        proposal=row.proposal,
        company=row.company,
        tool=row.tool,
        leaf=bytes(row.leaf).hex(),
        record=record_of(row),
        payload=content if isinstance(content, dict) else {},
    )


def _payload_of(row: Event) -> object:
    beside = getattr(row, "payload", None)
    if beside is None:
        return {}
    try:
        found = opened(beside)
    except PayloadUnreadable as error:
        return {"unreadable": str(error)}
    if isinstance(found, Shredded):
        return {"shredded": wire_time(found.shredded_at)}
    return parse_json(found.content)


def _unsealed() -> tuple[int, datetime | None]:
    """Return how many recorded events wait, and since when. A complete anti-join: about 0.3 s over a million events."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), min(e.recorded_at) FROM audit_event e
            WHERE NOT EXISTS (SELECT FROM audit_seal s WHERE s.event_id = e.event_id)
            """
        )
        count, oldest = cursor.fetchone()
    return count, oldest
