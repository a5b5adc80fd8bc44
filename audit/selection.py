"""Events of some kinds within the scope of a bundle, in the order of the chain and in pieces: what tables of bundles are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from audit.bundle_parts import Scope
from kernel.canonical import parse_json
from kernel.ids import Prefix, encode

EVENTS_PER_PIECE = 2_000

SELECTED = """
SELECT s.sequence, e.event_id, e.kind, e.occurred_at, e.actor_kind, e.actor_id, e.subject_kind, e.subject_id, e.proposal, e.company,
       e.tool, e.bytes
FROM audit_seal s JOIN audit_event e ON e.event_id = s.event_id
WHERE s.sequence > %s AND s.sequence <= %s AND e.kind LIKE ANY(%s) AND {where}
ORDER BY s.sequence LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class SelectedEvent:
    """One sealed event with its record."""

    sequence: int
    key: UUID
    kind: str
    occurred_at: datetime
    actor_kind: str
    actor_id: str
    subject_kind: str
    subject_id: str
    proposal: str
    company: str
    tool: str
    record: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """Return the TypeID."""
        return encode(Prefix.EVENT, self.key)

    def part(self, *path: str) -> Any:
        """Return a part of the record, or "" where it is absent."""
        found: Any = self.record
        for name in path:
            found = found.get(name, "") if isinstance(found, dict) else ""
        return found

    def text(self, *path: str) -> str:
        """Return a part of the record as text; a list as its members joined by spaces."""
        found = self.part(*path)
        if isinstance(found, list):
            return " ".join(str(item) for item in found)
        return str(found).lower() if isinstance(found, bool) else str(found)


def selected_events(scope: Scope, kinds: Sequence[str]) -> Iterator[SelectedEvent]:
    """Yield the events of these kinds (LIKE patterns) that the scope shows: of its proposal, or of its range."""
    if scope.proposal:
        yield from _pieces(scope, scope.first_sequence, scope.last_sequence, kinds, "e.chain = %s", [scope.proposal])
    else:
        yield from _pieces(scope, scope.first_sequence, scope.last_sequence, kinds, "TRUE", [])


def events_about(scope: Scope, kinds: Sequence[str], *, subjects: Sequence[str]) -> Iterator[SelectedEvent]:
    """Yield the events of these kinds about these subjects, up to the checkpoint that the bundle leans on."""
    yield from _pieces(scope, 1, scope.checkpoint_size, kinds, "e.subject_id = ANY(%s)", [list(subjects)])


def _pieces(scope: Scope, first: int, last: int, kinds: Sequence[str], where: str, arguments: list[Any]) -> Iterator[SelectedEvent]:
    after = first - 1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(SELECTED.format(where=where), [after, last, list(kinds), *arguments, EVENTS_PER_PIECE])
            rows = cursor.fetchall()
        for row in rows:
            found = SelectedEvent(*(*row[:11], _record(row[11])))
            if scope.shows(company=found.company, subject_kind=found.subject_kind, subject_id=found.subject_id):
                yield found
        if len(rows) < EVENTS_PER_PIECE:
            return
        after = rows[-1][0]


def _record(stored: Any) -> Mapping[str, Any]:
    value = parse_json(bytes(stored))
    return value if isinstance(value, dict) else {}
