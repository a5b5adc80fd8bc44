"""Refusals that come in floods: the first ones are recorded one by one, the rest is counted and recorded as a number.

Without this, whoever sends junk writes the evidence. With it, a window of junk from one source leaves a few events and one summary
that says how many there were: nothing goes dark, nothing is flooded. The count is an ordinary, logged row, so a crash loses none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

import audit.services
from audit.records import NewEvent, Subject
from identity.limits.events import LimitEvent
from identity.limits.models import RateCounter, RefusalCount
from identity.limits.quotas import Quota
from identity.limits.services.taking import take
from kernel.actors import Actor, ActorKind
from kernel.clock import wire_time
from kernel.errors import DomainError

WINDOW = timedelta(minutes=5)
# From how many sources refusals are recorded one by one; beyond, all others together are the source `*`.
SOURCES = Quota("refusal sources", 60, 60)
MANY = "*"
UNUSED_AFTER = timedelta(hours=24)
SUMMARY_LIMIT = 500

COUNT = """
INSERT INTO identity_refusalcount AS counted (
    source, kind, code, window_start, window_end, count, recorded, actor_kind, actor_id, subject_kind, subject_id
) VALUES (%s, %s, %s, %s, %s, 1, 1, %s, %s, %s, %s)
ON CONFLICT (source, kind, code, window_start) DO UPDATE
    SET count = counted.count + 1, recorded = LEAST(counted.count + 1, %s)
RETURNING count
"""
COUNT_AGAIN = """
UPDATE identity_refusalcount SET count = count + 1, recorded = LEAST(count + 1, %s)
WHERE source = %s AND kind = %s AND code = %s AND window_start = %s
RETURNING count
"""


def record_or_count(*, kind: str, actor: Actor, subject: Subject, error: DomainError, source: str, now: datetime) -> bool:
    """The refusal is recorded, or counted towards the summary of its window; returns whether it has an event of its own.

    Call it outside a transaction, as `audit.services.record_denial`.
    """
    # Attempts to be one agent must not hide behind those to be another.
    about = source if subject.id in {"unknown", source} else f"{source} as {subject.id}"
    if _count(kind=kind, actor=actor, subject=subject, code=error.code, source=about[:120], now=now) > settings.REFUSALS_RECORDED:
        return False
    audit.services.record_denial(kind=kind, actor=actor, subject=subject, now=now, error=error)
    return True


def record_summaries(*, now: datetime, limit: int = SUMMARY_LIMIT) -> int:
    """Each window that is over has left one event if more was counted than recorded, and its row is gone; returns the events."""
    with transaction.atomic():
        rows = list(RefusalCount.objects.select_for_update(skip_locked=True).filter(window_end__lte=now).order_by("window_end")[:limit])
        events = [_summary(row, now) for row in rows if row.count > row.recorded]
        audit.services.record_many(events)
        RefusalCount.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(events)


def forget_unused(*, now: datetime) -> int:
    """Counters that have been whole for a day are gone; returns how many."""
    return RateCounter.objects.filter(full_at__lt=now - UNUSED_AFTER).delete()[0]


def _count(*, kind: str, actor: Actor, subject: Subject, code: str, source: str, now: datetime) -> int:
    """Return how many there were in this window, this one included."""
    seconds = int(WINDOW.total_seconds())
    start = datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_AGAIN, [settings.REFUSALS_RECORDED, source, kind, code, start])
        if found := cursor.fetchone():
            return int(found[0])
        if not take("refusal sources", SOURCES, now=now).is_allowed:
            source = MANY
        about = [actor.kind.value, actor.id[:80], subject.kind[:40], subject.id[:80]]
        cursor.execute(COUNT, [source, kind, code, start, start + WINDOW, *about, settings.REFUSALS_RECORDED])
        return int(cursor.fetchone()[0])


def _summary(row: RefusalCount, now: datetime) -> NewEvent:
    return NewEvent(
        kind=LimitEvent.COUNTED,
        actor=Actor(ActorKind(row.actor_kind), row.actor_id),
        subject=Subject(row.subject_kind, row.subject_id),
        now=now,
        outcome={
            "status": "refused",
            "kind": row.kind,
            "code": row.code,
            "count": row.count,
            "recorded": row.recorded,
            "from": wire_time(row.window_start),
            "until": wire_time(row.window_end),
        },
        payload={"source": row.source},
    )
