"""Rounds: open, claim, send, settle, until nothing is left or the time is up."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from commits.models import Commit
from commits.records import Counts
from commits.services import breaker
from commits.services.claiming import BATCH_LIMIT, claim
from commits.services.finality import TICK, is_any_almost_final
from commits.services.opening import open_commits
from commits.services.recovery import expire_leases, resolve_unknown
from commits.services.sending import send
from commits.services.settling import settle
from commits.states import CommitState

Clock = Callable[[], datetime]

# Below the queue's timeout of 60 s, which may strike at any instruction.
BUDGET_SECONDS = 40
# A wake-up looks at what was approved lately; the sweep looks at everything.
RECENT = timedelta(minutes=15)
# A due commit that cannot be claimed is held by somebody for a moment (its proposal is being looked at, or another worker has it).
HELD_LOOKS_MAX = 5
HELD_PAUSE_SECONDS = 0.05


def run_round(*, now: Clock, worker: str, since: datetime | None, limit: int = BATCH_LIMIT) -> Counts:
    """One batch was opened, claimed, sent and settled; returns how many commits went where."""
    counts = Counts(opened=open_commits(now=now(), since=since))
    claimed = claim(now=now(), worker=worker, limit=limit)
    counts.claimed = len(claimed)
    if claimed:
        settlements = send(claimed, now=now())
        counts.add(settle(settlements, now=now()))
        breaker.observe(settlements, now=now())
    return counts


def run(*, now: Clock, is_complete: bool = False, budget_seconds: float = BUDGET_SECONDS) -> Counts:
    """Everything approved is committed as far as the time budget reaches; with `is_complete` however long ago it was approved."""
    total, looks = Counts(), 0
    worker = worker_name()
    ends = time.monotonic() + budget_seconds
    while time.monotonic() < ends:
        counts = run_round(now=now, worker=worker, since=None if is_complete else now() - RECENT)
        total.add(counts)
        if counts.claimed or counts.opened:
            looks = 0
            continue
        is_almost_final = is_any_almost_final(now())
        if looks == HELD_LOOKS_MAX or not (is_almost_final or _is_due(now())):
            break
        looks += 1
        time.sleep(TICK.total_seconds() if is_almost_final else HELD_PAUSE_SECONDS)
    return total


def recover(*, now: Clock, is_complete: bool = False) -> Counts:
    """Dead workers' claims were taken over, unknown outcomes looked up, and what is due was committed."""
    total = expire_leases(now=now())
    total.add(resolve_unknown(now=now()))
    total.add(run(now=now, is_complete=is_complete))
    return total


def sweep(*, now: Clock) -> Counts:
    """What a lost wake-up or anything else left behind was taken up again, however long ago it was approved."""
    return recover(now=now, is_complete=True)


def worker_name() -> str:
    """Return host and process, as written on attempts."""
    return f"{platform.node()}:{os.getpid()}"[:80]


def _is_due(now: datetime) -> bool:
    due = Commit.objects.filter(state=CommitState.QUEUED, not_before__lte=now)
    return due.exclude(connection__in=breaker.gates(now=now).shut).exists()
