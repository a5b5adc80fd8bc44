"""The one place that asks what time it is; everywhere else `now` is passed down."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def shared_clock() -> Callable[[], datetime]:
    """Return a clock that goes on from the database's present instant, however this machine's own clock is set.

    It is for what workers on several machines tell each other by time: leases, pauses, what is due and what has expired. One whose
    clock is an hour ahead would shut a connection to all of them for an hour.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        began: datetime = cursor.fetchone()[0]
    started = time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - started)


def wire_time(instant: datetime) -> str:
    """Return an instant as RFC 3339 in UTC with microseconds: 2026-11-23T02:53:10.000000Z."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
