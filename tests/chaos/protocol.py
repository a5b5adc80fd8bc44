"""A model of the commit protocol: Hypothesis chooses the interleaving, the real services and both databases answer.

Workers are batches that somebody claimed and has not settled; any of them may send, settle, come late or die at any step. Time is the
model's: it only passes when a rule says so. The ERP is the embedded one behind a line that loses requests and answers.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import patch

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import identity.services
import proposals.services
from audit.models import Event
from commits import services
from commits.models import Attempt, Commit, Receipt
from commits.records import Claimed, Settlement
from commits.services import claiming, sending
from commits.states import AttemptOutcome, CommitState
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.port import SendStatus, WriteOutcome, WriteRequest
from identity.states import AgentState
from kernel.clock import now as clock_now
from kernel.ids import Prefix, decode, encode
from ledger.models import PurchaseOrder, Vendor
from ledger.services import set_vendor_status
from ledger.states import VendorStatus
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import decided, opened
from tests.builders.commits import Gate
from tests.builders.identity import COMPANY, actor

PROPOSALS_MAX = 10
WAITS_SECONDS = (1, 5, 40, 70, 130, 400)
# A request that was sent lands within this time or never: the timeout of a call, and the margin that a lease must have left.
REQUEST_SECONDS = sending.LEASE_MARGIN_SECONDS
SETTLING_ROUNDS = 30
SETTLING_STEP = timedelta(minutes=6)


class Line(StrEnum):
    """What the line to the ERP does with one batch."""

    GOOD = "good"
    NOT_SENT = "not_sent"
    REQUEST_LOST = "request_lost"
    ANSWER_LOST = "answer_lost"
    ANSWER_PARTLY_LOST = "answer_partly_lost"
    RAISES = "raises"
    RAISES_AFTER_COMMIT = "raises_after_commit"
    TWICE = "twice"
    LATE = "late"


class LineBroke(Exception):
    """What a connector raises that knows nothing."""


class LossyConnector(EmbeddedConnector):
    """The embedded ERP behind a line that does what it is told with the next batch."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line.GOOD
        self.asked = False
        self.under_way: list[tuple[datetime, list[WriteRequest]]] = []

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime, **values: Any) -> list[WriteOutcome]:
        line, self.line, self.asked = self.line, Line.GOOD, True
        lost = [WriteOutcome(item.key, SendStatus.UNKNOWN, code="answer_lost", detail=str(line)) for item in requests]
        if line is Line.NOT_SENT:
            return [WriteOutcome(item.key, SendStatus.NOT_SENT, code="erp_unreachable", is_retryable=True) for item in requests]
        if line is Line.REQUEST_LOST:
            return lost
        if line is Line.LATE:
            self.under_way.append((now, list(requests)))
            return lost
        if line is Line.RAISES:
            raise LineBroke
        outcomes = super().commit_many(requests, now=now, **values)
        if line is Line.RAISES_AFTER_COMMIT:
            raise LineBroke
        if line is Line.TWICE:
            return super().commit_many(requests, now=now, **values)
        if line is Line.ANSWER_LOST:
            return lost
        return outcomes[:-1] if line is Line.ANSWER_PARTLY_LOST else outcomes

    def arrive(self, now: datetime) -> None:
        """What was under way lands, if it is not too old for that."""
        arriving, self.under_way = self.under_way, []
        for sent_at, requests in arriving:
            if (now - sent_at).total_seconds() <= REQUEST_SECONDS:
                super().commit_many(requests, now=now)


@dataclass(slots=True)
class Batch:
    """What one worker holds: claimed, then sent and not settled yet."""

    claims: list[Claimed]
    settlements: list[Settlement] | None = None


@dataclass(slots=True)
class Seen:
    """What the model remembers in order to notice that something went back."""

    succeeded: dict[uuid.UUID, str] = field(default_factory=dict)
    landed: set[uuid.UUID] = field(default_factory=set)
    started_when_suspended: int | None = None


