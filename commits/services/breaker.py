"""The circuit breaker: a connection that fails again and again is left alone for a while, by every worker at once.

One row per connection, in the database that all workers share. Five failures in a row open it; while it is open nothing is claimed for
that connection. Then a single write probes it: answered, and the breaker closes and everything that waited is due; not answered, and it
stays open twice as long, at most five minutes. A pause that the ERP asked for (Retry-After) holds the same way, without being a failure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

import audit.services
from audit.records import Subject
from commits.events import BreakerEvent
from commits.models import Breaker, Commit
from commits.records import Settlement
from commits.services.events import ACTOR
from commits.states import BREAKER_TRANSITIONS, BreakerState, CommitState
from kernel.queue import wake
from kernel.transitions import advance

FAILURES_MAX = 5
OPEN_SECONDS = 30
OPEN_SECONDS_MAX = 300
# How long a probe may take before another worker may probe: a worker that died with it must not keep the connection shut.
PROBE_SECONDS = 60
# Commits deferred for one of these reasons wait for the connection, not for their own turn.
OUTAGE_CODES = ("erp_unavailable", "erp_unreachable", "erp_busy", "rate_limited", "rolled_back")


@dataclass(frozen=True, slots=True)
class Gates:
    """Which connections are left alone now, and which of them may be probed with one write."""

    shut: frozenset[str]
    probed: tuple[str, ...]


def gates(*, now: datetime) -> Gates:
    """Return which connections may not be written to; one statement, and mostly no row."""
    rows = Breaker.objects.filter(~Q(state=BreakerState.CLOSED) | Q(paused_until__gt=now))
    shut, probed = set(), []
    for row in rows:
        shut.add(row.connection)
        is_paused = row.paused_until is not None and row.paused_until > now
        if row.state != BreakerState.CLOSED and not is_paused and row.probe_at is not None and row.probe_at <= now:
            probed.append(row.connection)
    return Gates(frozenset(shut), tuple(probed))


def lock_probe(connection: str, *, now: datetime) -> Breaker | None:
    """Return the open breaker, locked until the transaction ends, if its probe is due and no other worker is at it."""
    due = Breaker.objects.exclude(state=BreakerState.CLOSED).filter(connection=connection, probe_at__lte=now)
    return due.select_for_update(skip_locked=True).first()


def begin_probe(breaker: Breaker, *, now: datetime) -> None:
    """The breaker is half open: the one write just claimed tells how it goes on. Joins the caller's transaction."""
    probe_at = now + timedelta(seconds=PROBE_SECONDS)
    advance(breaker, BreakerState.HALF_OPEN, transitions=BREAKER_TRANSITIONS, probe_at=probe_at, changed_at=now)


def observe(settlements: Sequence[Settlement], *, now: datetime) -> None:
    """Each connection's breaker knows what these settlements tell about it."""
    by_connection: dict[str, list[Settlement]] = defaultdict(list)
    for item in settlements:
        by_connection[item.claim.connection].append(item)
    for connection, items in by_connection.items():
        pause = max(item.pause_seconds for item in items)
        if pause:
            _pause(connection, until=now + timedelta(seconds=pause), now=now)
        if any(item.has_answered for item in items):
            note_answer(connection, now=now)
        elif failed := next((item for item in items if item.has_answered is False), None):
            note_failure(connection, code=failed.code, detail=failed.detail, now=now)


def note_answer(connection: str, *, now: datetime) -> None:
    """The connection is well: its failures are forgotten and its breaker is closed; what waited for it is due."""
    troubled = Q(failure_count__gt=0) | ~Q(state=BreakerState.CLOSED)
    if not Breaker.objects.filter(troubled, connection=connection).exists():
        return
    with transaction.atomic():
        row = Breaker.objects.select_for_update().get(connection=connection)
        if row.state == BreakerState.CLOSED:
            Breaker.objects.filter(pk=connection).update(failure_count=0, opening_count=0, code="", detail="")
            return
        values = {"failure_count": 0, "opening_count": 0, "probe_at": None, "code": "", "detail": "", "changed_at": now}
        advance(row, BreakerState.CLOSED, transitions=BREAKER_TRANSITIONS, **values)
        waiting = Commit.objects.filter(connection=connection, state=CommitState.QUEUED, code__in=OUTAGE_CODES, not_before__gt=now)
        released = waiting.update(not_before=now)
        _record(BreakerEvent.CLOSED, connection, {"released": released}, now=now)
        wake("approved")


def note_failure(connection: str, *, code: str, detail: str, now: datetime) -> None:
    """The connection failed once more: after too many in a row its breaker is open, after a failed probe it is open for longer."""
    with transaction.atomic():
        Breaker.objects.get_or_create(connection=connection, defaults={"changed_at": now})
        row = Breaker.objects.select_for_update().get(connection=connection)
        count = row.failure_count + 1
        # A lookup that failed after the wait was over is a failed probe as well.
        is_probe = row.state != BreakerState.CLOSED and (row.state == BreakerState.HALF_OPEN or (row.probe_at or now) <= now)
        if not is_probe and (row.state == BreakerState.OPEN or count < FAILURES_MAX):
            Breaker.objects.filter(pk=connection).update(failure_count=count, code=code, detail=detail)
            return
        openings = row.opening_count + 1
        seconds = min(OPEN_SECONDS * 2 ** min(openings - 1, 10), OPEN_SECONDS_MAX)
        advance(
            row,
            BreakerState.OPEN,
            transitions=BREAKER_TRANSITIONS,
            failure_count=count,
            opening_count=openings,
            probe_at=now + timedelta(seconds=seconds),
            code=code,
            detail=detail,
            changed_at=now,
        )
        outcome = {"code": code, "failures": count, "seconds": seconds, "probed": is_probe}
        _record(BreakerEvent.OPENED, connection, outcome, now=now, detail=detail)


def _pause(connection: str, *, until: datetime, now: datetime) -> None:
    with transaction.atomic():
        Breaker.objects.get_or_create(connection=connection, defaults={"changed_at": now})
        earlier = Q(paused_until__isnull=True) | Q(paused_until__lt=until)
        Breaker.objects.filter(earlier, connection=connection).update(paused_until=until)


def _record(kind: BreakerEvent, connection: str, outcome: dict[str, object], *, now: datetime, detail: str = "") -> None:
    audit.services.record(
        kind=kind,
        actor=ACTOR,
        subject=Subject(kind="connection", id=connection, connection=connection),
        now=now,
        outcome=outcome,
        payload={"detail": detail} if detail else None,
    )
