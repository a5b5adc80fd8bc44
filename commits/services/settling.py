"""Settling: what became of a batch is written in one transaction, behind a fence that ignores late workers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

import audit.services
import proposals.services
from approvals.drift import CODE as MATERIAL_DRIFT
from approvals.drift import ask_again
from audit.records import NewEvent
from commits.crash_points import CrashPoint, crash_point
from commits.events import CommitEvent, ErpEvent
from commits.models import Commit, Landing, Receipt, Relanding
from commits.records import Counts, Settlement
from commits.services import statements
from commits.services.events import ACTOR, subject_of
from commits.states import AttemptOutcome, CommitState
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.clock import wire_time
from kernel.rows import insert_rows
from kernel.together import gathered
from proposals.models import Proposal
from proposals.services import NewOutcome, record_outcomes
from proposals.states import OutcomeStatus

logger = logging.getLogger(__name__)

RECEIPT_PURPOSE = "countersign.receipt/1"
READ_BACK_PURPOSE = "countersign.read_back/1"

OUTCOMES = {
    CommitState.SUCCEEDED: OutcomeStatus.COMMITTED,
    CommitState.FAILED: OutcomeStatus.FAILED,
    CommitState.UNKNOWN: OutcomeStatus.UNKNOWN,
    CommitState.QUEUED: OutcomeStatus.QUEUED,
}
KINDS = {
    CommitState.SUCCEEDED: CommitEvent.SUCCEEDED,
    CommitState.FAILED: CommitEvent.FAILED,
    CommitState.UNKNOWN: CommitEvent.UNKNOWN,
    CommitState.QUEUED: CommitEvent.DEFERRED,
}


def settle(settlements: Sequence[Settlement], *, now: datetime, actor: Actor = ACTOR) -> Counts:
    """Every settlement whose fence still holds is written, with receipt, outcome and events; the others are ignored.

    The fence is the attempt number and state that the worker claimed with: whoever comes late finds them changed. When the batch
    cannot be settled as a whole, each is settled alone; one that cannot be stays in flight until its lease ends.
    """
    if not settlements:
        return Counts()
    crash_point(CrashPoint.BEFORE_SETTLE)
    try:
        counts = _settle(settlements, now=now, actor=actor)
    except Exception:
        logger.exception("a batch of %d could not be settled", len(settlements))
        counts = Counts()
        for settlement in settlements if len(settlements) > 1 else ():
            counts.add(settle([settlement], now=now, actor=actor))
    crash_point(CrashPoint.AFTER_SETTLE)
    return counts


def _settle(settlements: Sequence[Settlement], *, now: datetime, actor: Actor) -> Counts:
    with transaction.atomic():
        rows = _lock([item.claim.commit_id for item in settlements])
        moved = statements.settle(settlements, now=now)
        current = [item for item in settlements if item.claim.commit_id in moved]
        successors = {
            item.claim.proposal_id: _end_of_drifted(item, rows[item.claim.commit_id].proposal_id, actor=actor, now=now)
            for item in current
            if item.drift or _is_void(item)
        }
        receipts = {item.claim.commit_id: _receipt(item, rows, now=now) for item in current if item.landed is not None}
        with gathered():
            statements.end_attempts([item for item in current if item.claim.state is CommitState.IN_FLIGHT], now=now)
            insert_rows([receipt for receipt in receipts.values() if isinstance(receipt, Receipt)])
            insert_rows([receipt for receipt in receipts.values() if isinstance(receipt, Relanding)])
            record_outcomes([_outcome(item, successors.get(item.claim.proposal_id)) for item in current], now=now)
            crash_point(CrashPoint.IN_SETTLE)
            events = [event for item in current for event in _events(item, rows, receipts.get(item.claim.commit_id), now=now, actor=actor)]
            audit.services.record_many(events)
    return _counts(current, ignored=len(settlements) - len(current))


def _is_void(item: Settlement) -> bool:
    """Return whether the commit was given up, and its proposal with it."""
    return item.to is CommitState.FAILED and item.claim.refusal is not None and item.claim.refusal.is_void


def _end_of_drifted(item: Settlement, key: UUID, *, actor: Actor, now: datetime) -> Proposal | None:
    """Void the proposal whose approval no longer stands, or bring it back to its approvers; return what takes its place."""
    # Locked already, but without the columns that a new version repeats.
    proposal = Proposal.objects.select_related("agent").get(pk=key)
    if item.code == MATERIAL_DRIFT:
        return ask_again(
            proposal=proposal,
            checks=item.checks,
            reason=item.detail,
            actor=actor,
            now=now,
            observed=item.observed,
        )
    proposals.services.void(proposal=proposal, actor=actor, now=now, code=item.code, reason=item.detail, differences=item.drift)
    return None


def _lock(ids: Sequence[UUID]) -> dict[UUID, Commit]:
    """Return the commits with their proposals, both locked, in the order of the proposals."""
    rows = (
        Commit.objects.select_for_update(no_key=True, of=("self", "proposal"))
        .select_related("proposal")
        .defer("proposal__facts", "proposal__rationale", "proposal__action_bytes", "request_bytes", "proposal__payload")
        .filter(pk__in=ids)
        .order_by("proposal_id")
    )
    return {row.pk: row for row in rows}


def _receipt(item: Settlement, rows: Mapping[UUID, Commit], *, now: datetime) -> Receipt | Relanding:
    claim, number = item.claim, rows[item.claim.commit_id].landing_number
    answer = canonical_bytes(
        {
            "schema": "countersign.erp.receipt/1",
            "document": item.document,
            "status": "posted" if item.attempt is AttemptOutcome.POSTED else "replayed",
            "connection": rows[claim.commit_id].connection,
            "key": str(claim.commit_id),
            "attempt": claim.attempt_number,
            "received_at": wire_time(now),
            "answer": dict(item.answer),
        }
    )
    read_back = canonical_bytes(
        {
            "schema": "countersign.erp.read_back/1",
            "document": item.document,
            "read_at": wire_time(now),
            "landed": dict(item.landed or {}),
            "differences": [dict(difference) for difference in item.differences],
        }
    )
    values: dict[str, Any] = {
        "commit_id": claim.commit_id,
        "document": item.document,
        "answer_bytes": answer,
        "read_back_bytes": read_back,
        "differences": [dict(difference) for difference in item.differences],
        "content_digest": str((item.landed or {}).get("content_digest", "")),
        "recorded_at": now,
    }
    return Receipt(**values) if number == 1 else Relanding(**values, number=number)


def _outcome(item: Settlement, successor: Proposal | None) -> NewOutcome:
    data: dict[str, object] = {"attempt": item.claim.attempt_number}
    if item.to is CommitState.FAILED:
        data["is_retryable"] = item.is_retryable
    if item.landed is not None:
        data["differences"] = [dict(difference) for difference in item.differences]
    if item.drift:
        data["drift"] = [dict(fact) for fact in item.drift]
    if successor is not None:
        data["asked_again"] = successor.public_id
    if item.landed is not None and item.claim.tolerated:
        data["tolerated"] = [dict(fact) for fact in item.claim.tolerated]
    if item.draft:
        data["draft"] = item.draft
    return NewOutcome(
        proposal_id=item.claim.proposal_id,
        status=OUTCOMES[item.to],
        document=item.document,
        code=item.code,
        detail=item.detail,
        data=data,
    )


def _events(item: Settlement, rows: Mapping[UUID, Commit], receipt: Landing | None, *, now: datetime, actor: Actor) -> list[NewEvent]:
    row = rows[item.claim.commit_id]
    subject = subject_of(row.proposal, row)
    digest = row.proposal.payload_digest
    outcome: dict[str, object] = {"status": str(item.to), "attempt": item.claim.attempt_number}
    if receipt is not None:
        outcome |= {
            "document": item.document,
            "answered": str(item.attempt),
            "differences": len(item.differences),
            "receipt_digest": digest_of_bytes(RECEIPT_PURPOSE, bytes(receipt.answer_bytes)),
            "read_back_digest": digest_of_bytes(READ_BACK_PURPOSE, bytes(receipt.read_back_bytes)),
        }
    else:
        outcome |= {"code": item.code, "answered": str(item.attempt)}
    said: dict[str, object] = {"detail": item.detail} if item.detail else {}
    if item.landed is not None and item.claim.tolerated:
        outcome["tolerated"] = [fact["field"] for fact in item.claim.tolerated]
        said["tolerated"] = [dict(fact) for fact in item.claim.tolerated]
    events = [
        NewEvent(kind=KINDS[item.to], actor=actor, subject=subject, now=now, outcome=outcome, action_digest=digest, payload=said or None)
    ]
    if item.differences:
        events.append(
            NewEvent(
                kind=ErpEvent.DIFFERENCE_FOUND,
                actor=actor,
                subject=subject,
                now=now,
                outcome={"document": item.document, "fields": [str(difference["field"]) for difference in item.differences]},
                action_digest=digest,
                payload={"differences": [dict(difference) for difference in item.differences]},
            )
        )
    if item.draft:
        left = {"draft": item.draft, "attempt": item.claim.attempt_number}
        events.append(NewEvent(kind=ErpEvent.DRAFT_LEFT, actor=actor, subject=subject, now=now, outcome=left, action_digest=digest))
    return events


def _counts(current: Sequence[Settlement], *, ignored: int) -> Counts:
    totals = {state: sum(1 for item in current if item.to is state) for state in KINDS}
    return Counts(
        succeeded=totals[CommitState.SUCCEEDED],
        failed=totals[CommitState.FAILED],
        unknown=totals[CommitState.UNKNOWN],
        deferred=totals[CommitState.QUEUED],
        ignored=ignored,
    )
