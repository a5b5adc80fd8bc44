"""Every end of a proposal, at the gate and in the ERP, is told its agent: written in the transaction that makes it so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.addresses import parse_allow_list
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from proposals import services
from proposals.webhooks.models import WebhookMessage
from tests.builders.approvals import approved
from tests.builders.commits import Gate, run
from tests.builders.webhooks import make_endpoint

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.fixture
def listening_gate(gate: Gate, settings: Any) -> Gate:
    """Return the gate with an endpoint for its agent; nothing is delivered here."""
    settings.OUTBOUND_ALLOW_PRIVATE = parse_allow_list(["127.0.0.1"])
    make_endpoint(gate.cast.agent, "http://127.0.0.1:9/in", clock_now())
    return gate


def told() -> list[tuple[str, Any]]:
    found = []
    for message in WebhookMessage.objects.order_by("pk"):
        body: Any = parse_json(bytes(message.body))
        assert body["type"] == message.kind
        found.append((message.kind, body["data"]))
    return found


def test_an_approval_and_what_became_of_it_are_told(listening_gate: Gate) -> None:
    proposal = listening_gate.order("2500.00")
    assert told() == []
    approved(proposal, listening_gate.cast.alice)
    assert told() == [("proposal.approved", {"proposal_id": proposal.public_id, "state": "approved"})]
    run()
    assert told()[1:] == [("outcome.committed", {"proposal_id": proposal.public_id, "outcome": "committed"})]


def test_an_automatic_approval_is_told_too(listening_gate: Gate) -> None:
    first, second = listening_gate.orders(2)
    run()
    kinds = {(kind, data["proposal_id"]) for kind, data in told()}
    assert kinds == {(kind, item.public_id) for kind in ("proposal.approved", "outcome.committed") for item in (first, second)}


def test_withdrawn_and_expired_are_told(listening_gate: Gate) -> None:
    withdrawn, expired = listening_gate.order("2500.00"), listening_gate.order("2600.00")
    services.withdraw(principal=listening_gate.cast.principal, proposal_id=withdrawn.public_id, now=clock_now())
    services.expire_due(now=clock_now() + timedelta(days=8))
    assert told() == [
        ("proposal.withdrawn", {"proposal_id": withdrawn.public_id, "state": "withdrawn"}),
        ("proposal.expired", {"proposal_id": expired.public_id, "state": "expired"}),
    ]


def test_without_an_endpoint_nothing_is_written(gate: Gate) -> None:
    gate.order("100.00")
    run()
    assert told() == []
