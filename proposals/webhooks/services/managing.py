"""Endpoints: set, given new secrets, switched on and off; by the agent's owner or an administrator of all its companies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from gateway.errors import OutboundFailed
from gateway.network import Policy, PrivateNetworkGuard, parse_url
from gateway.regions import region_here
from identity.events import IdentityEvent
from identity.models import Agent
from identity.services.guards import agent_subject, lock_managed_agent, records_refusal
from identity.states import AgentState
from kernel.actors import Actor
from kernel.canonical import digest
from kernel.errors import FieldError, StateConflict, ValidationFailed
from kernel.ids import new_id
from kernel.queue import wake
from kernel.transitions import advance
from proposals.webhooks.errors import EndpointMissing
from proposals.webhooks.events import WebhookEvent
from proposals.webhooks.models import URL_LENGTH_MAX, WebhookEndpoint, WebhookMessage
from proposals.webhooks.services.announcing import WAKE, new_message
from proposals.webhooks.signing import new_secret, seal
from proposals.webhooks.states import ENDPOINT_TRANSITIONS, EndpointState, MessageState

# How long the old secret signs beside the new one.
OVERLAP = timedelta(hours=24)
TEST_KIND = "countersign.test"


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint, and its secret where a new one was made: this is the only time it can be shown."""

    endpoint: WebhookEndpoint
    secret: str = field(default="", repr=False)


@records_refusal(IdentityEvent.AGENT_REFUSED)
def set_endpoint(*, agent_id: UUID, url: str, actor: Actor, now: datetime) -> Issued:
    """The agent's messages go to `url`; the first time a secret is made, later the secret stays.

    Raises OutboundRefused for an address that webhooks may not go to, ValidationFailed for a name that has no address now.
    """
    address = _checked(url)
    with transaction.atomic():
        agent, manager = _lock(agent_id, actor)
        endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(agent=agent).first()
        issued = _changed(endpoint, address, now) if endpoint else _created(agent, address, manager, now)
        before = digest("countersign.webhook_url/1", endpoint.url) if endpoint else ""
        audit.services.record(
            kind=WebhookEvent.ENDPOINT_SET,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={
                "status": "set",
                "url_digest": digest("countersign.webhook_url/1", address),
                "before_digest": before,
                "region": region_here(address),
            },
            payload={"url": address, "before": endpoint.url if endpoint else ""},
        )
    issued.endpoint.url = address
    return issued


@records_refusal(IdentityEvent.AGENT_REFUSED)
def rotate_secret(*, agent_id: UUID, actor: Actor, now: datetime) -> Issued:
    """The endpoint has a new secret; the one before signs beside it for a day, an even older one no more."""
    secret = new_secret()
    with transaction.atomic():
        agent, endpoint = _lock_endpoint(agent_id, actor)
        values = {
            "previous_secret": bytes(endpoint.secret),
            "previous_until": now + OVERLAP,
            "secret": seal(secret, endpoint.pk),
            "updated_at": now,
        }
        _write(endpoint, values)
        audit.services.record(
            kind=WebhookEvent.SECRET_ROTATED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={"status": "rotated", "overlap_seconds": int(OVERLAP.total_seconds())},
        )
    return Issued(endpoint, secret)


@records_refusal(IdentityEvent.AGENT_REFUSED)
def switch_off(*, agent_id: UUID, actor: Actor, now: datetime) -> WebhookEndpoint:
    """Nothing is sent to the endpoint any more, and what happens from now on is not told it."""
    with transaction.atomic():
        agent, endpoint = _lock_endpoint(agent_id, actor)
        stop(endpoint, agent, because="switched off by hand", actor=actor, now=now)
    return endpoint


