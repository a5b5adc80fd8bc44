"""What the agents' door asks of the gate behind it; `approvals` implements it and registers itself at start-up.

Proposals are submitted before they can be routed, so this app must not import the one that routes: it states here what it needs
and is given it. Both calls run inside the submission's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from kernel.errors import DomainError

if TYPE_CHECKING:
    from gateway.catalogue import Effect, WriteTool
    from identity.models import Agent
    from proposals.models import Proposal


class Unroutable(DomainError):
    """No row of the active policy matches, or its people are all excluded: nobody could ever decide."""

    code = "unroutable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "No policy row covers this write"


@dataclass(frozen=True, slots=True)
class Draft:
    """A write that is about to become a proposal, as the gate sees it; nothing of it is stored yet.

    `on_behalf_of` is the primary key of the person who asked, `supersedes` the proposal it revises (already superseded in this
    transaction, so rolling sums no longer count it), `compensates` the TypeID of the break it corrects.
    """

    agent: Agent
    tool: WriteTool[Any]
    company: str
    effect: Effect
    on_behalf_of: int | None
    credential_thumbprint: str
    grant_id: UUID
    compensates: str
    supersedes: Proposal | None
    is_log_only: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """How one draft will be decided; `policy_version` and `route_version` enter the hashed action, `data` is the gate's own."""

    policy_version: int
    row_id: int
    route_version: int
    is_automatic: bool
    data: Mapping[str, object] = field(default_factory=dict)


class Gate(Protocol):
    """The approval gate."""

    def plan(self, draft: Draft) -> Plan:
        """Return how the draft will be decided, writing nothing; raises Unroutable."""

    def attach(self, proposal: Proposal, plan: Plan, now: datetime) -> None:
        """Store the route of the inserted proposal and record its gate event; an automatic plan also approves.

        Called after `proposal:proposed` was recorded, so that this stays the first event of the proposal's chain.
        """


_registered: list[Gate] = []


def register_gate(gate: Gate) -> Gate | None:
    """Make `gate` the one that submissions are routed by and return the one before; called from AppConfig.ready."""
    previous = _registered[0] if _registered else None
    _registered[:] = [gate]
    return previous


def current_gate() -> Gate:
    """Return the registered gate; without one nothing can be proposed, which is a defect of the wiring."""
    if not _registered:
        raise RuntimeError("No approval gate is registered: is the approvals app installed?")
    return _registered[0]
