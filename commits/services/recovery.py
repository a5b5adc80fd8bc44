"""Recovery: what a dead worker or a lost answer left behind. Nothing unknown is sent again before its key was looked up."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from django.db.models import Q, QuerySet

from commits.models import Commit
from commits.presence import abandoned
from commits.records import DETAIL_LENGTH_MAX, Claimed, Counts, Settlement, params_of
from commits.services import breaker, statements
from commits.services.backoff import backoff
from commits.services.claiming import BATCH_LIMIT
from commits.services.landing import landed, lost
from commits.services.sending import closed, deferred
from commits.services.settling import settle
from commits.states import AttemptOutcome, CommitState
from gateway.connections import connector_for
from gateway.port import Connector, Level

logger = logging.getLogger(__name__)

BATCHES_MAX = 20
# At level A a key that is not found never landed; after so many lost attempts a person has to look why.
ATTEMPTS_MAX = 8


def expire_leases(*, now: datetime) -> Counts:
    """Commits whose worker is gone, or did not come back within its lease, are unknown, to be looked up by key."""
    counts = Counts()
    for _ in range(BATCHES_MAX):
        gone = abandoned(limit=BATCH_LIMIT)
        taken = Q(lease_until__lt=now) | Q(pk__in=gone) if gone else Q(lease_until__lt=now)
        rows = _unsettled().filter(taken, state=CommitState.IN_FLIGHT).order_by("lease_until")[:BATCH_LIMIT]
        settlements = [_taken_over(row, is_gone=row.pk in gone, now=now) for row in rows]
        moved = settle(settlements, now=now)
        counts.add(moved)
        if not moved.unknown:
            break
    return counts


def _taken_over(row: Commit, *, is_gone: bool, now: datetime) -> Settlement:
    code, detail = ("worker_gone", "The worker ended.") if is_gone else ("lease_expired", "The worker did not come back.")
    return replace(lost(claim_of(row), code=code, detail=detail, now=now), has_answered=None)


def resolve_unknown(*, now: datetime) -> Counts:
    """Unknown commits that are due were looked up: found ones succeeded, absent ones are queued again where that is safe.

    Safe means level A, where the ERP itself enforces the key. Anywhere else an absent one waits for a person, and is looked up again
    from time to time, because a slow ERP may still show it.
    """
    counts = Counts()
    gates = breaker.gates(now=now)
    shut = gates.shut - set(gates.probed)
    for _ in range(BATCHES_MAX):
        due = _unsettled().filter(state=CommitState.UNKNOWN, not_before__lte=now).exclude(connection__in=shut)
        rows = due.order_by("not_before", "id")[:BATCH_LIMIT]
        claims = [claim_of(row) for row in rows]
        if not claims:
            break
        for company, group in groupby(sorted(claims, key=lambda item: item.company), key=lambda item: item.company):
            counts.add(_resolve(company, list(group), now=now))
    return counts


def claim_of(row: Commit) -> Claimed:
    """Return the commit as its last worker held it, so that settling it is fenced like any other settlement."""
    return Claimed(
        commit_id=row.pk,
        proposal_id=row.proposal_id,
        attempt_number=row.attempt_number,
        company=row.company,
        tool=row.tool,
        reference=row.proposal.public_id,
        request_bytes=bytes(row.request_bytes or b""),
        params=params_of(bytes(row.request_bytes or b"")),
        preconditions=(),
        deadline=0.0,
        state=CommitState(row.state),
        connection=row.connection,
    )


def _unsettled() -> QuerySet[Commit]:
    return Commit.objects.select_related("proposal").defer("proposal__facts", "proposal__rationale", "proposal__payload")


def _resolve(company: str, claims: Sequence[Claimed], *, now: datetime) -> Counts:
    try:
        connector = connector_for(company)
        found = connector.find_many([item.commit_id for item in claims])
    except Exception as error:
        logger.exception("unknown commits of %s could not be looked up", company)
        _postpone(claims, now=now)
        breaker.note_failure(claims[0].connection, code=getattr(error, "code", "erp_error"), detail=str(error)[:DETAIL_LENGTH_MAX], now=now)
        return Counts()
    settlements = landed(connector, [(item, found[item.commit_id]) for item in claims if item.commit_id in found], now=now)
    unread = [item for item in settlements if item.to is CommitState.UNKNOWN]
    absent = [item for item in claims if item.commit_id not in found]
    requeued = closed(connector, _requeued(connector, absent, now=now), now=now)
    _postpone([item.claim for item in unread] + (absent if not requeued else []), now=now)
    return settle([item for item in settlements if item.to is not CommitState.UNKNOWN] + requeued, now=now)


def _requeued(connector: Connector, absent: Sequence[Claimed], *, now: datetime) -> list[Settlement]:
    if connector.level is not Level.A:
        return []
    return [
        deferred(item, code="not_landed", detail="Looked up by key: it never landed.", now=now)
        if item.attempt_number < ATTEMPTS_MAX
        else Settlement(
            claim=item,
            to=CommitState.FAILED,
            attempt=AttemptOutcome.LOST,
            code="attempts_exhausted",
            detail=f"The answer was lost {item.attempt_number} times; looked up by key: it never landed.",
            is_retryable=True,
        )
        for item in absent
    ]


def _postpone(claims: Sequence[Claimed], *, now: datetime) -> None:
    """Look again later: after half a minute at first, at most five minutes."""
    for item in claims:
        statements.postpone(item.commit_id, not_before=now + backoff(item.attempt_number + 4))