@records_refusal(IdentityEvent.AGENT_REFUSED)
def switch_on(*, agent_id: UUID, actor: Actor, now: datetime) -> WebhookEndpoint:
    """The endpoint gets messages again, beginning with those that were under way and are not overdue."""
    with transaction.atomic():
        agent, endpoint = _lock_endpoint(agent_id, actor)
        advance(endpoint, EndpointState.ON, transitions=ENDPOINT_TRANSITIONS, off_because="", failing_since=None, updated_at=now)
        WebhookMessage.objects.filter(endpoint=endpoint, state=MessageState.PENDING).update(next_at=now)
        audit.services.record(kind=WebhookEvent.SWITCHED_ON, actor=actor, subject=agent_subject(agent), now=now, outcome={"status": "on"})
        wake(WAKE)
    return endpoint


@records_refusal(IdentityEvent.AGENT_REFUSED)
def request_test(*, agent_id: UUID, actor: Actor, now: datetime) -> WebhookMessage:
    """A test message is on its way, like every other; raises StateConflict when the endpoint is off."""
    with transaction.atomic():
        agent, endpoint = _lock_endpoint(agent_id, actor)
        if endpoint.state != EndpointState.ON:
            raise StateConflict(detail="The endpoint is off; switch it on first.", data={"state": endpoint.state})
        message = new_message(endpoint_id=endpoint.pk, kind=TEST_KIND, data={"agent_id": agent.public_id}, now=now)
        message.save(force_insert=True)
        audit.services.record(
            kind=WebhookEvent.TEST_REQUESTED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={"status": "requested", "message": message.public_id},
        )
        wake(WAKE)
    return message


def stop(endpoint: WebhookEndpoint, agent: Agent, *, because: str, actor: Actor, now: datetime) -> None:
    """The endpoint, locked by the caller, is off, and one event says why."""
    advance(endpoint, EndpointState.OFF, transitions=ENDPOINT_TRANSITIONS, off_because=because, updated_at=now)
    audit.services.record(
        kind=WebhookEvent.SWITCHED_OFF,
        actor=actor,
        subject=agent_subject(agent),
        now=now,
        outcome={"status": "off"},
        payload={"reason": because},
    )


def _checked(url: str) -> str:
    """Return the address if a webhook may go there now; asked outside any transaction, because a name is looked up."""
    text = url.strip()
    if not text or len(text) > URL_LENGTH_MAX:
        message = "The address is missing." if not text else f"The address is longer than {URL_LENGTH_MAX} characters."
        raise ValidationFailed(detail=message, errors=(FieldError("/url", message, "https://…"),))
    parse_url(text)
    try:
        PrivateNetworkGuard.of(Policy.PUBLIC).check_url(text)
    except OutboundFailed as error:
        raise ValidationFailed(detail=error.detail, errors=(FieldError("/url", error.detail, "a host that exists"),)) from error
    return text


def _lock(agent_id: UUID, actor: Actor) -> tuple[Agent, User]:
    agent, manager = lock_managed_agent(agent_id, actor)
    if agent.state == AgentState.DECOMMISSIONED:
        raise StateConflict(detail=f"{agent.name} is decommissioned.", data={"state": agent.state})
    return agent, manager


def _lock_endpoint(agent_id: UUID, actor: Actor) -> tuple[Agent, WebhookEndpoint]:
    agent, _ = _lock(agent_id, actor)
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(agent=agent).first()
    if endpoint is None:
        raise EndpointMissing(detail=f"{agent.name} has no endpoint; enter its address first.")
    return agent, endpoint


def _created(agent: Agent, url: str, manager: User, now: datetime) -> Issued:
    key, secret = new_id(), new_secret()
    endpoint = WebhookEndpoint(id=key, agent=agent, url=url, secret=seal(secret, key), created_by=manager, created_at=now, updated_at=now)
    endpoint.save(force_insert=True)
    return Issued(endpoint, secret)


def _changed(endpoint: WebhookEndpoint, url: str, now: datetime) -> Issued:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(url=url, failing_since=None, updated_at=now)
    return Issued(endpoint)


def _write(endpoint: WebhookEndpoint, values: dict[str, object]) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**values)
    for name, value in values.items():
        setattr(endpoint, name, value)
