"""kill -9 of a real worker process at every place that matters; another one finishes, and the order exists once."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import pytest
from django.db import connections

from audit.models import Event
from commits import services
from commits.crash_points import VARIABLE, CrashPoint
from commits.models import Attempt, Commit
from commits.presence import abandoned
from commits.records import Counts
from commits.tasks import run_commits
from kernel.clock import now as clock_now
from tests.builders.commits import kinds, landed_orders, make_gate

pytestmark = [pytest.mark.django_db(databases=["default", "ledger"], transaction=True), pytest.mark.slow]

# Where the process is killed, and whether the ERP had the order by then.
PLACES = {
    CrashPoint.BEFORE_CLAIM: False,
    CrashPoint.IN_CLAIM: False,
    CrashPoint.AFTER_CLAIM: False,
    CrashPoint.BEFORE_SEND: False,
    CrashPoint.AFTER_SEND: True,
    CrashPoint.BEFORE_SETTLE: True,
    CrashPoint.IN_SETTLE: True,
    CrashPoint.AFTER_SETTLE: True,
}


def worker(crash_at: CrashPoint) -> int:
    """Run one worker over the test databases in a process of its own, killed at this place, and return its exit code.

    The process is a copy of this one, with sessions of its own: a new interpreter would take seconds to import everything.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    try:
        # The parent's sessions are left open, not closed: their sockets are the parent's too.
        left_alone = [connections[alias].connection for alias in connections]
        for alias in connections:
            connections[alias].connection = None
        os.environ[VARIABLE] = crash_at.value
        run_commits()
    finally:
        os._exit(len(left_alone))  # nobody was killed


def wait_until_its_sessions_are_gone() -> None:
    """PostgreSQL sees the end of a killed process within milliseconds; a claim that it left is nobody's then."""
    deadline = time.monotonic() + 5
    while Commit.objects.filter(state="in_flight").exclude(pk__in=abandoned(limit=10)).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("place", list(PLACES))
def test_killed_worker_posts_nothing_twice_and_loses_nothing(place: CrashPoint) -> None:
    proposal = make_gate().order()

    assert worker(place) == -signal.SIGKILL
    assert len(landed_orders()) == int(PLACES[place])

    wait_until_its_sessions_are_gone()
    later = clock_now() + timedelta(seconds=1)
    services.sweep(now=lambda: later)
    services.sweep(now=lambda: later + timedelta(seconds=5))
    assert services.run(now=clock_now) == Counts()

    commit = Commit.objects.get()
    assert (commit.proposal_id, commit.state) == (proposal.pk, "succeeded")
    assert [order.reference for order in landed_orders()] == [proposal.public_id]
    assert Attempt.objects.filter(outcome="running").count() == 0
    assert kinds(proposal).count("commit:succeeded") == 1
    assert Event.objects.filter(kind="commit:started").count() == commit.attempt_number
