"""A model of the commit protocol: Hypothesis chooses the interleaving, the real services and both databases answer.

Workers are batches that somebody claimed and has not settled; any of them may send, settle, come late or die at any step. Time is the
model's: it only passes when a rule says so. The ERP is the embedded one behind a line that loses requests and answers.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

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
from kernel.ids import Prefix, encode
from ledger.models import PurchaseOrder, Vendor
from ledger.services import set_vendor_status
from ledger.states import VendorStatus
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import decided, opened
from tests.builders.commits import Gate
from tests.builders.identity import COMPANY, actor

PROPOSALS_MAX = 6
# A request that was sent lands within this time or never: the timeout of a call, and the margin that a lease must have left.
REQUEST_SECONDS = sending.LEASE_MARGIN_SECONDS
SETTLING_ROUNDS = 30
SETTLING_STEP = timedelta(minutes=6)
WORKERS = ("one", "two")


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
        self.under_way: list[tuple[datetime, list[WriteRequest]]] = []

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime, **values: Any) -> list[WriteOutcome]:
        line, self.line = self.line, Line.GOOD
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
        """What was under way lands, if it is not too old for that.

        One whose commit was refused in the meantime is left out: that is the limit which docs/protocol.md states.
        """
        arriving, self.under_way = self.under_way, []
        refused = set(Commit.objects.filter(state=CommitState.FAILED).values_list("pk", flat=True))
        for sent_at, requests in arriving:
            if (now - sent_at).total_seconds() <= REQUEST_SECONDS:
                super().commit_many([item for item in requests if item.key not in refused], now=now)


@dataclass(slots=True)
class Batch:
    """What one worker holds: claimed, then sent and not settled yet."""

    claims: list[Claimed]
    settlements: list[Settlement] | None = None


@dataclass(slots=True)
class Seen:
    """What the model remembers in order to notice that something went back."""

    succeeded: dict[uuid.UUID, str] = field(default_factory=dict)
    started_when_suspended: int | None = None


class Protocol(RuleBasedStateMachine):
    """The rules: what agents, people, workers, the sweep, the ERP's staff, the line and time do; after each, the invariants."""

    gate: Gate

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

    # What agents and people do -------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """Two orders are there from the beginning: one approved by itself, one that waits for a person."""
        self.gate.order("100.00", now=self.now)
        self.gate.order("2500.00", now=self.now)

    @precondition(lambda self: self.is_active() and not self.is_blocked() and Proposal.objects.count() < PROPOSALS_MAX)
    @rule(is_small=st.booleans())
    def propose(self, is_small: bool) -> None:
        self.gate.order("100.00" if is_small else "2500.00", now=self.now)

    @precondition(lambda self: self.is_active() and self.pending() is not None)
    @rule()
    def approve(self) -> None:
        proposal = self.pending()
        assert proposal is not None
        page = opened(self.gate.cast.alice, proposal, self.now)
        if all(check.is_holding for check in page.checks):
            decided(self.gate.cast.alice, page, now=self.now + timedelta(milliseconds=1))

    @precondition(lambda self: self.pending() is not None)
    @rule()
    def withdraw(self) -> None:
        proposal = self.pending()
        assert proposal is not None
        proposals.services.withdraw(principal=self.gate.cast.principal, proposal_id=proposal.public_id, now=self.now)

    @precondition(lambda self: self.is_active())
    @rule()
    def suspend(self) -> None:
        olga = self.gate.cast.olga
        identity.services.suspend_agent(agent_id=self.gate.cast.agent.pk, actor=actor(olga), now=self.now, reason="A look at it")
        self.seen.started_when_suspended = _started()

    @precondition(lambda self: self.is_suspended())
    @rule()
    def resume(self) -> None:
        identity.services.resume_agent(agent_id=self.gate.cast.agent.pk, actor=actor(self.gate.cast.olga), now=self.now)
        self.seen.started_when_suspended = None

    @rule(status=st.sampled_from([VendorStatus.BLOCKED, VendorStatus.ACTIVE]))
    def drift(self, status: VendorStatus) -> None:
        set_vendor_status(company=COMPANY, vendor="V1", status=status)

    @precondition(lambda self: self.failed() is not None)
    @rule()
    def retry(self) -> None:
        commit = self.failed()
        assert commit is not None
        services.retry(commit_id=commit.public_id, user=self.gate.otto, actor=actor(self.gate.otto), now=self.now)

    # What workers do -----------------------------------------------------------------------------------------------------

    @rule()
    def open(self) -> None:
        services.open_commits(now=self.now)

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 4))
    def claim(self, worker: str, limit: int) -> None:
        claims = services.claim(now=self.now, worker=worker, limit=limit)
        if claims:
            self.batches.append(Batch(claims))

    @precondition(lambda self: self.unsent())
    @rule(line=st.sampled_from(Line), position=st.integers(0, 10))
    def send(self, line: Line, position: int) -> None:
        batch = self.unsent()[position % len(self.unsent())]
        self.connector.line = line
        batch.settlements = services.send(batch.claims, now=self.now)
        self.connector.line = Line.GOOD

    @precondition(lambda self: self.sent())
    @rule(position=st.integers(0, 10))
    def settle(self, position: int) -> None:
        batch = self.sent()[position % len(self.sent())]
        assert batch.settlements is not None
        services.settle(batch.settlements, now=self.now)
        self.batches.remove(batch)

    @precondition(lambda self: self.batches)
    @rule(position=st.integers(0, 10), is_seen=st.booleans())
    def die(self, position: int, is_seen: bool) -> None:
        """A worker is gone, and the engine sees it at once or only when the lease ends."""
        batch = self.batches.pop(position % len(self.batches))
        if is_seen:
            keys = [claim.commit_id for claim in batch.claims]
            Commit.objects.filter(pk__in=keys, state=CommitState.IN_FLIGHT).update(holder=-1)

    @rule()
    def expire(self) -> None:
        services.expire_leases(now=self.now)

    @rule()
    def resolve(self) -> None:
        services.resolve_unknown(now=self.now)

    # Time and the line -----------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 5, 40, 70, 130, 400]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.connector.under_way)
    @rule()
    def arrive(self) -> None:
        self.connector.arrive(self.now)

    # What must hold after every step -----------------------------------------------------------------------------------------

    @invariant()
    def nothing_lands_twice(self) -> None:
        references = [order.reference for order in _orders()]
        assert len(references) == len(set(references)), references

    @invariant()
    def only_what_is_approved_lands(self) -> None:
        for reference in {order.reference for order in _orders()}:
            proposal = _proposal(reference)
            assert proposal.state == ProposalState.APPROVED, (reference, proposal.state)
            kinds = list(Event.objects.filter(chain=reference).order_by("position").values_list("kind", flat=True))
            assert kinds.index("approval:granted") < kinds.index("commit:started"), kinds

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
            if self.is_suspended():
                self.resume()
            self.connector.arrive(self.now)
            for _ in range(SETTLING_ROUNDS):
                self.now += SETTLING_STEP
                services.sweep(now=lambda: self.now)
                if not Commit.objects.exclude(state__in=[CommitState.SUCCEEDED, CommitState.FAILED]).exists():
                    break
            # Whoever comes now comes late, and changes nothing.
            for batch in self.sent():
                assert batch.settlements is not None
                services.settle(batch.settlements, now=self.now)
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

    # Questions ---------------------------------------------------------------------------------------------------------------

    def is_active(self) -> bool:
        return self._agent_state() == AgentState.ACTIVE

    def is_suspended(self) -> bool:
        return self._agent_state() == AgentState.SUSPENDED

    def is_blocked(self) -> bool:
        return Vendor.objects.get(number="V1").status == VendorStatus.BLOCKED

    def _agent_state(self) -> str:
        return str(type(self.gate.cast.agent)._default_manager.values_list("state", flat=True).get(pk=self.gate.cast.agent.pk))

    def pending(self) -> Proposal | None:
        return Proposal.objects.filter(state=ProposalState.PENDING).order_by("pk").first()

    def failed(self) -> Commit | None:
        return Commit.objects.filter(state=CommitState.FAILED, is_retryable=True, proposal__state=ProposalState.APPROVED).first()

    def unsent(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.settlements is None]

    def sent(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.settlements is not None]


@contextmanager
def _rolled_back(alias: str) -> Iterator[None]:
    with transaction.atomic(using=alias):
        yield
        transaction.set_rollback(True, using=alias)


def _orders() -> list[PurchaseOrder]:
    return list(PurchaseOrder.objects.all())


def _proposal(reference: str) -> Proposal:
    return next(item for item in Proposal.objects.all() if encode(Prefix.PROPOSAL, item.pk) == reference)


def _started() -> int:
    return Event.objects.filter(kind="commit:started").count()
