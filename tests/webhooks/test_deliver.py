"""From the outbox to the receiver: signed, repeated, given up; never doubled, never in anybody's way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django_q.models import OrmQ

from audit.models import Event
from identity.models import Agent
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.context import Origin, origin
from proposals.webhooks import delivery, services
from proposals.webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookMessage
from proposals.webhooks.services.settling import AGE_MAX, ATTEMPTS_MAX, KEPT, LEASE, PAUSES
from proposals.webhooks.states import EndpointState, MessageState
from tests.builders.http import Listener, Reply
from tests.builders.identity import actor, make_agent
from tests.builders.webhooks import announce_one, make_endpoint, verified, webhook_ids

pytestmark = pytest.mark.django_db
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Clock:
    """A clock that stands until it is moved; it starts now, because receivers refuse old timestamps."""

    def __init__(self) -> None:
        self.instant = clock_now()

    def __call__(self) -> datetime:
        return self.instant

    def move(self, length: timedelta) -> datetime:
        self.instant += length
        return self.instant


@pytest.fixture
def clock() -> Clock:
    return Clock()


def deliver(now: Callable[[], datetime]) -> int:
    return delivery.deliver_due(now=now)


def test_a_message_arrives_signed_with_ids_and_states_only(receiver: Listener, agent: Agent, clock: Clock) -> None:
    issued = make_endpoint(agent, receiver.url("/in"), clock())
    with origin(Origin(trace_id=TRACE)):
        assert announce_one(agent, clock()) == 1
    assert deliver(clock) == 1
    (heard,) = receiver.heard
    content = verified(issued.secret, heard)
    message = WebhookMessage.objects.get()
    assert content == {
        "type": "proposal.approved",
        "timestamp": content["timestamp"],
        "data": {"proposal_id": message.proposal, "state": "approved"},
    }
    assert (heard.method, heard.path, heard.headers["content-type"]) == ("POST", "/in", "application/json")
    assert heard.headers["webhook-id"] == message.public_id
    assert heard.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert (message.state, message.attempt_count) == (MessageState.DELIVERED, 1)
    assert [(attempt.number, attempt.status) for attempt in message.attempts.all()] == [(1, 200)]
    assert deliver(clock) == 0


def test_nothing_is_written_for_an_agent_without_an_endpoint(agent: Agent, clock: Clock) -> None:
    assert announce_one(agent, clock()) == 0
    assert services.announce([], now=clock()) == 0
    assert not WebhookMessage.objects.exists()
    assert not OrmQ.objects.exists()


def test_what_is_rolled_back_is_never_told(receiver: Listener, agent: Agent, clock: Clock) -> None:
    make_endpoint(agent, receiver.url(), clock())
    with transaction.atomic():
        announce_one(agent, clock())
        assert OrmQ.objects.count() == 1
        transaction.set_rollback(True)
    assert not OrmQ.objects.exists()
    assert deliver(clock) == 0


def test_a_repeated_delivery_has_the_same_id_and_body_and_growing_pauses(receiver: Listener, agent: Agent, clock: Clock) -> None:
    issued = make_endpoint(agent, receiver.url(), clock())
    announce_one(agent, clock())
    receiver.replies[:] = [Reply(500), Reply(302, {"Location": "http://169.254.169.254/"}), Reply(204, body=b"")]
    assert deliver(clock) == 1
    assert deliver(clock) == 0, "not before its pause"
    waits = []
    for _ in range(2):
        message = WebhookMessage.objects.get()
        waits.append(message.next_at - clock())
        clock.move(waits[-1])
        assert deliver(clock) == 1
    assert WebhookMessage.objects.get().state == MessageState.DELIVERED
    assert len(set(webhook_ids(receiver))) == 1
    assert len({heard.body for heard in receiver.heard}) == 1
    assert [PAUSES[number] <= wait <= PAUSES[number] * 1.1 for number, wait in enumerate(waits)] == [True, True]
    assert [attempt.status for attempt in WebhookAttempt.objects.all()] == [500, None, 204]
    assert "redirects are not followed" in WebhookAttempt.objects.get(number=2).detail
    verified(issued.secret, receiver.heard[-1])
    assert WebhookEndpoint.objects.get().failing_since is None


def test_a_receiver_may_ask_for_a_longer_pause_but_not_for_days(receiver: Listener, agent: Agent, clock: Clock) -> None:
    make_endpoint(agent, receiver.url(), clock())
    for asked, expected in (("120", timedelta(seconds=120)), ("999999", timedelta(hours=1)), ("tomorrow", PAUSES[0])):
        announce_one(agent, clock())
        receiver.replies[:] = [Reply(503, {"Retry-After": asked})]
        deliver(clock)
        wait = WebhookMessage.objects.latest("pk").next_at - clock()
        assert expected <= wait <= expected * 1.1
        WebhookMessage.objects.all().delete()
        WebhookEndpoint.objects.update(failing_since=None)


def test_at_last_it_is_given_up_with_one_event(receiver: Listener, agent: Agent, clock: Clock) -> None:
    make_endpoint(agent, receiver.url(), clock())
    announce_one(agent, clock())
    receiver.replies[:] = [Reply(500)]
    for _ in range(ATTEMPTS_MAX):
        assert deliver(clock) == 1
        clock.move(WebhookMessage.objects.get().next_at - clock())
    message = WebhookMessage.objects.get()
    assert (message.state, message.attempt_count, message.attempts.count()) == (MessageState.GIVEN_UP, ATTEMPTS_MAX, ATTEMPTS_MAX)
    (event,) = Event.objects.filter(kind="webhook:given_up")
    record: Any = parse_json(bytes(event.bytes))
    assert record["outcome"] == {
        "status": "given_up",
        "code": "not_delivered",
        "message": message.public_id,
        "type": "proposal.approved",
        "attempts": ATTEMPTS_MAX,
    }
    assert event.proposal == message.proposal
    assert sum(PAUSES, timedelta()) * 1.1 < AGE_MAX, "each pause of the schedule comes before the age that ends it"


def test_a_receiver_that_is_gone_is_switched_off(receiver: Listener, agent: Agent, clock: Clock) -> None:
    make_endpoint(agent, receiver.url(), clock())
    announce_one(agent, clock())
    receiver.replies[:] = [Reply(410)]
    assert deliver(clock) == 1
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.state, endpoint.off_because) == (EndpointState.OFF, "its receiver answered 410 Gone")
    assert WebhookMessage.objects.get().state == MessageState.GIVEN_UP
    assert set(Event.objects.filter(kind__startswith="webhook:").values_list("kind", flat=True)) == {
        "webhook:endpoint_set",
        "webhook:switched_off",
        "webhook:given_up",
    }
    assert announce_one(agent, clock()) == 0


def test_a_dead_receiver_is_asked_once_a_round_and_keeps_nobody_waiting(receiver: Listener, agent: Agent, bob: User, clock: Clock) -> None:
    make_endpoint(agent, receiver.url("/dead"), clock())
    other = make_agent(bob, name="Other agent")
    make_endpoint(other, receiver.url("/alive"), clock())
    WebhookEndpoint.objects.filter(agent=agent).update(failing_since=clock())
    for _ in range(20):
        announce_one(agent, clock())
    for _ in range(3):
        announce_one(other, clock())
    receiver.replies[:] = [Reply(500)]
    assert deliver(clock) == 4
    assert sorted(heard.path for heard in receiver.heard) == ["/alive", "/alive", "/alive", "/dead"]


def test_an_address_that_turned_private_is_not_knocked_at(receiver: Listener, agent: Agent, clock: Clock, settings: Any) -> None:
    make_endpoint(agent, receiver.url(), clock())
    announce_one(agent, clock())
    settings.OUTBOUND_ALLOW_PRIVATE = type(settings.OUTBOUND_ALLOW_PRIVATE)()
    assert deliver(clock) == 1
    assert receiver.heard == []
    assert "COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE" in WebhookAttempt.objects.get().detail


def test_a_deliverer_that_died_is_followed_by_another_and_comes_too_late(receiver: Listener, agent: Agent, clock: Clock) -> None:
    make_endpoint(agent, receiver.url(), clock())
    announce_one(agent, clock())
    (lost,) = services.claim_due(now=clock())
    assert services.claim_due(now=clock()) == []
    assert not services.is_due(now=clock())
    clock.move(LEASE)
    assert services.is_due(now=clock())
    (taken,) = services.claim_due(now=clock())
    assert (taken.public_id, taken.number) == (lost.public_id, 2)
    assert not services.settle(lost, services.Result(200), now=clock())
    assert WebhookMessage.objects.get().state == MessageState.PENDING
    assert services.settle(taken, services.Result(200), now=clock())
    assert not services.settle(taken, services.Result(500), now=clock())
    assert WebhookMessage.objects.get().state == MessageState.DELIVERED


def test_one_deliverer_at_a_time(receiver: Listener, agent: Agent, clock: Clock) -> None:
    make_endpoint(agent, receiver.url(), clock())
    announce_one(agent, clock())
    other = connections["default"].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [delivery.LOCK_KEY])
            assert deliver(clock) == 0
            cursor.execute("SELECT pg_advisory_unlock(%s)", [delivery.LOCK_KEY])
    finally:
        other.close()
    assert deliver(clock) == 1


def test_two_secrets_sign_until_the_overlap_is_over(receiver: Listener, agent: Agent, alice: User, clock: Clock) -> None:
    old = make_endpoint(agent, receiver.url(), clock()).secret
    new = services.rotate_secret(agent_id=agent.pk, actor=actor(alice), now=clock()).secret
    announce_one(agent, clock())
    deliver(clock)
    for secret in (old, new):
        verified(secret, receiver.heard[-1])
    WebhookEndpoint.objects.update(previous_until=clock())
    announce_one(agent, clock())
    deliver(clock)
    verified(new, receiver.heard[-1])
    with pytest.raises(Exception, match="No matching signature"):
        verified(old, receiver.heard[-1])


def test_what_is_overdue_is_given_up_and_what_ended_is_forgotten(receiver: Listener, agent: Agent, alice: User, clock: Clock) -> None:
    make_endpoint(agent, receiver.url(), clock())
    announce_one(agent, clock())
    services.switch_off(agent_id=agent.pk, actor=actor(alice), now=clock())
    assert services.give_up_overdue(now=clock.move(AGE_MAX)) == 0
    assert services.give_up_overdue(now=clock.move(timedelta(seconds=1))) == 1
    assert WebhookMessage.objects.get().state == MessageState.GIVEN_UP
    assert services.forget_finished(now=clock.move(KEPT)) == 0
    assert services.forget_finished(now=clock.move(timedelta(seconds=1))) == 1
    assert Event.objects.filter(kind="webhook:given_up").count() == 1
