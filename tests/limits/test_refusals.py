"""Refusals in floods: a few events, then a number."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from audit.models import Event
from audit.records import Subject
from identity.events import IdentityEvent
from identity.limits import services
from identity.limits.models import RefusalCount
from identity.limits.quotas import Quota
from identity.limits.services import refusals
from kernel.actors import Actor, ActorKind
from kernel.canonical import parse_json
from kernel.errors import PermissionRefused
from tests.builders.audit import payload_of

pytestmark = pytest.mark.django_db
UNKNOWN = Actor(ActorKind.AGENT, "unknown")


@pytest.fixture(autouse=True)
def _recorded(settings: Any) -> None:
    settings.REFUSALS_RECORDED = 5


def refuse(now: datetime, source: str = "203.0.113.7", code: str = "token_invalid") -> bool:
    error = PermissionRefused(detail="No.")
    object.__setattr__(error, "code", code)
    return services.record_or_count(
        kind=IdentityEvent.TOKEN_REFUSED, actor=UNKNOWN, subject=Subject("agent", "unknown"), error=error, source=source, now=now
    )


def recorded(kind: str) -> list[dict[str, Any]]:
    found = []
    for event in Event.objects.filter(kind=kind).order_by("pk"):
        record: Any = parse_json(bytes(event.bytes))
        payload: Any = parse_json(payload_of(event.event_id).content)
        found.append({**record["outcome"], **payload.get("content", {})})
    return found


def test_the_first_are_recorded_the_rest_is_a_number(instant: datetime) -> None:
    assert [refuse(instant) for _ in range(1000)] == [True] * 5 + [False] * 995
    assert len(recorded("token:refused")) == 5
    assert services.record_summaries(now=instant) == 0, "the window is not over"
    assert services.record_summaries(now=instant + refusals.WINDOW) == 1
    (summary,) = recorded("gate:refusals_counted")
    assert summary == {
        "status": "refused",
        "kind": "token:refused",
        "code": "token_invalid",
        "count": 1000,
        "recorded": 5,
        "from": "2026-11-23T09:00:00.000000Z",
        "until": "2026-11-23T09:05:00.000000Z",
        "source": "203.0.113.7",
    }
    assert services.record_summaries(now=instant + 2 * refusals.WINDOW) == 0
    assert not RefusalCount.objects.exists()
    assert refuse(instant + refusals.WINDOW), "a new window begins with an event"


def test_sources_and_reasons_are_counted_apart(instant: datetime) -> None:
    for source in ("203.0.113.7", "203.0.113.8"):
        for code in ("token_invalid", "token_expired"):
            assert all(refuse(instant, source, code) for _ in range(5))
            assert not refuse(instant, source, code)
    assert services.record_summaries(now=instant + refusals.WINDOW) == 4


def test_what_was_recorded_whole_needs_no_summary(instant: datetime) -> None:
    for _ in range(5):
        refuse(instant)
    assert services.record_summaries(now=instant + refusals.WINDOW) == 0
    assert not RefusalCount.objects.exists()


def test_a_thousand_sources_are_counted_together(instant: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "SOURCES", Quota("refusal sources", 3, 60))
    has_event = [refuse(instant, f"203.0.113.{number}") for number in range(20)]
    assert has_event == [True] * 8 + [False] * 12  # three sources of their own, five events of all others
    assert services.record_summaries(now=instant + timedelta(minutes=5)) == 1
    (summary,) = recorded("gate:refusals_counted")
    assert (summary["source"], summary["count"], summary["recorded"]) == ("*", 17, 5)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("a proxy's nonsense", "unknown"),
    ],
)
def test_an_address_stands_for_its_network(address: str, source: str) -> None:
    assert services.source_of(address) == source
