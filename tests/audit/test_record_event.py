"""An event joins the business transaction, holds nothing personal, and is refused when it makes no sense."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

from audit.keys import mac_key
from audit.kinds import UnknownKind, register_kinds
from audit.models import Event, EventPayload
from audit.queries import events_of_proposal, record_of
from audit.records import Subject
from audit.services import ENTRIES_MAX, record, record_denial, record_many
from kernel.actors import Actor, ActorKind
from kernel.canonical import canonical_bytes, digest
from kernel.context import Origin, origin
from kernel.errors import NotCanonical, PermissionRefused
from kernel.release import RELEASE
from tests.builders.audit import INSTANT, SampleEvent, about, kinds, new_event, payload_of, proposal_id, recorded

pytestmark = pytest.mark.django_db


def test_an_event_holds_its_canonical_record_leaf_and_mac() -> None:
    proposal = proposal_id()
    event = recorded(subject=about(proposal), number=3)
    stored = Event.objects.get(event_id=event.event_id)
    data = bytes(stored.bytes)
    assert bytes(stored.leaf) == hashlib.sha256(b"\x00" + data).digest()
    assert bytes(stored.mac) == hmac.digest(mac_key(), bytes(stored.leaf) + stored.event_id.bytes, "sha256")
    record_value = record_of(stored)
    assert canonical_bytes(record_value) == data
    assert record_value["schema"] == "countersign.audit.event/1"
    assert record_value["type"] == "log:observed_in_a_test"
    assert record_value["subject"]["proposal"] == proposal
    assert record_value["outcome"] == {"status": "observed", "number": 3}
    assert record_value["occurred_at"] == "2026-11-23T09:00:00.000000Z"
    assert stored.recorded_at is not None
    assert stored.recorded_at == event.recorded_at


def test_rolling_back_leaves_nothing() -> None:
    def refused() -> None:
        with transaction.atomic():
            record_many([new_event()])
            raise PermissionRefused(detail="no")

    with pytest.raises(PermissionRefused):
        refused()
    assert not Event.objects.exists()
    assert not EventPayload.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(TransactionManagementError):
        record_many([new_event()])
    assert not Event.objects.exists()


def test_an_unregistered_kind_is_refused_and_nothing_is_written() -> None:
    with pytest.raises(UnknownKind, match="not a registered kind"):
        record_many([new_event(), new_event(kind="proposal:never_declared")])
    assert not Event.objects.exists()


@pytest.mark.parametrize("text", ["Log:Shouted", "log", "log:", "dessert:eaten", "log:a:b", "log:with space"])
def test_a_kind_that_breaks_the_grammar_cannot_be_registered(text: str) -> None:
    with pytest.raises(UnknownKind):
        register_kinds(kinds("Broken", text))


def test_a_kind_has_one_owner() -> None:
    with pytest.raises(UnknownKind, match="declared by SampleEvent and by Copy"):
        register_kinds(kinds("Copy", SampleEvent.OBSERVED.value))
    register_kinds(SampleEvent)  # registering the same enum again changes nothing


def test_a_float_is_refused() -> None:
    with transaction.atomic(), pytest.raises(NotCanonical):
        record(kind=SampleEvent.OBSERVED, actor=Actor.system("test"), subject=Subject("sample", "one"), now=INSTANT, outcome={"x": 0.5})
    assert not Event.objects.exists()


def test_nothing_personal_or_secret_is_hashed() -> None:
    actor = Actor(ActorKind.HUMAN, "7", session="the-session-key", authentication=("password", "totp"))
    subject = Subject("proposal", "p", idempotency_key="order for Jane Doe")
    with origin(Origin(channel="api", request_id="r-1", ip="192.0.2.7")), transaction.atomic():
        event = record(kind=SampleEvent.OBSERVED, actor=actor, subject=subject, now=INSTANT, payload={"comment": "Jane Doe asked for it"})
    hashed = bytes(event.bytes)
    for secret in (b"192.0.2.7", b"Jane Doe", b"the-session-key"):
        assert secret not in hashed
    value = record_of(event)
    assert value["actor"]["session"] == digest("countersign.session/1", "the-session-key")
    assert value["origin"] == {"channel": "api", "request_id": "r-1", "release": RELEASE}
    stored = EventPayload.objects.get(event=event)
    assert b"Jane" not in bytes(stored.content)
    assert bytes(stored.salt) == b""
    beside = payload_of(event.event_id)
    assert beside.content == canonical_bytes({"content": {"comment": "Jane Doe asked for it"}, "origin": {"ip": "192.0.2.7"}})
    commitment = hmac.digest(beside.salt, beside.content, "sha256").hex()
    assert value["payload_commitment"] == f"hmac-sha256:{commitment}"


def test_equal_payloads_have_unequal_commitments() -> None:
    first, second = recorded(number=1), recorded(number=1)
    assert record_of(first)["payload_commitment"] != record_of(second)["payload_commitment"]


def test_an_event_without_payload_and_address_has_none_beside() -> None:
    with transaction.atomic():
        event = record(kind=SampleEvent.OBSERVED, actor=Actor.system("test"), subject=Subject("sample", "one"), now=INSTANT)
    assert "payload_commitment" not in record_of(event)
    assert not EventPayload.objects.exists()


def test_a_denial_is_recorded_with_its_code_hashed_and_its_words_beside() -> None:
    error = PermissionRefused(detail="Jane Doe owns this agent", data={"rule": "owner"})
    event = record_denial(kind=SampleEvent.OBSERVED, actor=Actor.human(7), subject=about(proposal_id()), now=INSTANT, error=error)
    assert record_of(event)["outcome"] == {"status": "refused", "code": "permission_denied"}
    assert b"Jane" not in bytes(event.bytes)
    view = events_of_proposal(event.proposal)[0]
    assert view.payload["content"]["detail"] == "Jane Doe owns this agent"
    assert view.payload["content"]["data"] == {"rule": "owner"}


def test_a_denial_is_recorded_even_when_its_data_has_no_canonical_form() -> None:
    error = PermissionRefused(detail="no", data={"amount": 0.1})
    event = record_denial(kind=SampleEvent.OBSERVED, actor=Actor.human(7), subject=about(proposal_id()), now=INSTANT, error=error)
    assert Event.objects.filter(pk=event.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_a_denial_inside_a_transaction_is_a_defect() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        record_denial(
            kind=SampleEvent.OBSERVED, actor=Actor.human(7), subject=about("p"), now=INSTANT, error=PermissionRefused(detail="no")
        )
    assert not Event.objects.exists()


def test_many_events_take_two_messages(django_assert_num_queries: object) -> None:
    entries = [new_event(subject=about(proposal_id()), number=number) for number in range(200)]
    entries += [new_event(subject=entries[0].subject, number=number) for number in range(3)]
    with transaction.atomic(), django_assert_num_queries(2):  # type: ignore[operator]
        rows = record_many(entries)
    assert [row.position for row in rows[-3:]] == [2, 3, 4]
    assert bytes(rows[-1].previous_leaf or b"") == bytes(rows[-2].leaf)
    assert Event.objects.count() == 203


def test_too_many_events_at_once_are_refused() -> None:
    with transaction.atomic(), pytest.raises(ValueError, match="at most 1000"):
        record_many([new_event()] * (ENTRIES_MAX + 1))
