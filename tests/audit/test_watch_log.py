"""When logging stops, whoever asks learns it at once, with a word for what is wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from audit.models import Event, Export, Frontier
from audit.sealer import SealingRefused
from audit.sealer_process import SINGLETON_LOCK, raise_alarm
from audit.watch import log_health
from tests.builders.audit import recorded, seal_all, seal_and_sign

pytestmark = pytest.mark.django_db


@pytest.fixture
def sealer() -> Iterator[None]:
    """Hold the sealer's lock, as one at work does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [SINGLETON_LOCK])
    yield
    with connection.cursor() as cursor:
        # Only this one: the process may hold others, such as that of a worker's presence.
        cursor.execute("SELECT pg_advisory_unlock(%s)", [SINGLETON_LOCK])


def now(seconds: float = 0.0) -> datetime:
    """Return an instant so long after the last seal, or after the last event when nothing is sealed."""
    last = Frontier.objects.order_by("-size").first()
    return (last.sealed_at if last else Event.objects.latest("recorded_at").recorded_at) + timedelta(seconds=seconds)


def troubles(seconds: float = 0.0) -> list[str]:
    return [trouble.code for trouble in log_health(now=now(seconds)).troubles]


def test_a_log_that_is_sealed_and_signed_is_well(sealer: None) -> None:
    recorded()
    seal_and_sign()
    assert troubles(1) == []


def test_no_sealer_is_found_at_once() -> None:
    recorded()
    seal_and_sign()
    assert troubles() == ["no_sealer"]


def test_events_that_wait_are_found(sealer: None) -> None:
    recorded()
    assert troubles(30) == []
    assert troubles(61) == ["events_waiting"]


def test_silence_is_found(sealer: None, settings: Settings) -> None:
    settings.AUDIT_HEARTBEAT_SECONDS = 300
    recorded()
    seal_and_sign()
    assert troubles(600) == []
    assert troubles(601) == ["log_silent"]


def test_missing_checkpoints_are_found(sealer: None) -> None:
    recorded()
    seal_all()
    assert troubles(60) == []
    assert troubles(61) == ["checkpoints_missing"]


def test_an_alarm_is_found_until_something_is_sealed_again(sealer: None) -> None:
    raise_alarm(SealingRefused("event_forged", "evt_1 was edited."))
    health = log_health(now=now())
    assert [(item.code, item.sentence) for item in health.troubles] == [("sealing_stopped", "Sealing stopped: evt_1 was edited.")]
    seal_and_sign()
    assert troubles() == []


def test_a_place_that_fails_for_long_is_found(sealer: None, settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_EXPORT_DIRECTORIES = (str(tmp_path),)
    recorded()
    seal_and_sign()
    name = f"directory:{tmp_path}"[:100]
    Export.objects.create(exporter=name, size=1, attempted_at=now(), is_done=False, detail="no space")
    assert troubles(10) == []
    settings.AUDIT_HEARTBEAT_SECONDS = 3600
    health = log_health(now=now(901))
    assert [item.code for item in health.troubles] == ["export_failing"]
    assert (health.exports[0].is_failing, health.exports[0].detail, health.exports[0].size) == (True, "no space", 0)


def test_monitoring_gets_words_only_and_the_command_says_all(client: Client, sealer: None) -> None:
    raise_alarm(SealingRefused("event_forged", "evt_1 was edited."))
    answer = client.get("/health/log")
    assert (answer.status_code, answer.json()) == (503, {"is_well": False, "troubles": ["sealing_stopped"]})
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("audit_status", stdout=out)
    assert "evt_1 was edited." in out.getvalue()
    seal_and_sign()
    assert client.get("/health/log").status_code == 200
    call_command("audit_status", stdout=out)
    assert "Logging works." in out.getvalue()
