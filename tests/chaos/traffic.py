"""Agents propose, people decide, agents withdraw, owners suspend and resume: through the product's own services and its HTTP door."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections

import identity.services
import proposals.services
from approvals.states import DecisionKind
from examples.agent_client import AgentClient, Refused
from gateway.errors import ErpUnavailable
from kernel.clock import now
from kernel.errors import DomainError
from proposals.body import parse_proposal
from proposals.errors import IdempotencyInProgress, IdempotencyKeyReused
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import decided_by
from tests.builders.identity import actor
from tests.chaos.faults import Orders, chance
from tests.chaos.intents import any_intent, other_payload, staff_acts
from tests.chaos.world import Acting, World

RETRY_SECONDS = 90.0
THREADS = 16
Result = TypeVar("Result")


def persistently(work: Callable[[], Result]) -> Result:
    """Return what the work returns, tried again while PostgreSQL is away: what a client with an idempotency key does."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError, ErpUnavailable, IdempotencyInProgress):
            if time.monotonic() > deadline:
                raise
            connections.close_all()
            time.sleep(0.2)


@dataclass
class Traffic:
    """Everything that agents and people do in one run; each answer that somebody relies on is written to the journal."""

    world: World
    orders: Orders
    chance: random.Random
    number: int
    pending: list[tuple[Acting, Proposal]] = field(default_factory=list)
    suspended: dict[int, Acting] = field(default_factory=dict)
    said: list[tuple[Acting, str, dict[str, Any]]] = field(default_factory=list)

    def step(self, index: int) -> None:
        """One agent proposes something, and one thing beside it happens."""
        acting = self._someone(index)
        key = f"chaos-{index}"
        body = persistently(lambda: any_intent(self.chance))
        if self.chance.random() < 0.02 and self.said:
            # The same key again with the same body: the stored answer, whatever happened since.
            acting, key, body = self.chance.choice(self.said)
        proposal = self.propose(acting, key, body)
        if proposal is not None:
            self.said.append((acting, key, body))
            if proposal.state == ProposalState.PENDING:
                self.pending.append((acting, proposal))
        self._staff_acts(index)
        self._decide_something()
        self._suspend_or_resume(index)
        if index == self.number * 2 // 3:
            persistently(self._decommission)

    def _staff_acts(self, index: int) -> None:
        try:
            persistently(lambda: staff_acts(self.chance, index, self.number))
        except DomainError:
            return  # done already: the first try had counted, only its answer was lost

    def propose(self, acting: Acting, key: str, body: dict[str, Any]) -> Proposal | None:
        """Propose under this key and return the proposal, or None when it was refused."""

        def once() -> Proposal:
            principal = acting.principals[body["tool"], body["company"]]
            return proposals.services.propose(principal=principal, idempotency_key=key, body=parse_proposal(body), now=now()).proposal

        try:
            proposal = persistently(once)
        except DomainError as refusal:
            if isinstance(refusal, IdempotencyKeyReused):
                self.orders.write("key_reused", key=key)
            return None
        self.orders.write("acknowledged", proposal=proposal.public_id)
        return proposal

    def same_key_other_payload(self) -> None:
        """A key that stands is used for something else; it must be refused."""
        if self.said:
            acting, key, body = self.chance.choice(self.said)
            assert self.propose(acting, key, other_payload(body)) is None

    def same_key_from_threads(self, index: int) -> None:
        """One agent sends one intent sixteen times at once."""
        acting, body, key = self._someone(index), persistently(lambda: any_intent(self.chance)), f"race-{index}"
        barrier = threading.Barrier(THREADS)
        found: list[Proposal | None] = []

        def send() -> None:
            try:
                barrier.wait()
                found.append(self.propose(acting, key, body))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=send) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.orders.write("race", key=key, answers=len([item for item in found if item is not None]))
        self.pending += [(acting, item) for item in found[:1] if item is not None and item.state == ProposalState.PENDING]

    def resume_everybody(self) -> None:
        """No agent is suspended any more."""
        for acting in list(self.suspended.values()):
            persistently(lambda one=acting: self._resume(one))  # type: ignore[misc]
        self.suspended.clear()

    def _someone(self, index: int) -> Acting:
        draw = self.chance.random()
        if draw < 0.02:
            return self.world.log_only
        if draw < 0.10 and index < self.number * 2 // 3:
            return self.world.leaving
        active = [acting for acting in self.world.acting if acting not in self.suspended.values()]
        return self.chance.choice(active or list(self.world.acting))

    def _decide_something(self) -> None:
        if len(self.pending) < 4 and self.chance.random() < 0.5:
            return
        if not self.pending:
            return
        acting, proposal = self.pending.pop(self.chance.randrange(len(self.pending)))
        draw = self.chance.random()
        try:
            if draw < 0.12:
                principal = acting.principals[proposal.tool, proposal.company]
                persistently(lambda: proposals.services.withdraw(principal=principal, proposal_id=proposal.public_id, now=now()))
            elif draw < 0.95:
                kind = DecisionKind.APPROVE if draw < 0.80 else DecisionKind.REJECT if draw < 0.90 else DecisionKind.REQUEST_CHANGES
                person = self.chance.choice(self.world.approvers)
                persistently(lambda: decided_by(person, proposal, kind))
                if kind == DecisionKind.APPROVE:
                    self.orders.write("approved", proposal=proposal.public_id)
        except DomainError:
            # A check that no longer holds, an agent that left: refused is an answer.
            return

    def _suspend_or_resume(self, index: int) -> None:
        if index % 10 == 3 and len(self.suspended) < 2 and self.chance.random() < 0.5:
            acting = self.chance.choice(self.world.acting)
            if acting not in self.suspended.values():
                persistently(lambda: self._suspend(acting))
                self.suspended[index] = acting
        for since in [since for since in self.suspended if index - since > 8]:
            acting = self.suspended.pop(since)
            persistently(lambda one=acting: self._resume(one))  # type: ignore[misc]

    def _suspend(self, acting: Acting) -> None:
        owner = self.world.owner
        try:
            identity.services.suspend_agent(agent_id=acting.agent.pk, actor=actor(owner), now=now(), reason="A look at what it does")
        except DomainError:
            return  # tried again after PostgreSQL came back, and the first try had counted

    def _resume(self, acting: Acting) -> None:
        try:
            identity.services.resume_agent(agent_id=acting.agent.pk, actor=actor(self.world.owner), now=now())
        except DomainError:
            return

    def _decommission(self) -> None:
        try:
            identity.services.decommission_agent(
                agent_id=self.world.leaving.agent.pk, actor=actor(self.world.owner), now=now(), reason="Replaced"
            )
        except DomainError:
            return


def over_http(world: World, orders: Orders, address: str, seed: int, number: int) -> threading.Thread:
    """Return a started thread that proposes through the HTTP door, as an agent elsewhere does."""
    source = chance(seed, "http")
    acting = world.acting[0]
    client = AgentClient(address, acting.agent.public_id, acting.key)

    def run() -> None:
        try:
            for index in range(number):
                body = persistently(lambda: any_intent(source))
                try:
                    answer = client.propose(f"http-{index}", body)
                except Refused:
                    continue
                orders.write("acknowledged", proposal=str(answer["id"]))
        finally:
            client.http.close()
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
