"""A commit that is given up while a request of it may still be on its way: whatever arrives later finds its key closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

import identity.services
from commits import services
from commits.models import Commit
from commits.services.claiming import LEASE_SECONDS
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.port import SendStatus, WriteOutcome, WriteRequest
from kernel.clock import now as clock_now
from ledger.models import ClosedKey
from ledger.services import set_vendor_status
from ledger.states import VendorStatus
from proposals.models import Proposal
from tests.builders.commits import Gate, commit_of, kinds, landed_orders
from tests.builders.gateway import FaultyConnector
from tests.builders.identity import COMPANY, actor

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


class SlowLine(EmbeddedConnector):
    """The embedded ERP behind a line on which the first request is late: nobody hears of it until it arrives."""

    def __init__(self) -> None:
        self.under_way: list[WriteRequest] = []

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime, **values: Any) -> list[WriteOutcome]:
        if self.under_way:
            return super().commit_many(requests, now=now, **values)
        self.under_way = list(requests)
        return [WriteOutcome(item.key, SendStatus.UNKNOWN, code="answer_lost") for item in requests]

    def arrive(self) -> WriteOutcome:
        """The late request arrives; return what the ERP makes of it."""
        (outcome,) = EmbeddedConnector().commit_many(self.under_way, now=clock_now())
        return outcome


@pytest.fixture
def line() -> SlowLine:
    return SlowLine()


@pytest.fixture
def lost(gate: Gate, line: SlowLine) -> Proposal:
    """Return an order whose request is under way; it was looked up, not found, and queued again."""
    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    with use_connector(line):
        services.run(now=clock_now)
        services.resolve_unknown(now=clock_now())
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("queued", "not_landed")
    return proposal


def later() -> datetime:
    """Return when what was queued again is due."""
    return clock_now() + timedelta(seconds=30)


def decommission(gate: Gate) -> None:
    identity.services.decommission_agent(agent_id=gate.cast.agent.pk, actor=actor(gate.cast.olga), now=clock_now(), reason="Replaced")


def block_vendor() -> None:
    set_vendor_status(company=COMPANY, vendor="V1", status=VendorStatus.BLOCKED)


def state_of(proposal: Proposal) -> tuple[str, str, str]:
    commit = commit_of(proposal)
    proposal.refresh_from_db()
    return str(commit.state), commit.code, str(proposal.state)


def test_late_request_of_a_void_proposal_finds_its_key_closed(gate: Gate, line: SlowLine, lost: Proposal) -> None:
    Commit.objects.update(not_before=clock_now())
    decommission(gate)
    services.run(now=later)
    assert state_of(lost) == ("failed", "agent_decommissioned", "voided")

    answer = line.arrive()

    assert (answer.status, answer.code) == (SendStatus.REFUSED, "key_closed")
    assert landed_orders() == []
    assert kinds(lost)[-2:] == ["proposal:voided", "commit:failed"]
    assert commit_of(lost).attempt_number == 2


def test_late_request_of_a_drifted_proposal_finds_its_key_closed(line: SlowLine, lost: Proposal) -> None:
    block_vendor()
    services.run(now=later)
    assert state_of(lost) == ("failed", "drift", "voided")
    set_vendor_status(company=COMPANY, vendor="V1", status=VendorStatus.ACTIVE)

    assert line.arrive().code == "key_closed"
    assert landed_orders() == []


def test_request_that_arrived_before_its_commit_was_given_up_has_landed(gate: Gate, line: SlowLine, lost: Proposal) -> None:
    document = line.arrive().document
    decommission(gate)
    services.run(now=later)

    assert state_of(lost) == ("succeeded", "", "approved")
    assert [order.number for order in landed_orders(lost)] == [document]
    assert not ClosedKey.objects.exists()


def test_commit_whose_key_cannot_be_closed_is_not_given_up_yet(lost: Proposal) -> None:
    class Deaf(FaultyConnector):
        def close_many(self, keys: Sequence[UUID], *, now: datetime) -> dict[UUID, WriteOutcome]:
            raise ConnectionError("no route to the ERP")

    block_vendor()
    with use_connector(Deaf(EmbeddedConnector())):
        services.run(now=later)
    assert state_of(lost) == ("queued", "key_not_closed", "approved")

    services.run(now=lambda: later() + timedelta(minutes=10))
    assert state_of(lost) == ("failed", "drift", "voided")


def test_commit_that_is_wanted_after_all_opens_its_key_and_lands_once(line: SlowLine, lost: Proposal) -> None:
    """The worker that gave it up died before it could say so, and in the meantime nothing speaks against it any more."""
    block_vendor()
    services.send(services.claim(now=later(), worker="dies"), now=later())
    set_vendor_status(company=COMPANY, vendor="V1", status=VendorStatus.ACTIVE)
    assert [str(row.key) for row in ClosedKey.objects.all()] == [str(commit_of(lost).pk)]

    for minutes in range(1, 6):
        instant = later() + timedelta(seconds=LEASE_SECONDS, minutes=minutes)
        services.sweep(now=partial(datetime.fromtimestamp, instant.timestamp(), tz=UTC))

    assert state_of(lost) == ("succeeded", "", "approved")
    assert line.arrive().status is SendStatus.REPLAYED
    assert len(landed_orders(lost)) == 1
    assert not ClosedKey.objects.exists()


def test_first_attempt_is_given_up_without_asking_the_erp(gate: Gate) -> None:
    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    decommission(gate)
    services.run(now=clock_now)
    assert (commit_of(proposal).state, commit_of(proposal).attempt_number, ClosedKey.objects.count()) == ("failed", 0, 0)
