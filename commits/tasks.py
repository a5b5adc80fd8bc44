"""Wake-ups of the commit engine; the domain rows say what there is to do."""

from __future__ import annotations

from uuid import UUID

from commits import services
from kernel.clock import shared_clock


def run_commits(*_ids: str) -> str:
    """Everything approved recently is committed, as far as the time budget reaches; called whenever something is approved."""
    return str(services.run(now=shared_clock()))


def recover() -> str:
    """What is due is taken up: dead workers' claims, unknown outcomes, pauses that are over; called when a pulse finds any."""
    return str(services.recover(now=shared_clock()))


def sweep() -> str:
    """What a lost wake-up, a dead worker or a lost answer left behind is taken up again; called every minute."""
    return str(services.sweep(now=shared_clock()))


def freeze_of_agent(agent_id: str) -> int:
    """The queued commits of a suspended agent, named by its key, say that they wait."""
    return services.freeze_of_agent(agent_id=UUID(agent_id), now=shared_clock()())


def release_of_agent(agent_id: str) -> int:
    """The frozen commits of an agent that was resumed are due again."""
    return services.release_of_agent(agent_id=UUID(agent_id), now=shared_clock()())
