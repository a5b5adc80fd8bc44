"""Switching fault modes on and off, and striking with them: rows in `countersign`, because the web process cannot write to the ledger.

What is on is looked up at most once a second per process; whether a mode really strikes is decided by the row, so that a count is
kept exactly however many workers there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import connection as database
from django.db import transaction

import audit.services
from audit.records import Subject
from gateway.errors import FaultsNotAllowed
from gateway.events import ConnectorEvent
from gateway.faults.modes import FaultMode
from gateway.models import Fault
from kernel.actors import Actor

LOOK_SECONDS = 1.0
# The id of the row that strikes, or nothing: the row decides by chance and count, and counts.
STRIKE = """
UPDATE gateway_fault SET struck_count = struck_count + 1, remaining = remaining - 1, is_on = coalesce(remaining > 1, true)
WHERE connection = %s AND mode = %s AND is_on AND coalesce(remaining, 1) > 0 AND random() * 100 < probability_percent
RETURNING id
"""

_seen: dict[str, tuple[float, tuple[FaultMode, ...]]] = {}


def are_allowed() -> bool:
    """Return whether faults may be imitated here: on a demonstration only."""
    return bool(settings.IS_DEMO)


def require_allowed() -> None:
    """Faults may be imitated here; raises FaultsNotAllowed."""
    if not are_allowed():
        raise FaultsNotAllowed(detail="Faults are imitated on a demonstration only, and this installation is none (COUNTERSIGN_DEMO).")


def switch_on(
    *, connection: str, mode: FaultMode, actor: Actor, now: datetime, count: int | None = None, probability_percent: int = 100
) -> Fault:
    """The connection misbehaves in this way, the next `count` times or until switched off. Raises FaultsNotAllowed."""
    require_allowed()
    with transaction.atomic():
        fault, _ = Fault.objects.update_or_create(
            connection=connection,
            mode=mode,
            defaults={
                "is_on": True,
                "remaining": count,
                "probability_percent": probability_percent,
                "switched_by": actor.id,
                "switched_at": now,
            },
        )
        outcome: dict[str, object] = {"mode": str(mode), "probability_percent": probability_percent}
        _record(ConnectorEvent.FAULT_SWITCHED_ON, connection, actor, now, outcome | ({"count": count} if count is not None else {}))
    forget()
    return fault


def switch_off(*, connection: str, mode: FaultMode | None = None, actor: Actor, now: datetime) -> int:
    """The connection no longer misbehaves in this way, or in any; returns how many modes were on. Raises FaultsNotAllowed."""
    require_allowed()
    with transaction.atomic():
        rows = Fault.objects.select_for_update().filter(connection=connection, is_on=True)
        modes = sorted((rows.filter(mode=mode) if mode else rows).values_list("mode", flat=True))
        Fault.objects.filter(connection=connection, mode__in=modes).update(
            is_on=False, remaining=None, switched_at=now, switched_by=actor.id
        )
        for name in modes:
            _record(ConnectorEvent.FAULT_SWITCHED_OFF, connection, actor, now, {"mode": name})
    forget()
    return len(modes)


def fault_counts() -> dict[str, int]:
    """Return how often each mode has struck, over all connections."""
    counts: dict[str, int] = {}
    for mode, struck in Fault.objects.filter(struck_count__gt=0).values_list("mode", "struck_count"):
        counts[mode] = counts.get(mode, 0) + struck
    return counts


def modes_on(connection: str) -> Sequence[FaultMode]:
    """Return the modes that are on, in the order in which they are tried; nothing at all, and no query, unless allowed."""
    if not are_allowed():
        return ()
    looked_at, modes = _seen.get(connection, (0.0, ()))
    if time.monotonic() - looked_at > LOOK_SECONDS:
        found = set(Fault.objects.filter(connection=connection, is_on=True).values_list("mode", flat=True))
        modes = tuple(mode for mode in FaultMode if mode.value in found)
        _seen[connection] = (time.monotonic(), modes)
    return modes


def strikes(connection: str, mode: FaultMode) -> bool:
    """Return whether the mode strikes this time, and count it."""
    with database.cursor() as cursor:
        cursor.execute(STRIKE, [connection, mode.value])
        return cursor.fetchone() is not None


def forget() -> None:
    """What is on is looked up anew at the next occasion, in this process."""
    _seen.clear()


@contextmanager
def use_faults(connection: str, *modes: FaultMode, now: datetime, count: int | None = 1) -> Iterator[None]:
    """The connection misbehaves in these ways inside the block, each `count` times; for tests, where `IS_DEMO` is on."""
    actor = Actor.system("faults")
    for mode in modes:
        switch_on(connection=connection, mode=mode, actor=actor, now=now, count=count)
    try:
        yield
    finally:
        switch_off(connection=connection, actor=actor, now=now)


def _record(kind: ConnectorEvent, connection: str, actor: Actor, now: datetime, outcome: dict[str, object]) -> None:
    audit.services.record(
        kind=kind, actor=actor, subject=Subject(kind="connection", id=connection, connection=connection), now=now, outcome=outcome
    )
