"""What the agents' door asks of the gate behind it; `approvals` implements it and registers itself at start-up.

Proposals are submitted before they can be routed, so this app must not import the one that routes: it states here what it needs
and is given it. Everything here runs inside the submission's transaction, with the agent's row locked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from kernel.errors import DomainError

if TYPE_CHECKING:
    from audit.records import NewEvent
    from gateway.catalogue import Effect, WriteTool
    from gateway.preconditions import Precondition
    from identity.models import Agent, Grant
    from kernel.together import Together
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
    grant: Grant
    compensates: str
    supersedes: Proposal | None
    is_log_only: bool
    now: datetime
    # The payload after validation and defaults, and what the gate's observer saw in the ERP before the transaction.
    params: Mapping[str, Any] = field(default_factory=dict)
    observed: Mapping[str, object] = field(default_factory=dict)
    # The gate made this version itself, because something drifted: nobody entered it anew.
    is_asked_again: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A write as the observer sees it, before the transaction: it may ask the ERP, and nothing is locked."""

    tool: WriteTool[Any]
    company: str
    effect: Effect
    params: Mapping[str, Any]
    now: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """How one draft will be decided; `policy_version` and `route_version` enter the hashed action, `data` is the gate's own.

    `preconditions` are facts that the route leans on, beside those that the tool names: they enter the hashed action too.
    """

    policy_version: int
    row_id: int
    route_version: int
    is_automatic: bool
    data: Mapping[str, object] = field(default_factory=dict)
    preconditions: Sequence[Precondition] = ()


class Routing(Protocol):
    """The gate for the submissions of one transaction: what it looks up serves all of them."""

    def ask(self, together: Together) -> None:
        """Ask with others what planning will look up anyway, to be answered before the first draft is planned."""

    def plan(self, draft: Draft) -> Plan:
        """Return how the draft will be decided, writing nothing; raises Unroutable.

        A draft that was planned is going to be a proposal: rolling sums of the drafts after it count it.
        """

    def attach(self, planned: Sequence[tuple[Proposal, Plan]], now: datetime) -> list[NewEvent]:
        """Store the routes of the inserted proposals; an automatic plan also approves.

        Returns the gate's events, each proposal's in order, for the submission to record after its own: `proposal:proposed`
        stays the first event of a proposal's chain.
        """


class Gate(Protocol):
    """The approval gate."""

    def routing(self, drafts: Sequence[Draft]) -> Routing:
        """Return the routing of these drafts, of one agent; each may be planned, in this order, or left out."""


# Returns what was seen for each write, in order; called outside of any transaction.
Observer = Callable[[Sequence[Asked]], Sequence[Mapping[str, object]]]

_registered: list[Gate] = []
_observers: list[Observer] = []


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


def register_observer(observer: Observer) -> None:
    """Make every submission show its writes to `observer` before the transaction; called from AppConfig.ready."""
    _observers[:] = [observer]


def observe(asked: Sequence[Asked]) -> Sequence[Mapping[str, object]]:
    """Return what the registered observer saw for each write, in order; nothing when none is registered."""
    return _observers[0](asked) if _observers else [{} for _ in asked]
