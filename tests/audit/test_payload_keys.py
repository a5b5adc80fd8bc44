"""Payloads are readable with the keys of the ring only; rotating wraps them anew without touching a payload or an event."""

from __future__ import annotations

import secrets
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from audit.models import Event, EventPayload, PayloadKey
from audit.payload_keys import WrappingRing, named, parse_ring, wrapping_ring
from audit.payloads import PayloadUnreadable, SealedPayload, open_payload, opened, seal_payload
from audit.queries import event as event_view
from audit.records import SaltedPayload
from audit.retention.services.keys import rewrap_everything
from audit.verification import verify_chain
from kernel.actors import Actor
from kernel.errors import StateConflict
from kernel.ids import Prefix, encode, new_id
from tests.builders.audit import INSTANT, database_owner, payload_of, recorded, seal_and_sign

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, settings: Settings) -> Path:
    """Keep the keys of this test in a file of its own."""
    path = tmp_path / "keys"
    path.write_text(WrappingRing((named(secrets.token_bytes(32)),)).text, encoding="utf-8")
    settings.AUDIT_PAYLOAD_KEY_FILE = path
    return path


def test_a_payload_opens_with_its_own_key_under_its_own_event_only() -> None:
    key = wrapping_ring().current
    payload = SaltedPayload(b'{"note":"x"}', b"s" * 32)
    event_id = new_id()
    sealed = seal_payload(event_id, payload, key)
    assert b"note" not in sealed.content
    assert open_payload(event_id, sealed) == payload
    other = seal_payload(event_id, payload, key)
    assert other.content != sealed.content
    moved = SealedPayload(sealed.content, other.wrapped, sealed.wrapping_key)
    for wrong in ((new_id(), sealed), (event_id, moved)):
        with pytest.raises(PayloadUnreadable):
            open_payload(*wrong)
    with pytest.raises(PayloadUnreadable, match="not in the ring"):
        open_payload(event_id, sealed, WrappingRing((named(secrets.token_bytes(32)),)))


def test_rotation_wraps_anew_and_changes_nothing_else(ring: Path) -> None:
    events = [recorded(number=number) for number in range(3)]
    seal_and_sign()
    contents = dict(EventPayload.objects.values_list("pk", "content"))
    before = payload_of(events[0].pk)
    old = wrapping_ring().current
    told = StringIO()
    call_command("audit_keys", "rotate", stdout=told)
    assert wrapping_ring().current.id != old.id
    assert [key.id for key in wrapping_ring().keys][1:] == [old.id]
    assert f"3 payload keys wrapped anew under {wrapping_ring().current.id}" in told.getvalue()
    assert dict(EventPayload.objects.values_list("pk", "content")) == contents
    assert payload_of(events[0].pk) == before
    assert set(PayloadKey.objects.values_list("wrapping_key", flat=True)) == {wrapping_ring().current.id}
    seal_and_sign()
    assert verify_chain().holds
    call_command("audit_keys", "rewrap", "--retire", stdout=told)
    assert [key.id for key in wrapping_ring().keys] == [wrapping_ring().current.id]
    assert f"Retired {old.id}" in told.getvalue()
    assert payload_of(events[0].pk) == before
    assert ring.stat().st_mode & 0o777 == 0o600
    assert Event.objects.filter(kind="retention:keys_rotated").count() == 2


def test_keys_from_a_vault_are_rotated_by_whoever_keeps_them(settings: Settings) -> None:
    event = recorded()
    first = wrapping_ring().current
    settings.AUDIT_PAYLOAD_KEY_FILE = None
    settings.AUDIT_PAYLOAD_KEY = WrappingRing((named(secrets.token_bytes(32)), first)).text
    with pytest.raises(StateConflict, match="whoever put them there"):
        call_command("audit_keys", "rotate", stdout=StringIO())
    assert rewrap_everything(actor=Actor.system("test"), now=INSTANT).rewrapped == 1
    settings.AUDIT_PAYLOAD_KEY = WrappingRing((wrapping_ring().current,)).text
    assert b"number" in payload_of(event.pk).content


def test_without_its_wrapping_key_a_payload_is_unreadable_and_says_so(settings: Settings) -> None:
    event = recorded()
    seal_and_sign()
    settings.AUDIT_PAYLOAD_KEY_FILE = None
    settings.AUDIT_PAYLOAD_KEY = WrappingRing((named(secrets.token_bytes(32)),)).text
    with pytest.raises(PayloadUnreadable):
        opened(EventPayload.objects.get(pk=event.pk))
    view = event_view(encode(Prefix.EVENT, event.pk))
    assert view is not None
    assert "unreadable" in view.payload
    assert not verify_chain().holds


@pytest.mark.parametrize("text", ["", "short", "%%%", "a" * 44, "AAAA AAAA"])
def test_keys_that_make_no_sense_are_refused_without_being_told(text: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        parse_ring(text)
    assert not text or text not in str(refusal.value)


def test_plain_payloads_cannot_be_stored_and_keys_cannot_be_exchanged() -> None:
    event = recorded()
    plain = "INSERT INTO audit_eventpayload (event_id, salt, content, key_id) VALUES (gen_random_uuid(), '', 'x', '')"
    for statement in (plain, "DELETE FROM audit_payloadkey", "UPDATE audit_payloadkey SET event_id = gen_random_uuid()"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    seal_and_sign()
    with database_owner(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_payloadkey WHERE event_id = %s", [event.pk])
    assert "payload_key_missing" in {problem.code for problem in verify_chain().findings.problems}
