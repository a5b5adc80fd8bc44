"""What the page about an agent's webhooks shows: rows of the database as finished texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.urls import NoReverseMatch, reverse

from identity.models import Agent
from identity.states import AgentState
from kernel.display import Moment, Tag, Tone, ago, at
from proposals.webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookMessage
from proposals.webhooks.services.managing import OVERLAP, TEST_KIND
from proposals.webhooks.states import EndpointState, MessageState

LOG_ROWS = 50
STATE_TAGS: Mapping[str, Tag] = {
    MessageState.PENDING: Tag("Under way", Tone.INFO, "clock"),
    MessageState.DELIVERED: Tag("Delivered", Tone.GOOD, "check"),
    MessageState.GIVEN_UP: Tag("Given up", Tone.BAD, "stop"),
}


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message in the delivery log."""

    id: str
    kind: str
    proposal: str
    proposal_url: str
    state: Tag
    created: Moment
    attempts: str
    last: str
    following: Moment | str


@dataclass(frozen=True, slots=True)
class WebhookPage:
    """Everything the page shows; `url` is empty where there is no endpoint yet."""

    agent_id: str
    agent_name: str
    url: str
    state: Tag
    facts: tuple[tuple[str, object], ...]
    rows: tuple[MessageRow, ...]
    may_manage: bool
    is_on: bool
    has_endpoint: bool


def webhook_page(agent: Agent, *, may_manage: bool, now: datetime) -> WebhookPage:
    """Return the page; three queries."""
    endpoint = WebhookEndpoint.objects.select_related("created_by").filter(agent=agent).first()
    is_on = endpoint is not None and endpoint.state == EndpointState.ON
    return WebhookPage(
        agent_id=agent.public_id,
        agent_name=agent.name,
        url=endpoint.url if endpoint else "",
        state=_tag(endpoint),
        facts=tuple(_facts(endpoint, now)) if endpoint else (),
        rows=tuple(_rows(endpoint, now)) if endpoint else (),
        may_manage=may_manage and agent.state != AgentState.DECOMMISSIONED,
        is_on=is_on,
        has_endpoint=endpoint is not None,
    )


def _tag(endpoint: WebhookEndpoint | None) -> Tag:
    if endpoint is None:
        return Tag("No endpoint", Tone.PLAIN)
    if endpoint.state == EndpointState.OFF:
        return Tag("Off", Tone.PLAIN, "stop")
    if endpoint.failing_since is not None:
        return Tag("Failing", Tone.WARN, "pause")
    return Tag("On", Tone.GOOD, "check")


def _facts(endpoint: WebhookEndpoint, now: datetime) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        ("Set up", at(endpoint.created_at)),
        ("By", endpoint.created_by.get_full_name() or endpoint.created_by),
    ]
    if endpoint.off_because:
        facts.append(("Off because", endpoint.off_because))
    if endpoint.failing_since is not None:
        facts.append(("Failing since", ago(endpoint.failing_since, now)))
    if endpoint.previous_until is not None and endpoint.previous_until > now:
        facts.append(("Former secret signs until", at(endpoint.previous_until)))
    return facts


def _rows(endpoint: WebhookEndpoint, now: datetime) -> list[MessageRow]:
    messages = list(WebhookMessage.objects.filter(endpoint=endpoint).order_by("-created_at", "-pk")[:LOG_ROWS])
    last: dict[object, WebhookAttempt] = {}
    for attempt in WebhookAttempt.objects.filter(message__in=messages).order_by("number"):
        last[attempt.message_id] = attempt
    return [_row(message, last.get(message.pk), now) for message in messages]


def _row(message: WebhookMessage, last: WebhookAttempt | None, now: datetime) -> MessageRow:
    is_pending = message.state == MessageState.PENDING
    return MessageRow(
        id=message.public_id,
        kind="Test" if message.kind == TEST_KIND else message.kind,
        proposal=message.proposal,
        proposal_url=_proposal_url(message.proposal),
        state=STATE_TAGS[message.state],
        created=ago(message.created_at, now),
        attempts=str(message.attempt_count),
        last=_answer(last),
        following=(at(message.next_at) if message.next_at > now else "now") if is_pending else "–",
    )


def _answer(attempt: WebhookAttempt | None) -> str:
    if attempt is None:
        return "–"
    if attempt.status is None:
        return attempt.detail
    return f"HTTP {attempt.status} in {attempt.duration_ms} ms"


def _proposal_url(proposal: str) -> str:
    try:
        return reverse("approvals:proposal", args=[proposal]) if proposal else ""
    except NoReverseMatch:
        return ""


OVERLAP_HOURS = int(OVERLAP.total_seconds()) // 3600
