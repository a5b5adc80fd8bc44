"""Endpoints and messages for webhook tests: plain functions, and a receiver that verifies as a stranger would."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from identity.models import Agent
from kernel.ids import new_id
from proposals.webhooks import services
from proposals.webhooks.services import Announcement, Issued
from tests.builders.http import Heard, Listener
from tests.builders.identity import actor


def make_endpoint(agent: Agent, url: str, now: datetime) -> Issued:
    """Return the agent's endpoint, set up by its owner."""
    return services.set_endpoint(agent_id=agent.pk, url=url, actor=actor(agent.owner), now=now)


def announce_one(agent: Agent, now: datetime, kind: str = "proposal.approved") -> int:
    """Tell the agent of a proposal."""
    return services.announce([Announcement(agent.pk, new_id(), kind, "DE01", {"state": "approved"})], now=now)


def verified(secret: str, heard: Heard) -> Any:
    """Return the content of a delivery, after the package of the Standard Webhooks team has verified it."""
    return Webhook(secret).verify(heard.body, heard.headers)


def webhook_ids(listener: Listener) -> list[str]:
    """Return the ids of what arrived, in order."""
    return [heard.headers["webhook-id"] for heard in listener.heard]
