"""The one place that asks what time it is; everywhere else `now` is passed down."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def wire_time(instant: datetime) -> str:
    """Return an instant as RFC 3339 in UTC with microseconds: 2026-11-23T02:53:10.000000Z."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
