"""What became of approved proposals in the ERP, as the commit engine reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from proposals.models import Outcome
from proposals.states import OutcomeStatus


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
    rows = [
        Outcome(
            proposal_id=entry.proposal_id,
            status=entry.status,
            document=entry.document,
            code=entry.code,
            detail=entry.detail,
            data=dict(entry.data),
            updated_at=now,
        )
        for entry in entries
    ]
    Outcome.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["proposal"],
        update_fields=["status", "document", "code", "detail", "data", "updated_at"],
    )


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
