"""Messages on their way: claimed for a time, settled by what was answered, repeated with growing pauses, given up at last."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

import audit.services
from audit.records import NewEvent, Subject
from kernel.actors import Actor
from kernel.ids import Prefix, encode
from kernel.transitions import advance
from proposals.webhooks.events import WebhookEvent
from proposals.webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookMessage
from proposals.webhooks.services.managing import stop
from proposals.webhooks.signing import unseal
from proposals.webhooks.states import MESSAGE_TRANSITIONS, EndpointState, MessageState

LEASE = timedelta(seconds=60)
CLAIM_MAX = 16
# An endpoint that fails is asked with one message at a time: a dead receiver keeps nobody else waiting.
CLAIM_MAX_OF_ONE = 8
# After each failed attempt; a little is added by chance, so that a receiver that comes back is not run over.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600))
ATTEMPTS_MAX = len(PAUSES) + 1
AGE_MAX = timedelta(days=3)
RETRY_AFTER_MAX = timedelta(hours=1)
KEPT = timedelta(days=30)
GONE = 410
SYSTEM = Actor.system("webhooks")

CLAIM = """
UPDATE proposals_webhookmessage SET leased_until = %(lease)s, attempt_count = attempt_count + 1
WHERE id IN (
    SELECT id FROM (
        SELECT message.id, message.next_at, endpoint.failing_since,
               row_number() OVER (PARTITION BY message.endpoint_id ORDER BY message.next_at, message.id) AS place
        FROM proposals_webhookmessage AS message
        JOIN proposals_webhookendpoint AS endpoint ON endpoint.id = message.endpoint_id AND endpoint.state = 'on'
        WHERE message.state = 'pending' AND message.next_at <= %(now)s
          AND (message.leased_until IS NULL OR message.leased_until <= %(now)s)
          AND NOT message.endpoint_id = ANY(%(without)s)
    ) AS due
    WHERE place <= CASE WHEN failing_since IS NULL THEN %(of_one)s ELSE 1 END
    ORDER BY place, next_at LIMIT %(most)s
)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One message to be sent now; `number` is the attempt's, and whoever settles another one comes too late."""

    message_id: UUID
    public_id: str
    endpoint_id: UUID
    number: int
    url: str
    body: bytes
    trace_id: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt: an HTTP status, or none and a sentence why."""

    status: int | None
    detail: str = ""
    duration_ms: int = 0
    retry_after: timedelta = timedelta(0)

    @property
    def is_delivered(self) -> bool:
        """Return whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def claim_due(*, now: datetime, without: Iterable[UUID] = ()) -> list[Claimed]:
    """Messages that are due belong to the caller until the lease ends; none for the endpoints in `without`. One deliverer at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {"lease": now + LEASE, "now": now, "without": list(without), "of_one": CLAIM_MAX_OF_ONE, "most": CLAIM_MAX},
        )
        keys = [row[0] for row in cursor.fetchall()]
        rows = list(WebhookMessage.objects.select_related("endpoint").filter(pk__in=keys).order_by("next_at", "pk"))
    return [_claimed(row, now) for row in rows]


def is_due(*, now: datetime) -> bool:
    """Return whether a message could be claimed now; one small query."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    return WebhookMessage.objects.filter(free, state=MessageState.PENDING, next_at__lte=now, endpoint__state=EndpointState.ON).exists()


