"""Background work of identity: one service called."""

from __future__ import annotations

from identity import services
from kernel.clock import now
from kernel.context import Origin, origin


def forget_expired_assertions() -> int:
    """Used assertions that have ended are forgotten; returns how many."""
    return services.forget_expired_assertions(now=now())


def suspend_unreviewed() -> int:
    """Agents past their review date, or without anybody who answers for them, are suspended; returns how many."""
    with origin(Origin(channel="task")):
        return services.suspend_unreviewed(now=now())
