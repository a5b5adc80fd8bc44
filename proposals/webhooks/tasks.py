"""Wake-ups of this app: ids in, one service called."""

from __future__ import annotations

from kernel.clock import now
from kernel.context import Origin, origin
from proposals.webhooks import delivery, services


def deliver(*_ids: str) -> int:
    """Deliver what is due and return how many attempts were made; woken by each new message, by the pulse and every minute."""
    with origin(Origin(channel="task")):
        services.give_up_overdue(now=now())
        services.forget_finished(now=now())
        return delivery.deliver_due(now=now)


def is_due() -> bool:
    """Return whether something is to be delivered that no wake-up was said for: a pause that is over."""
    return services.is_due(now=now())
