"""What became of approved proposals in the ERP, as the commit engine reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from kernel.together import write
from proposals.services.telling import tell_outcomes
from proposals.states import OutcomeStatus

UPSERT = """
INSERT INTO proposals_outcome (proposal_id, status, document, code, detail, data, updated_at)
SELECT entry.*, %s FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[]) AS entry
ON CONFLICT (proposal_id) DO UPDATE SET
    status = excluded.status, document = excluded.document, code = excluded.code, detail = excluded.detail,
    data = excluded.data, updated_at = excluded.updated_at
"""


@dataclass(frozen=True, slots=True)
class NewOutcome:
    """The present outcome of one proposal; `data` holds what a program can act on, e.g. `{"is_retryable": true}`."""

    proposal_id: UUID
    status: OutcomeStatus
    document: str = ""
    code: str = ""
    detail: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


def record_outcomes(entries: Sequence[NewOutcome], *, now: datetime) -> None:
    """Make each entry its proposal's outcome, in one statement; at most one entry per proposal.

    Joins the caller's transaction, whose lock on each commit keeps them in order.
    """
    if not entries:
        return
    columns: list[list[object]] = [
        [entry.proposal_id for entry in entries],
        [str(entry.status) for entry in entries],
        [entry.document for entry in entries],
        [entry.code for entry in entries],
        [entry.detail for entry in entries],
        [Jsonb(dict(entry.data)) for entry in entries],
    ]
    write(UPSERT.strip(), [now, *columns])
    tell_outcomes(entries, now=now)


def record_outcome(
    *,
    proposal_id: UUID,
    status: OutcomeStatus,
    now: datetime,
    document: str = "",
    code: str = "",
    detail: str = "",
    data: Mapping[str, object] | None = None,
) -> None:
    """Make this the proposal's outcome; see `record_outcomes`."""
    record_outcomes([NewOutcome(proposal_id, status, document, code, detail, data or {})], now=now)
