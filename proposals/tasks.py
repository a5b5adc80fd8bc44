"""Wake-ups of this app: ids in, one service called."""

from __future__ import annotations

from uuid import UUID

from kernel.clock import now, shared_clock
from kernel.context import Origin, origin
from proposals import services
from proposals.activity import orphaning_agents

EXPIRY_LIMIT = 500


def expire_due() -> int:
    """Expire every pending proposal that is past its time and return how many there were; scheduled every minute."""
    total, clock = 0, shared_clock()
    with origin(Origin(channel="task")):
        while expired := services.expire_due(now=clock(), limit=EXPIRY_LIMIT):
            total += expired
    return total


def withdraw_of_decommissioned(agent_id: str) -> int:
    """Withdraw the open proposals of a decommissioned agent, named by its key, and return how many there were."""
    with origin(Origin(channel="task")):
        return services.withdraw_of_decommissioned(agent_id=UUID(agent_id), now=now())


def withdraw_orphans() -> int:
    """Withdraw what a lost wake-up left open of agents that were decommissioned; scheduled every few minutes."""
    with origin(Origin(channel="task")):
        return sum(services.withdraw_of_decommissioned(agent_id=agent_id, now=now()) for agent_id in orphaning_agents())
