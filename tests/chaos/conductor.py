"""Who orders the faults while the traffic goes on, and waits at the end until everything has settled."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django_q.conf import Conf

import commits.services
from audit.sealer import IS_UNSEALED
from commits.models import Commit
from commits.states import CommitState
from gateway.models import Fault
from kernel.clock import now, wire_time
from kernel.errors import DomainError
from kernel.queue import Cluster, on_wake, wake
from reconciliation.errors import RunInProgress
from reconciliation.models import Run
from reconciliation.services import reconcile
from reconciliation.services.runs import missing_nights
from reconciliation.states import RunState
from tests.builders.identity import actor
from tests.chaos.faults import MODES, ORDERED, SETTLED_OFFSET_SECONDS, FaultKind, Orders, offset_path, settled_path
from tests.chaos.house import SIGNERS, WORKERS, House
from tests.chaos.traffic import Traffic, persistently
from tests.chaos.world import COMPANIES, World

NIGHTS_MISSED = 3
CONNECTION = "embedded"
JUMP_SECONDS = 8.0
SWEEP_SECONDS = 1.0
COMPARISON_SECONDS = 60
UNOPENED = """
SELECT count(*) FROM proposals_proposal AS proposal WHERE proposal.state = 'approved' AND NOT proposal.is_log_only
    AND NOT EXISTS (SELECT 1 FROM commits_commit AS opened WHERE opened.proposal_id = proposal.id)
