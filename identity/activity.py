"""What the apps above know of an agent, told to its pages: what hangs on its life, and how its proposals fared.

`identity` imports nothing from above; each app registers one function in its `AppConfig.ready`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

RATES_PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Stake:
    """Something of an agent that its suspension or decommissioning touches: `number` of `one` or `many`, and what becomes of them.

    An empty text means that it stays as it is.
    """

    number: int
    one: str
    many: str
    when_suspended: str
    when_decommissioned: str


@dataclass(frozen=True, slots=True)
class Rates:
    """How the proposals of a period fared; `drifted` counts those that were voided because the ERP had changed."""

    proposed: int = 0
    approved: int = 0
    rejected: int = 0
    changes_requested: int = 0
    expired: int = 0
    drifted: int = 0
    pending: int = 0
    other: int = 0


@dataclass(slots=True)
class _Registry:
    stakes: list[Callable[[UUID], Sequence[Stake]]] = field(default_factory=list)
    rates: Callable[[UUID, datetime], Rates] | None = None


_registry = _Registry()


def register_stakes(stakes: Callable[[UUID], Sequence[Stake]]) -> None:
    """Make the pages of an agent ask this function what hangs on its life."""
    if stakes not in _registry.stakes:
        _registry.stakes.append(stakes)


def register_rates(rates: Callable[[UUID, datetime], Rates]) -> None:
    """Make the pages of an agent ask this function how its proposals fared since an instant."""
    _registry.rates = rates


def stakes_of(agent_id: UUID) -> list[Stake]:
    """Return what hangs on the agent's life, without what there is none of."""
    return [stake for stakes in _registry.stakes for stake in stakes(agent_id) if stake.number]


def rates_of(agent_id: UUID, now: datetime) -> Rates:
    """Return how the agent's proposals of the last thirty days fared."""
    return _registry.rates(agent_id, now - RATES_PERIOD) if _registry.rates else Rates()
