"""Endpoints belong to whoever may manage the agent; the secret is shown once; every change is an event."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from audit.models import Event
from gateway.addresses import AllowList
from gateway.errors import OutboundRefused
from gateway.network import Policy, PrivateNetworkGuard
from identity import services as identity_services
from identity.models import Agent
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, PermissionRefused, StateConflict, ValidationFailed
from proposals.webhooks import services
from proposals.webhooks.errors import EndpointMissing
from proposals.webhooks.models import WebhookEndpoint, WebhookMessage
from proposals.webhooks.signing import unseal
from tests.builders.commits import outcome_of
from tests.builders.http import Listener
from tests.builders.identity import actor
from tests.builders.webhooks import announce_one, make_endpoint

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__regex="^webhook:|refused$").order_by("pk").values_list("kind", flat=True))


def test_an_owner_sets_changes_and_tries_an_endpoint(receiver: Listener, agent: Agent, alice: User) -> None:
    now = clock_now()
    issued = make_endpoint(agent, f"  {receiver.url('/in')}  ", now)
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.url == receiver.url("/in")
    assert unseal(bytes(endpoint.secret), endpoint.pk) == issued.secret
    assert issued.secret not in repr(issued)
    again = make_endpoint(agent, receiver.url("/other"), now)
    assert (again.secret, WebhookEndpoint.objects.get().url) == ("", receiver.url("/other"))
    assert bytes(WebhookEndpoint.objects.get().secret) == bytes(endpoint.secret)
    message = services.request_test(agent_id=agent.pk, actor=actor(alice), now=now)
    assert bytes(message.body).startswith(b'{"data":{"agent_id":"agent_')
    assert kinds() == ["webhook:endpoint_set", "webhook:endpoint_set", "webhook:test_requested"]
    for event in Event.objects.filter(kind__startswith="webhook:"):
        assert receiver.url("/").encode() not in bytes(event.bytes), "the address lies beside the event, not in it"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://localhost:9/",
        "https://2130706433/",
        "https://user:secret@127.0.0.1/",
        "gopher://127.0.0.1/",
        "javascript:alert(1)",
        "http://8.8.8.8/",
    ],
)
def test_an_address_inside_is_refused_with_one_event(agent: Agent, url: str) -> None:
    with pytest.raises(OutboundRefused):
        make_endpoint(agent, url, clock_now())
    assert not WebhookEndpoint.objects.exists()
    assert kinds() == ["agent:refused"]


@pytest.mark.parametrize("url", ["", "   ", f"https://example.com/{'a' * 2048}", "https://nowhere.invalid/"])
def test_an_address_that_is_none_is_refused(agent: Agent, url: str) -> None:
    with pytest.raises(ValidationFailed):
        make_endpoint(agent, url, clock_now())
    assert not WebhookEndpoint.objects.exists()


def test_only_who_may_manage_the_agent_manages_its_endpoint(receiver: Listener, agent: Agent, bob: User, charlie: User) -> None:
    now = clock_now()
    make_endpoint(agent, receiver.url(), now)
    calls: list[Any] = [services.rotate_secret, services.switch_off, services.switch_on, services.request_test]
    for person, error in ((bob, PermissionRefused), (charlie, NotVisible)):
        for call in calls:
            with pytest.raises(error):
                call(agent_id=agent.pk, actor=actor(person), now=now)
        with pytest.raises(error):
            services.set_endpoint(agent_id=agent.pk, url=receiver.url("/evil"), actor=actor(person), now=now)
    assert WebhookEndpoint.objects.get().url == receiver.url()
    assert not WebhookMessage.objects.exists()
    assert kinds() == ["webhook:endpoint_set"] + ["agent:refused"] * 5


def test_off_and_on_again(receiver: Listener, agent: Agent, alice: User) -> None:
    now = clock_now()
    make_endpoint(agent, receiver.url(), now)
    assert announce_one(agent, now) == 1
    services.switch_off(agent_id=agent.pk, actor=actor(alice), now=now)
    assert announce_one(agent, now) == 0
    assert services.claim_due(now=now) == []
    with pytest.raises(StateConflict):
        services.request_test(agent_id=agent.pk, actor=actor(alice), now=now)
    with pytest.raises(StateConflict):
        services.switch_off(agent_id=agent.pk, actor=actor(alice), now=now)
    services.switch_on(agent_id=agent.pk, actor=actor(alice), now=now)
    assert len(services.claim_due(now=now)) == 1


def test_without_an_endpoint_there_is_nothing_to_change(agent: Agent, alice: User) -> None:
    with pytest.raises(EndpointMissing):
        services.rotate_secret(agent_id=agent.pk, actor=actor(alice), now=clock_now())


def test_a_decommissioned_agent_s_endpoint_takes_what_is_under_way_and_no_change(receiver: Listener, agent: Agent, alice: User) -> None:
    now = clock_now()
    make_endpoint(agent, receiver.url(), now)
    announce_one(agent, now)
    identity_services.decommission_agent(agent_id=agent.pk, actor=actor(alice), now=now, reason="Done")
    assert len(services.claim_due(now=now)) == 1
    with pytest.raises(StateConflict):
        make_endpoint(agent, receiver.url("/other"), now)


def test_the_page_shows_the_secret_once_and_the_log(receiver: Listener, agent: Agent, alice: User, bob: User) -> None:
    owner, reader = Client(), Client()
    owner.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    reader.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/agents/{agent.public_id}/webhooks/"
    shown = owner.post(f"{page}set/", {"url": receiver.url("/in")})
    secret = unseal(bytes(WebhookEndpoint.objects.get().secret), WebhookEndpoint.objects.get().pk)
    assert secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert owner.post(f"{page}test/").status_code == 303
    again = owner.get(page).content.decode()
    assert "whsec_" not in again
    assert "Under way" in again
    seen = reader.get(page).content.decode()
    assert receiver.url("/in") in seen
    assert "<form" not in seen.partition('id="endpoint"')[2].partition("</aside>")[0]
    assert reader.post(f"{page}rotate/").status_code == 403
    rotated = owner.post(f"{page}rotate/").content.decode()
    assert "whsec_" in rotated
    assert secret not in rotated
    assert "Former secret signs until" in rotated


def test_the_overlap_is_a_day(receiver: Listener, agent: Agent, alice: User, instant: datetime) -> None:
    make_endpoint(agent, receiver.url(), clock_now())
    services.rotate_secret(agent_id=agent.pk, actor=actor(alice), now=instant)
    assert WebhookEndpoint.objects.get().previous_until == instant + timedelta(hours=24)


def test_an_endpoint_lies_in_an_allowed_region_and_its_event_says_where(receiver: Listener, agent: Agent, settings: Any) -> None:
    settings.REGION, settings.ALLOWED_REGIONS = "eu", frozenset({"eu"})
    make_endpoint(agent, receiver.url("/in"), clock_now())
    assert outcome_of(Event.objects.get(kind="webhook:endpoint_set"))["region"] == "eu"
    settings.ENDPOINT_REGIONS = {".example.com": "us"}
    for url in ("https://hooks.example.com/", "https://nobody-placed-it.test/"):
        with pytest.raises(OutboundRefused) as refusal:
            make_endpoint(agent, url, clock_now())
        assert refusal.value.data["setting"] == "COUNTERSIGN_ALLOWED_REGIONS"
    assert WebhookEndpoint.objects.get().url == receiver.url("/in")
    # What was stored before is refused at each connection.
    guard = PrivateNetworkGuard(Policy.PUBLIC, AllowList(), lambda *_: [ip_address("93.184.216.34")])
    with pytest.raises(OutboundRefused):
        guard.addresses("hooks.example.com", 443)
    settings.ALLOWED_REGIONS = frozenset({"eu", "us"})
    assert guard.addresses("hooks.example.com", 443)