class Protocol(RuleBasedStateMachine):
    """The rules: what agents, people, workers, the sweep, the ERP's staff, the line and time do; after each, the invariants."""

    gate: Gate
    # How often the exploration came to which place, over all examples.
    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = clock_now()
        self.connector = LossyConnector()
        self.batches: list[Batch] = []
        self.seen = Seen()
        self.undo = ExitStack()
        for alias in ("default", "ledger"):
            self.undo.enter_context(_rolled_back(alias))
        self.undo.enter_context(use_connector(self.connector))
        clock = SimpleNamespace(monotonic=self._monotonic)
        for module in (claiming, sending):
            self.undo.enter_context(patch.object(module, "time", clock))

    def _monotonic(self) -> float:
        return self.now.timestamp()

    # One rule chooses among what is possible: Hypothesis leaves out whole rules in an example, and would seldom come far with many.

    @rule(
        who=st.integers(0, 9),
        choice=st.integers(0, 100),
        line=st.sampled_from(Line),
        limit=st.sampled_from([1, 1, 2, 3]),
        is_so=st.booleans(),
    )
    def step(self, who: int, choice: int, line: Line, limit: int, is_so: bool) -> None:
        """A worker, or somebody else, or time does one thing."""
        if who < 6:
            self.a_worker(choice, line, limit, is_seen=is_so)
        elif who < 9:
            self.somebody(choice, is_small=is_so)
        else:
            self.time_passes(WAITS_SECONDS[choice % len(WAITS_SECONDS)], is_arriving=is_so)

    def a_worker(self, choice: int, line: Line, limit: int, *, is_seen: bool) -> None:
        """One worker, or the sweep, does one thing."""
        actions: list[Callable[[], object]] = [partial(self.work, line, limit), partial(self.claim, limit)]
        states = set(Commit.objects.values_list("state", flat=True))
        actions += [self.expire] if CommitState.IN_FLIGHT in states else []
        actions += [self.resolve] if CommitState.UNKNOWN in states else []
        for batch in self.batches:
            one = partial(self.send, batch, line) if batch.settlements is None else partial(self.settle, batch)
            actions += [one, one, partial(self.die, batch, is_seen=is_seen)]
        actions[choice % len(actions)]()

    def somebody(self, choice: int, *, is_small: bool) -> None:
        """An agent, a person or the ERP's staff does one thing."""
        is_active = self._agent_state() == AgentState.ACTIVE
        actions: list[Callable[[], object]] = [self.open, self.drift, *([self.suspend] if is_active else [self.resume] * 3)]
        if is_active and not self.is_blocked() and Proposal.objects.count() < PROPOSALS_MAX:
            actions += [partial(self.propose, is_small)] * 3
        if (pending := Proposal.objects.filter(state=ProposalState.PENDING).order_by("pk").first()) is not None:
            actions += [partial(self.withdraw, pending), *[partial(self.approve, pending)] * (2 if is_active else 0)]
        if (failed := self.failed()) is not None:
            actions.append(partial(self.retry, failed))
        actions[choice % len(actions)]()

    def time_passes(self, seconds: int, *, is_arriving: bool) -> None:
        """Time passes, and what was under way lands or does not yet."""
        self.now += timedelta(seconds=seconds)
        if is_arriving:
            self.arrive()

    @initialize()
    def begin(self) -> None:
        """Six orders are there from the beginning: five approved by themselves and open, one that waits for a person."""
        for amount in ("100.00", "200.00", "300.00", "400.00", "500.00", "2500.00"):
            self.gate.order(amount, now=self.now)
        services.open_commits(now=self.now)

    # What agents and people do -------------------------------------------------------------------------------------------

    def propose(self, is_small: bool) -> None:
        self.gate.order("100.00" if is_small else "2500.00", now=self.now)

    def approve(self, proposal: Proposal) -> None:
        page = opened(self.gate.cast.alice, proposal, self.now)
        if all(check.is_holding for check in page.checks):
            decided(self.gate.cast.alice, page, now=self.now + timedelta(milliseconds=1))

    def withdraw(self, proposal: Proposal) -> None:
        proposals.services.withdraw(principal=self.gate.cast.principal, proposal_id=proposal.public_id, now=self.now)

    def suspend(self) -> None:
        olga = self.gate.cast.olga
        identity.services.suspend_agent(agent_id=self.gate.cast.agent.pk, actor=actor(olga), now=self.now, reason="A look at it")
        self.seen.started_when_suspended = _started()

    def resume(self) -> None:
        identity.services.resume_agent(agent_id=self.gate.cast.agent.pk, actor=actor(self.gate.cast.olga), now=self.now)
        self.seen.started_when_suspended = None

    def drift(self) -> None:
        status = VendorStatus.ACTIVE if self.is_blocked() else VendorStatus.BLOCKED
        set_vendor_status(company=COMPANY, vendor="V1", status=status)

    def retry(self, commit: Commit) -> None:
        services.retry(commit_id=commit.public_id, user=self.gate.otto, actor=actor(self.gate.otto), now=self.now)

    # What workers do -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        services.open_commits(now=self.now)

    def claim(self, limit: int) -> Batch | None:
        claims = services.claim(now=self.now, worker="model", limit=limit)
        if not claims:
            return None
        self.reached["claimed again"] += any(claim.attempt_number > 1 for claim in claims)
        self.batches.append(Batch(claims))
        return self.batches[-1]

    def work(self, line: Line, limit: int) -> None:
        """One worker claims, sends and settles without being disturbed by anything but the line."""
        if batch := self.claim(limit):
            self.send(batch, line)
            self.settle(batch)

    def send(self, batch: Batch, line: Line) -> None:
        self.connector.line = line
        batch.settlements = services.send(batch.claims, now=self.now)
        # Not asked for: everything of the batch had landed before, had drifted, or came too late.
        self.reached[str(line)] += self.connector.asked
        self.connector.line, self.connector.asked = Line.GOOD, False

    def settle(self, batch: Batch) -> None:
        self.reached["settled late"] += services.settle(batch.settlements or [], now=self.now).ignored > 0
        self.batches.remove(batch)

    def die(self, batch: Batch, *, is_seen: bool) -> None:
        """A worker is gone, and the engine sees it at once or only when the lease ends."""
        self.batches.remove(batch)
        if is_seen:
            keys = [claim.commit_id for claim in batch.claims]
            Commit.objects.filter(pk__in=keys, state=CommitState.IN_FLIGHT).update(holder=-1)

    def expire(self) -> None:
        self.reached["taken over"] += services.expire_leases(now=self.now).unknown > 0

    def resolve(self) -> None:
        services.resolve_unknown(now=self.now)

    # What must hold after every step -----------------------------------------------------------------------------------------

    @invariant()
    def nothing_lands_twice(self) -> None:
        references = [order.reference for order in _orders()]
        assert len(references) == len(set(references)), references

    @invariant()
    def only_what_is_approved_lands(self) -> None:
        landed = {decode(Prefix.PROPOSAL, order.reference) for order in _orders()}
        states = dict(Proposal.objects.filter(pk__in=landed).values_list("pk", "state"))
        assert set(states) == landed
        assert set(states.values()) <= {ProposalState.APPROVED}, states
        for key in landed - self.seen.landed:
            chain = encode(Prefix.PROPOSAL, key)
            kinds = list(Event.objects.filter(chain=chain).order_by("position").values_list("kind", flat=True))
            assert kinds.index("approval:granted") < kinds.index("commit:started"), kinds
        self.seen.landed |= landed

    @invariant()
    def what_landed_is_never_called_failed(self) -> None:
        landed = {order.reference: order.number for order in _orders()}
        for commit in Commit.objects.select_related("proposal"):
            document = landed.get(commit.proposal.public_id)
            assert commit.state != CommitState.FAILED or document is None, (commit.public_id, commit.code, document)
            if commit.state == CommitState.SUCCEEDED:
                assert Receipt.objects.get(commit=commit).document == document
                assert Event.objects.filter(chain=commit.proposal.public_id, kind="commit:succeeded").count() == 1
                self.seen.succeeded[commit.pk] = commit.proposal.public_id
        settled = set(Commit.objects.filter(state=CommitState.SUCCEEDED).values_list("pk", flat=True))
        assert settled == set(self.seen.succeeded), "a commit that had succeeded went back"

    @invariant()
    def attempts_are_counted_before_the_work(self) -> None:
        for commit in Commit.objects.all():
            attempts = list(Attempt.objects.filter(commit=commit).order_by("number"))
            assert [attempt.number for attempt in attempts] == list(range(1, commit.attempt_number + 1))
            running = [attempt.number for attempt in attempts if attempt.outcome == AttemptOutcome.RUNNING]
            assert running == ([commit.attempt_number] if commit.state == CommitState.IN_FLIGHT else []), (commit.state, attempts)

    @invariant()
    def suspended_agents_start_nothing(self) -> None:
        assert self.seen.started_when_suspended in (None, _started())

    @invariant()
    def only_approved_proposals_have_commits(self) -> None:
        states = set(Commit.objects.values_list("proposal__state", flat=True))
        assert states <= {ProposalState.APPROVED, ProposalState.VOIDED}, states

    def teardown(self) -> None:
        """In the end nothing is left: with a good line, an active agent and time, every commit settles."""
        try:
            if self._agent_state() == AgentState.SUSPENDED:
                self.resume()
            self.arrive()
            for _ in range(SETTLING_ROUNDS):
                self.now += SETTLING_STEP
                services.sweep(now=lambda: self.now)
                if not Commit.objects.exclude(state__in=[CommitState.SUCCEEDED, CommitState.FAILED]).exists():
                    break
            # Whoever comes now comes late, and changes nothing.
            for batch in [batch for batch in self.batches if batch.settlements is not None]:
                self.settle(batch)
            self._check_the_end()
        finally:
            self.undo.close()

    def _check_the_end(self) -> None:
        left = list(Commit.objects.exclude(state__in=[CommitState.SUCCEEDED, CommitState.FAILED]).values_list("state", "code"))
        assert left == [], left
        approved = set(Proposal.objects.filter(state=ProposalState.APPROVED, is_log_only=False))
        failed = set(Proposal.objects.filter(commit__state=CommitState.FAILED))
        landed = {order.reference for order in _orders()}
        assert landed == {proposal.public_id for proposal in approved - failed}
        for name in ("nothing_lands_twice", "what_landed_is_never_called_failed", "attempts_are_counted_before_the_work"):
            getattr(Protocol, name)(self)

    def arrive(self) -> None:
        self.connector.arrive(self.now)

    # Questions ---------------------------------------------------------------------------------------------------------------

    def is_blocked(self) -> bool:
        return Vendor.objects.get(number="V1").status == VendorStatus.BLOCKED

    def _agent_state(self) -> str:
        return str(type(self.gate.cast.agent)._default_manager.values_list("state", flat=True).get(pk=self.gate.cast.agent.pk))

    def failed(self) -> Commit | None:
        return Commit.objects.filter(state=CommitState.FAILED, is_retryable=True, proposal__state=ProposalState.APPROVED).first()


@contextmanager
def _rolled_back(alias: str) -> Iterator[None]:
    with transaction.atomic(using=alias):
        yield
        transaction.set_rollback(True, using=alias)


def _orders() -> list[PurchaseOrder]:
    return list(PurchaseOrder.objects.all())


def _started() -> int:
    return Event.objects.filter(kind="commit:started").count()
