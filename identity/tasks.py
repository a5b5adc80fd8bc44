"""Background work of identity: one service called."""

from __future__ import annotations

from identity import services
from kernel.clock import now


def forget_expired_assertions() -> int:
    """Used assertions that have ended are forgotten; returns how many."""
    return services.forget_expired_assertions(now=now())
