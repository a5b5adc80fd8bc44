"""The queue behind one small door: named wake-ups, written in the caller's transaction.

django-q2 is at-least-once and may also drop a task, so a task is only ever a wake-up: it names work, the domain rows say what
there is to do, and a sweeper finds what a lost wake-up missed. `wake` inserts a row into the broker's table through the
default connection: inside `transaction.atomic()` the wake-up commits or rolls back with the business change.

Two clusters, so that what takes long can't starve what people wait for. And a pulse: every two seconds the queue looks whether something
is due that nobody says a wake-up for, such as a pause that is over or the claim of a worker that died.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from time import monotonic, sleep

from django.db import connections
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from kernel.clock import now
from kernel.together import write

logger = logging.getLogger(__name__)

PULSE_SECONDS = 2.0
ENQUEUE = f"INSERT INTO {OrmQ._meta.db_table} (key, payload, lock) VALUES (%s, %s, %s)"  # noqa: S608  the table name is django-q2's own
# With so many wake-ups waiting, there is no need for one more.
BACKLOG = 20


class Cluster(StrEnum):
    """Which worker processes run a task: `commit` what people wait for, `bulk` what takes long, so that neither starves the other."""

    COMMIT = "commit"
    BULK = "bulk"


_listeners: dict[str, list[tuple[str, Cluster]]] = {}
_pulses: list[tuple[Callable[[], bool], str, Cluster]] = []


def on_wake(name: str, task: str, *, cluster: Cluster = Cluster.COMMIT) -> None:
    """Register `task` (a dotted path) to run in `cluster` whenever `wake(name)` is said; called once from AppConfig.ready."""
    tasks = _listeners.setdefault(name, [])
    if (task, cluster) not in tasks:
        tasks.append((task, cluster))


def on_pulse(is_due: Callable[[], bool], task: str, *, cluster: Cluster = Cluster.COMMIT) -> None:
    """Register `task` to run when `is_due`, which is asked every two seconds by each machine of the cluster; from AppConfig.ready.

    The answer must be cheap, and the task harmless when somebody else has done its work already.
    """
    if (is_due, task, cluster) not in _pulses:
        _pulses.append((is_due, task, cluster))


def wake(name: str, *ids: str) -> None:
    """Enqueue every task registered for `name`, with ids only, in the caller's transaction.

    A name that nobody registered for does nothing: losing a wake-up costs a minute, never correctness.
    """
    for task, cluster in _listeners.get(name, ()):
        async_task(task, *ids, cluster=cluster.value)


def depth() -> int:
    """Return how many wake-ups wait in the queue."""
    count: int = OrmQ.objects.count()
    return count


class SkipLockedBroker(ORM):
    """The ORM broker with an ordered, non-blocking dequeue.

    The stock dequeue has no ORDER BY and no SKIP LOCKED, so a second cluster makes it slower. One UPDATE claims the oldest
    free rows and skips the ones another cluster holds. A claimed row is free again after `Conf.RETRY` seconds.
    """

    pulsed_at = 0.0

    def enqueue(self, task: str) -> str:
        """Write the row of a wake-up, with what else the caller's transaction writes together; nobody needs its number."""
        if Conf.ORM != "default":
            return str(super().enqueue(task))
        write(ENQUEUE, [self.list_key or Conf.CLUSTER_NAME, task, now()])
        return ""

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Claim up to `Conf.BULK` waiting rows, oldest first; sleep one poll interval when there are none."""
        manager = self.get_connection()
        if monotonic() - self.pulsed_at > PULSE_SECONDS:
            self.pulsed_at = monotonic()
            self.pulse()
        table = manager.model._meta.db_table
        sql = (
            f"UPDATE {table} SET lock = %s WHERE id IN ("  # noqa: S608  the table name is django-q2's own
            f" SELECT id FROM {table} WHERE key = %s AND lock < %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
            ") RETURNING id, payload"
        )
        with connections[manager.db].cursor() as cursor:
            cursor.execute(sql, [self.timeout(None), self.list_key, now(), Conf.BULK])
            rows: list[tuple[int, str]] = cursor.fetchall()
        if rows:
            return rows
        sleep(Conf.POLL)
        return None

    def pulse(self) -> None:
        """Each registered task of this cluster that is due has a wake-up, unless plenty of them wait already."""
        for is_due, task, cluster in _pulses:
            if cluster.value != self.list_key:
                continue
            try:
                if is_due() and self.queue_size() < BACKLOG:
                    async_task(task, cluster=cluster.value)
            except Exception:
                # The sweep asks again within a minute; the queue itself must go on.
                logger.exception("the pulse of %s failed", task)


def ensure_schedule(name: str, task: str, *, minutes: int, cluster: Cluster = Cluster.COMMIT) -> None:
    """Make `task` run in `cluster` every so many minutes; calling it again changes the existing schedule."""
    Schedule.objects.update_or_create(
        name=name,
        defaults={
            "func": task,
            "schedule_type": Schedule.MINUTES,
            "minutes": minutes,
            "repeats": -1,
            "cluster": cluster.value,
        },
    )