"""
UNSEALED = f"SELECT count(*) FROM audit_event AS e WHERE {IS_UNSEALED}"

SWEEP, NIGHTS, COMMIT = "chaos_sweep", "chaos_nights", "chaos_commit"
on_wake(SWEEP, "commits.tasks.sweep")
on_wake(COMMIT, "commits.tasks.run_commits")
on_wake(NIGHTS, "reconciliation.tasks.run_nightly", cluster=Cluster.BULK)


@dataclass
class Conductor:
    """Orders faults; the chance is its own, so that the plan of a seed never depends on how the traffic went."""

    house: House
    orders: Orders
    traffic: Traffic
    chance: random.Random
    jumps: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    count: int = 0
    swept_at: float = 0.0

    def order(self, kind: FaultKind, index: int) -> None:
        """One fault of this kind begins now, or lies in wait."""
        self.count += 1
        if kind in ORDERED:
            self.orders.place(kind, self.count, is_for_group=self.chance.random() < 0.3)
            return
        if kind in MODES:
            self.misbehave(MODES[kind])
            return
        {
            FaultKind.DOUBLE_DELIVERY: self.deliver_twice,
            FaultKind.POSTGRES_RESTART: self.house.restart_postgres,
            FaultKind.CLOCK_JUMP: self.jump,
            FaultKind.KEY_ROTATION: self.rotate,
            FaultKind.MISSED_NIGHTS: self.run_nights_twice,
            FaultKind.SAME_KEY_FROM_16_THREADS: lambda: self.traffic.same_key_from_threads(index),
            FaultKind.SAME_KEY_OTHER_PAYLOAD: self.traffic.same_key_other_payload,
        }[kind]()

    def tick(self) -> None:
        """Clocks that jumped come back, what died is started again, and a sweep is woken about every second."""
        self.house.keep()
        for name, (since, _, _) in list(self.jumps.items()):
            if time.monotonic() - since >= JUMP_SECONDS:
                self._end_jump(name)
        if time.monotonic() - self.swept_at > SWEEP_SECONDS:
            self.swept_at = time.monotonic()
            persistently(lambda: wake(SWEEP))

    def deliver_twice(self) -> None:
        """The same task lies in the queue twice, for two workers at once."""
        word = f"double-{self.count}"

        def twice() -> None:
            with transaction.atomic():
                wake(COMMIT, word)
                wake(COMMIT, word)

        persistently(twice)

    def misbehave(self, mode: str) -> None:
        """The ERP misbehaves in this way at the next few writes."""
        count = self.chance.randrange(1, 4)
        values = {"is_on": True, "remaining": count, "probability_percent": 100, "switched_by": "chaos", "switched_at": now()}
        persistently(lambda: Fault.objects.update_or_create(connection=CONNECTION, mode=mode, defaults=values))

    def is_misbehaving(self) -> bool:
        """Return whether a mode waits for a write to strike."""
        return persistently(lambda: Fault.objects.filter(is_on=True).exists())

    def jump(self) -> None:
        """The clock of one worker is wrong, by up to an hour and a half, before or after."""
        name = self.chance.choice(WORKERS)
        offset = self.chance.choice((-1, 1)) * self.chance.uniform(120, 5400)
        if name not in self.jumps:
            self.jumps[name] = (time.monotonic(), offset, wire_time(now()))
            offset_path(self.orders.root, name).write_text(str(offset), encoding="ascii")

    def _end_jump(self, name: str) -> None:
        _, offset, began = self.jumps.pop(name)
        offset_path(self.orders.root, name).unlink(missing_ok=True)
        self.orders.write("jumped", worker=name, offset=offset, began=began, ended=wire_time(now()))

    def rotate(self) -> None:
        """Another SECRET_KEY counts, and tasks that the old one signed lie in the queue."""
        running = [name for name in SIGNERS if name in self.house.running]
        self.house.kill(*running)
        for _ in range(3):
            persistently(lambda: wake(SWEEP))
        key = self.house.new_secret_key()
        settings.SECRET_KEY = Conf.SECRET_KEY = key
        self.house.start(*running)
        self.orders.write("rotated")

    def run_nights_twice(self) -> None:
        """After three nights without a run, two workers are asked for them at once."""

        def twice() -> None:
            with transaction.atomic():
                wake(NIGHTS)
                wake(NIGHTS)

        persistently(twice)

    def calm(self) -> None:
        """No fault goes on: clocks agree, far enough in the future for everything to be due; nobody is suspended."""
        for name in list(self.jumps):
            self._end_jump(name)
        for kind in ORDERED:
            self.orders.withdraw(kind)
        persistently(lambda: Fault.objects.update(is_on=False, remaining=None))
        settled_path(self.orders.root).touch()
        self.traffic.resume_everybody()

    def settle(self, seconds: float, *, is_nightly: bool) -> int:
        """Wait until no commit is under way and, if asked, every night is done; return how much is left when the time is up."""
        deadline = time.monotonic() + seconds
        while (left := persistently(_under_way) + (is_nightly and not persistently(_are_nights_done))) and time.monotonic() < deadline:
            self.house.keep()
            persistently(lambda: wake(SWEEP))
            persistently(lambda: retry_failed(self.traffic.world))
            if is_nightly and not persistently(_are_nights_done):
                # As the hourly schedule does: the first wake-up may have been lost with a dead worker.
                persistently(lambda: wake(NIGHTS))
            time.sleep(SWEEP_SECONDS)
        return left

    def seal(self, seconds: float) -> None:
        """Wait until every event is sealed, or the time is up."""
        deadline = time.monotonic() + seconds
        while persistently(lambda: _number(UNSEALED)) and time.monotonic() < deadline:
            self.house.keep()
            time.sleep(0.2)


def first_night() -> None:
    """Every company has a night, then three were missed; last night is due in time."""
    night = now().date() - timedelta(days=NIGHTS_MISSED + 2)
    for company in COMPANIES:
        reconcile(company=company, now=now(), kind="nightly", business_date=night)


def last_comparison() -> None:
    """Both sides are compared as they stand at the end."""
    for company in COMPANIES:
        deadline = time.monotonic() + COMPARISON_SECONDS
        while True:
            try:
                reconcile(company=company, now=now() + timedelta(seconds=SETTLED_OFFSET_SECONDS + 60))
                break
            except RunInProgress:
                # A night that a worker still compares.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def retry_failed(world: World) -> int:
    """An operator tries again what failed and may pass, as the page offers it; return how many."""
    count = 0
    for commit in Commit.objects.filter(state=CommitState.FAILED, is_retryable=True):
        try:
            commits.services.retry(commit_id=commit.public_id, user=world.operator, actor=actor(world.operator), now=now())
        except DomainError:
            continue
        count += 1
    return count


def _are_nights_done() -> bool:
    is_running = Run.objects.filter(state=RunState.RUNNING).exists()
    return not is_running and not any(missing_nights(company, now=now()) for company in COMPANIES)


def _under_way() -> int:
    states = [CommitState.QUEUED, CommitState.IN_FLIGHT, CommitState.UNKNOWN]
    retryable = Commit.objects.filter(state=CommitState.FAILED, is_retryable=True, proposal__state="approved").count()
    return Commit.objects.filter(state__in=states).count() + retryable + _number(UNOPENED)


def _number(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])
