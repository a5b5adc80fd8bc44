"""Endpoints and messages for webhook tests: plain functions, and a receiver that verifies as a stranger would."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from standardwebhooks.webhooks import Webhook

from identity.models import Agent
from kernel.ids import Prefix, encode, new_id
from proposals.webhooks import services
from proposals.webhooks.models import WebhookEndpoint
from proposals.webhooks.services import Announcement, Issued
from proposals.webhooks.services.announcing import new_message
from proposals.webhooks.signing import new_secret, seal
from proposals.webhooks.states import MessageState
from tests.builders.http import Heard, Listener
from tests.builders.identity import actor


def make_endpoint(agent: Agent, url: str, now: datetime) -> Issued:
    """Return the agent's endpoint, set up by its owner."""
    return services.set_endpoint(agent_id=agent.pk, url=url, actor=actor(agent.owner), now=now)


def announce_one(agent: Agent, now: datetime, kind: str = "proposal.approved") -> int:
    """Tell the agent of a proposal."""
    return services.announce([Announcement(agent.pk, new_id(), kind, "DE01", {"state": "approved"})], now=now)


def make_delivery_log(agent: Agent, now: datetime) -> None:
    """Give the agent an endpoint elsewhere with a message in each state, as they stand after some attempts."""
    key = new_id()
    endpoint = WebhookEndpoint.objects.create(
        id=key,
        agent=agent,
        url="https://hooks.example.com/countersign/purchasing",
        secret=seal(new_secret(), key),
        created_by=agent.owner,
        created_at=now,
        updated_at=now,
        failing_since=now - timedelta(minutes=4),
    )
    long_ago = now - timedelta(hours=3)
    for kind, state, status, detail in (
        ("proposal.approved", MessageState.DELIVERED, 200, ""),
        ("outcome.committed", MessageState.PENDING, None, "hooks.example.com did not answer in time."),
        ("proposal.rejected", MessageState.GIVEN_UP, 503, ""),
        ("countersign.test", MessageState.PENDING, None, ""),
    ):
        proposal = "" if kind == "countersign.test" else encode(Prefix.PROPOSAL, new_id())
        message = new_message(endpoint_id=key, kind=kind, data={"state": "approved"}, now=long_ago, proposal=proposal)
        message.state, message.finished_at = state, None if state == MessageState.PENDING else now
        message.next_at = now + timedelta(minutes=5)
        message.attempt_count = 1 if status or detail else 0
        message.save()
        if status or detail:
            message.attempts.create(number=1, at=now, status=status, detail=detail, duration_ms=84)
    assert endpoint.messages.count() == 4


def verified(secret: str, heard: Heard) -> Any:
    """Return the content of a delivery, after the package of the Standard Webhooks team has verified it."""
    return Webhook(secret).verify(heard.body, heard.headers)


def webhook_ids(listener: Listener) -> list[str]:
    """Return the ids of what arrived, in order."""
    return [heard.headers["webhook-id"] for heard in listener.heard]
