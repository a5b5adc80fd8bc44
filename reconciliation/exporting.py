"""Breaks as comma-separated values: streamed, in the columns of the work queue, harmless in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import QuerySet

import audit.services
from audit.records import Subject
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.money import Money
from reconciliation.events import ReconciliationEvent
from reconciliation.models import Break
from reconciliation.pages import name_of, reason_of
from reconciliation.queue import Filters

COLUMNS = (
    "break", "kind", "state", "company", "proposal", "reference", "document", "amount", "currency", "reason", "owner", "opened_at",
    "closed_at", "explanation", "handled_by", "seconded_by", "compensation", "first_run", "last_run",
)  # fmt: skip
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CHUNK_ROWS = 1000


class _Echo:
    """A file that hands back what is written to it: `csv.writer` then makes lines one at a time."""

    def write(self, text: str) -> str:
        return text


def record_export(*, filters: Filters, user: User, actor: Actor, now: datetime) -> QuerySet[Break]:
    """The export is recorded, with its filters and the number of rows; returns what is to be exported."""
    rows = filters.rows(user, now)
    audit.services.record(
        kind=ReconciliationEvent.EXPORTED,
        actor=actor,
        subject=Subject(kind="breaks", id="export", company=filters.company),
        now=now,
        outcome={
            "status": "exported",
            "rows": rows.count(),
            "filters": {name: getattr(filters, name) for name in ("state", "kind", "company", "owner", "age", "text")},
        },
    )
    return rows


def lines(rows: QuerySet[Break]) -> Iterator[str]:
    """Yield the file line by line, its header first; memory stays flat."""
    writer = csv.writer(_Echo())
    yield str(writer.writerow(COLUMNS))
    for found in rows.iterator(chunk_size=CHUNK_ROWS):
        yield str(writer.writerow([harmless(value) for value in _values(found)]))


def harmless(text: str) -> str:
    """Return the text so that a spreadsheet shows it and does not run it: a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _values(found: Break) -> Iterable[str]:
    return (
        found.public_id,
        found.kind,
        found.state,
        found.company,
        found.proposal.public_id if found.proposal else "",
        found.reference,
        found.document,
        Money(found.amount_minor, found.currency).decimal_text(),
        found.currency,
        reason_of(found),
        name_of(found.owner) if found.owner else "",
        wire_time(found.opened_at),
        wire_time(found.closed_at) if found.closed_at else "",
        found.explanation,
        name_of(found.handled_by) if found.handled_by else "",
        name_of(found.seconded_by) if found.seconded_by else "",
        found.compensation.public_id if found.compensation else "",
        found.first_run.public_id,
        found.last_run.public_id,
    )