def settle(claimed: Claimed, result: Result, *, now: datetime) -> bool:
    """The attempt is written down and the message is delivered, due again or given up; returns False when its lease was lost."""
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.select_for_update(no_key=True, of=("self",)).select_related("agent").get(pk=claimed.endpoint_id)
        message = WebhookMessage.objects.select_for_update().get(pk=claimed.message_id)
        if message.state != MessageState.PENDING or message.attempt_count != claimed.number:
            return False
        WebhookAttempt.objects.create(
            message=message,
            number=claimed.number,
            at=now,
            status=result.status,
            detail=result.detail[:300],
            duration_ms=result.duration_ms,
        )
        if result.is_delivered:
            advance(message, MessageState.DELIVERED, transitions=MESSAGE_TRANSITIONS, finished_at=now, leased_until=None)
            if endpoint.failing_since is not None:
                WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=None)
            return True
        if result.status == GONE and endpoint.state == EndpointState.ON:
            stop(endpoint, endpoint.agent, because="its receiver answered 410 Gone", actor=SYSTEM, now=now)
        if endpoint.failing_since is None:
            WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=now)
        next_at = now + _pause(claimed.number, result)
        if claimed.number >= ATTEMPTS_MAX or next_at > message.created_at + AGE_MAX or result.status == GONE:
            _give_up([message], now=now, code="gone" if result.status == GONE else "not_delivered")
        else:
            WebhookMessage.objects.filter(pk=message.pk).update(next_at=next_at, leased_until=None)
    return True


def give_up_overdue(*, now: datetime, limit: int = 500) -> int:
    """Messages that are older than three days are given up, wherever their endpoint stands; returns how many."""
    with transaction.atomic():
        rows = list(
            WebhookMessage.objects.select_for_update(skip_locked=True)
            .filter(state=MessageState.PENDING, created_at__lt=now - AGE_MAX)
            .order_by("next_at")[:limit]
        )
        _give_up(rows, now=now, code="overdue")
    return len(rows)


def forget_finished(*, now: datetime, limit: int = 5000) -> int:
    """Messages that ended over thirty days ago are gone with their attempts; the events of those given up stay. Returns how many."""
    ended = WebhookMessage.objects.exclude(state=MessageState.PENDING).filter(finished_at__lt=now - KEPT).order_by("finished_at")
    keys = list(ended.values_list("pk", flat=True)[:limit])
    WebhookMessage.objects.filter(pk__in=keys).delete()
    return len(keys)


def _claimed(row: WebhookMessage, now: datetime) -> Claimed:
    endpoint = row.endpoint
    in_force = [unseal(bytes(endpoint.secret), endpoint.pk)]
    if endpoint.previous_secret is not None and endpoint.previous_until is not None and endpoint.previous_until > now:
        in_force.append(unseal(bytes(endpoint.previous_secret), endpoint.pk))
    return Claimed(
        message_id=row.pk,
        public_id=row.public_id,
        endpoint_id=endpoint.pk,
        number=row.attempt_count,
        url=endpoint.url,
        body=bytes(row.body),
        trace_id=row.trace_id,
        secrets=tuple(in_force),
    )


def _pause(number: int, result: Result) -> timedelta:
    """Return how long to wait after this attempt: the schedule's pause plus up to a tenth, or longer where the receiver asks for it."""
    pause = PAUSES[min(number, len(PAUSES)) - 1]
    return max(pause * (1 + secrets.randbelow(100) / 1000), min(result.retry_after, RETRY_AFTER_MAX))


def _give_up(rows: Sequence[WebhookMessage], *, now: datetime, code: str) -> None:
    agents = dict(WebhookEndpoint.objects.filter(pk__in={row.endpoint_id for row in rows}).values_list("pk", "agent_id"))
    events = []
    for row in rows:
        advance(row, MessageState.GIVEN_UP, transitions=MESSAGE_TRANSITIONS, finished_at=now, leased_until=None)
        events.append(_given_up(row, agents[row.endpoint_id], code, now))
    audit.services.record_many(events)


def _given_up(row: WebhookMessage, agent_id: UUID, code: str, now: datetime) -> NewEvent:
    agent = encode(Prefix.AGENT, agent_id)
    return NewEvent(
        kind=WebhookEvent.GIVEN_UP,
        actor=SYSTEM,
        subject=Subject("agent", agent, proposal=row.proposal, company=row.company),
        now=now,
        outcome={"status": "given_up", "code": code, "message": row.public_id, "type": row.kind, "attempts": row.attempt_count},
    )
