"""The queue behind one small door: named wake-ups, written in the caller's transaction.

django-q2 is at-least-once and may also drop a task, so a task is only ever a wake-up: it names work, the domain rows say what
there is to do, and a sweeper finds what a lost wake-up missed. `wake` inserts a row into the broker's table through the
default connection: inside `transaction.atomic()` the wake-up commits or rolls back with the business change.
"""

from __future__ import annotations

from time import sleep

from django.db import connections
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from kernel.clock import now

_listeners: dict[str, list[str]] = {}


def on_wake(name: str, task: str) -> None:
    """Register `task` (a dotted path) to run whenever `wake(name)` is said; called once from AppConfig.ready."""
    tasks = _listeners.setdefault(name, [])
    if task not in tasks:
        tasks.append(task)


def wake(name: str, *ids: str) -> None:
    """Enqueue every task registered for `name`, with ids only, in the caller's transaction.

    A name that nobody registered for does nothing: losing a wake-up costs a minute, never correctness.
    """
    for task in _listeners.get(name, ()):
        async_task(task, *ids)


def depth() -> int:
    """Return how many wake-ups wait in the queue."""
    count: int = OrmQ.objects.count()
    return count


class SkipLockedBroker(ORM):
    """The ORM broker with an ordered, non-blocking dequeue.

    The stock dequeue has no ORDER BY and no SKIP LOCKED, so a second cluster makes it slower. One UPDATE claims the oldest
    free rows and skips the ones another cluster holds. A claimed row is free again after `Conf.RETRY` seconds.
    """

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Claim up to `Conf.BULK` waiting rows, oldest first; sleep one poll interval when there are none."""
        manager = self.get_connection()
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


def ensure_schedule(name: str, task: str, *, minutes: int) -> None:
    """Make `task` run every so many minutes; calling it again changes the existing schedule."""
    Schedule.objects.update_or_create(
        name=name,
        defaults={
            "func": task,
            "schedule_type": Schedule.MINUTES,
            "minutes": minutes,
            "repeats": -1,
            "cluster": Conf.CLUSTER_NAME,
        },
    )
