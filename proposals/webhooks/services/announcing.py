"""Writing messages: in the transaction of what they tell, so that none is lost and none tells what was rolled back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

from kernel.canonical import canonical_bytes
from kernel.clock import wire_time
from kernel.context import current_origin
from kernel.ids import Prefix, encode, new_id
from kernel.queue import wake
from proposals.webhooks.models import WebhookMessage
from proposals.webhooks.states import EndpointState

WAKE = "webhook_due"
# Asked at every move of a proposal and nearly always in vain, so without the ORM.
LISTENING = "SELECT agent_id, id FROM proposals_webhookendpoint WHERE agent_id = ANY(%s) AND state = %s"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an agent is to be told of one proposal: a type, and ids and codes only, because it leaves the house."""

    agent_id: UUID
    proposal_id: UUID
    kind: str
    company: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


def announce(entries: Sequence[Announcement], *, now: datetime) -> int:
    """Each agent with an endpoint that is on has a message for each of its entries; returns how many messages.

    Joins the caller's transaction. One query where no agent has an endpoint, two statements and a wake-up otherwise.
    """
    agents = {entry.agent_id for entry in entries}
    if not agents:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(LISTENING, [list(agents), EndpointState.ON])
        endpoints: dict[UUID, UUID] = dict(cursor.fetchall())
    messages = [
        new_message(
            endpoint_id=endpoints[entry.agent_id],
            kind=entry.kind,
            proposal=encode(Prefix.PROPOSAL, entry.proposal_id),
            company=entry.company,
            data=entry.data,
            now=now,
        )
        for entry in entries
        if entry.agent_id in endpoints
    ]
    if messages:
        WebhookMessage.objects.bulk_create(messages)
        wake(WAKE)
    return len(messages)


def new_message(
    *, endpoint_id: UUID, kind: str, data: Mapping[str, str], now: datetime, proposal: str = "", company: str = ""
) -> WebhookMessage:
    """Return a message that is due at once; not stored."""
    told = {"proposal_id": proposal, **data} if proposal else dict(data)
    return WebhookMessage(
        id=new_id(),
        endpoint_id=endpoint_id,
        kind=kind,
        proposal=proposal,
        company=company,
        body=canonical_bytes({"type": kind, "timestamp": wire_time(now), "data": told}),
        trace_id=current_origin().trace_id,
        next_at=now,
        created_at=now,
    )
