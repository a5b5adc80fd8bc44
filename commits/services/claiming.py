"""Claiming: queued commits become this worker's for the length of a lease, after everything was verified again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

import audit.services
import proposals.services
from audit.records import NewEvent
from commits.crash_points import CrashPoint, crash_point
from commits.events import CommitEvent
from commits.models import Attempt, Breaker, Commit
from commits.presence import hold
from commits.records import Claimed, Refusal, params_of
from commits.services import breaker, statements
from commits.services.backoff import backoff
from commits.services.events import ACTOR, subject_of
from commits.services.finality import hold_until_final
from commits.services.freezing import freeze
from commits.services.verification import Finding, Verdict, verify
from commits.states import TRANSITIONS, CommitState
from kernel.rows import insert_rows
from kernel.together import gathered
from kernel.transitions import advance
from proposals.services import NewOutcome, record_outcomes
from proposals.states import OutcomeStatus

logger = logging.getLogger(__name__)

BATCH_LIMIT = 50
LEASE_SECONDS = 120


def claim(*, now: datetime, worker: str, limit: int = BATCH_LIMIT) -> list[Claimed]:
    """Up to `limit` queued commits are in flight under this worker's lease, each with its attempt written down; returns them.

    Commits that another worker holds are skipped. Those that do not verify are refused, voided or frozen, and not returned, but for
    those with an earlier attempt that may still be under way: they carry their refusal. When the batch cannot be claimed as a whole,
    each of its commits is tried alone, so that one bad row never stops the others.
    """
    crash_point(CrashPoint.BEFORE_CLAIM)
    try:
        claimed = _claim(Commit.objects.all(), now=now, worker=worker, limit=limit)
    except Exception:
        logger.exception("a batch could not be claimed; its commits are tried one by one")
        claimed = _claim_singly(now=now, worker=worker, limit=limit)
    if claimed:
        crash_point(CrashPoint.AFTER_CLAIM)
    return claimed


def _claim_singly(*, now: datetime, worker: str, limit: int) -> list[Claimed]:
    due = Commit.objects.filter(state=CommitState.QUEUED, not_before__lte=now).order_by("not_before", "id")
    claimed = []
    for key in list(due.values_list("pk", flat=True)[:limit]):
        try:
            claimed += _claim(Commit.objects.filter(pk=key), now=now, worker=worker, limit=1)
        except Exception as error:
            logger.exception("commit %s could not be claimed", key)
            attempts = Commit.objects.filter(pk=key).values_list("attempt_number", flat=True).get()
            statements.freeze([key], code="claim_failed", detail=f"{type(error).__name__}: {error}", not_before=now + backoff(attempts + 4))
    return claimed


def _claim(scope: QuerySet[Commit], *, now: datetime, worker: str, limit: int) -> list[Claimed]:
    with transaction.atomic():
        gates = breaker.gates(now=now)
        due = scope.filter(state=CommitState.QUEUED, not_before__lte=now)
        rows = _locked(due.exclude(connection__in=gates.shut) if gates.shut else due, limit)
        probes = _probes(scope, gates, now=now)
        rows += [row for _, row in probes]
        if not rows:
            return []
        verdicts = verify(rows, now=now)
        refused = [row for row in rows if verdicts[row.pk].finding in (Finding.REFUSED, Finding.VOIDED)]
        # What left once may still be on its way: it is claimed to be given up, not to be sent.
        given_up = [row for row in refused if row.attempt_number]
        cleared = [row for row in rows if verdicts[row.pk].finding is Finding.CLEARED]
        claimed = _start(cleared + given_up, verdicts, now=now, worker=worker)
        frozen = [(row, verdicts[row.pk]) for row in rows if verdicts[row.pk].finding is Finding.FROZEN]
        hold_until_final([(row, verdicts[row.pk]) for row in rows if verdicts[row.pk].finding is Finding.NOT_FINAL], now=now)
        freeze([(row, verdict.code, verdict.reason) for row, verdict in frozen], now=now)
        for row in refused:
            if not row.attempt_number:
                _refuse(row, verdicts[row.pk], now=now)
        for open_breaker, row in probes:
            if verdicts[row.pk].finding is Finding.CLEARED:
                breaker.begin_probe(open_breaker, now=now)
        crash_point(CrashPoint.IN_CLAIM)
    return claimed


def _locked(due: QuerySet[Commit], limit: int) -> list[Commit]:
    """Return the oldest of these, locked; waiting for nobody: one that somebody holds is taken the next time round."""
    return list(
        due.select_for_update(skip_locked=True, no_key=True, of=("self", "proposal"))
        .select_related("proposal__agent")
        .defer("proposal__facts", "proposal__rationale", "proposal__payload", "proposal__preconditions")
        .order_by("not_before", "id")[:limit]
    )


def _probes(scope: QuerySet[Commit], gates: breaker.Gates, *, now: datetime) -> list[tuple[Breaker, Commit]]:
    """Return one commit for each connection whose open breaker may be probed, with the breaker, both locked."""
    found = []
    for connection in gates.probed:
        open_breaker = breaker.lock_probe(connection, now=now)
        if open_breaker is None:
            continue
        waiting = Q(not_before__lte=now) | Q(code__in=breaker.OUTAGE_CODES)
        found += [(open_breaker, row) for row in _locked(scope.filter(waiting, state=CommitState.QUEUED, connection=connection), 1)]
    return found


def _start(rows: Sequence[Commit], verdicts: Mapping[UUID, Verdict], *, now: datetime, worker: str) -> list[Claimed]:
    if not rows:
        return []
    deadline, lease_until = time.monotonic() + LEASE_SECONDS, now + timedelta(seconds=LEASE_SECONDS)
    numbers = statements.start([row.pk for row in rows], lease_until=lease_until, holder=hold(), now=now)
    events = [
        NewEvent(
            kind=CommitEvent.STARTED,
            actor=ACTOR,
            subject=subject_of(row.proposal, row),
            now=now,
            gate=verdicts[row.pk].gate or None,
            outcome={"status": "started", "attempt": numbers[row.pk]},
            action_digest=row.proposal.payload_digest,
        )
        for row in rows
    ]
    with gathered():
        insert_rows([Attempt(commit=row, number=numbers[row.pk], worker=worker, started_at=now) for row in rows])
        record_outcomes([NewOutcome(proposal_id=row.proposal_id, status=OutcomeStatus.IN_FLIGHT) for row in rows], now=now)
        audit.services.record_many(events)
    return [
        Claimed(
            commit_id=row.pk,
            proposal_id=row.proposal_id,
            attempt_number=numbers[row.pk],
            company=row.company,
            tool=row.tool,
            reference=row.proposal.public_id,
            request_bytes=bytes(row.proposal.action_bytes),
            params=verdicts[row.pk].params or params_of(bytes(row.request_bytes or b"")),
            preconditions=verdicts[row.pk].preconditions,
            deadline=deadline,
            connection=row.connection,
            trace_id=row.proposal.trace_id,
            refusal=_refusal(verdicts[row.pk]),
        )
        for row in rows
    ]


def _refusal(verdict: Verdict) -> Refusal | None:
    if verdict.finding is Finding.CLEARED:
        return None
    return Refusal(verdict.code, verdict.reason, is_void=verdict.finding is Finding.VOIDED)


def _refuse(row: Commit, verdict: Verdict, *, now: datetime) -> None:
    advance(row, CommitState.FAILED, transitions=TRANSITIONS, code=verdict.code, detail=verdict.reason, is_retryable=False, settled_at=now)
    if verdict.finding is Finding.VOIDED:
        proposals.services.void(proposal=row.proposal, actor=ACTOR, now=now, code=verdict.code, reason=verdict.reason)
    record_outcomes(
        [NewOutcome(proposal_id=row.proposal_id, status=OutcomeStatus.FAILED, code=verdict.code, detail=verdict.reason)], now=now
    )
    audit.services.record(
        kind=CommitEvent.FAILED,
        actor=ACTOR,
        subject=subject_of(row.proposal, row),
        now=now,
        outcome={"status": "failed", "code": verdict.code, "attempt": row.attempt_number, "sent": False},
        action_digest=row.proposal.payload_digest,
        payload={"reason": verdict.reason},
    )
