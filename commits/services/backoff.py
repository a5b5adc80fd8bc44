"""How long to wait before the next attempt."""

from __future__ import annotations

from datetime import timedelta

SECONDS_MAX = 300


def backoff(attempts: int) -> timedelta:
    """Return the wait after so many attempts: 1, 2, 4… seconds, never more than five minutes."""
    return timedelta(seconds=min(2 ** max(attempts - 1, 0), SECONDS_MAX))
