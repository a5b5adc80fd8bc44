"""Background work of limits: one service called."""

from __future__ import annotations

from identity.limits import services
from kernel.clock import now
from kernel.context import Origin, origin


def summarise() -> int:
    """Refusals counted in windows that are over are recorded, unused counters forgotten; returns the events; every minute."""
    with origin(Origin(channel="task")):
        services.forget_unused(now=now())
        return services.record_summaries(now=now())
