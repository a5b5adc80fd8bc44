"""Mail to approvers: only when it is their turn, once, without amounts, with a link that only shows."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core import mail as outbox_of
from django.core.mail import EmailMessage
from django.test import Client

from approvals.calendars.days import DUE_SOON
from approvals.mail import preparing, sending
from approvals.mail.models import Mail
from approvals.mail.services import choose_mails
from approvals.models import Decision, RouteStep
from approvals.work import services as work
from approvals.work.models import Claim
from kernel.clock import now as clock_now
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import Cast, an_order, approved
from tests.builders.identity import actor
from tests.builders.work import delegated

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://localhost:8000(\S+)")
MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _mail(settings: Any) -> Iterator[None]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.PUBLIC_URL = "http://localhost:8000"
    outbox_of.outbox = []
    yield
    outbox_of.outbox = []


def sent() -> list[EmailMessage]:
    return list(outbox_of.outbox)


def run(at: datetime) -> dict[str, list[str]]:
    """Prepare and send as the task does; return the subjects for each address."""
    outbox_of.outbox = []
    preparing.prepare_mails(now=at)
    sending.send_due(now=lambda: at)
    found: dict[str, list[str]] = {}
    for message in sent():
        found.setdefault(message.to[0].split("@")[0], []).append(str(message.subject))
    return found


def quiet(cast: Cast) -> None:
    """Leave the digests to their own test."""
    for user in preparing.people_to_mail():
        choose_mails(user=user, at_once=True, digest=False, now=clock_now())


def due_of(order: Proposal) -> datetime:
    found = RouteStep.objects.get(route_id=order.pk, state="open").due_at
    assert found is not None
    return found


def test_due_soon_is_mailed_once_to_those_whose_turn_it_is(cast: Cast) -> None:
    quiet(cast)
    order = an_order(cast, on_behalf_of="bob")
    soon = due_of(order) - DUE_SOON
    assert run(soon - timedelta(minutes=1)) == {}
    assert run(soon) == {"alice": ["Due soon: Create a purchase order, DE01"]}
    assert run(soon + timedelta(hours=1)) == {}
    row = Mail.objects.get()
    assert (row.state, row.attempt_count, row.companies, row.proposals) == ("sent", 1, ["DE01"], [order.public_id])


def test_it_says_no_amount_and_no_vendor_unless_the_installation_wants_it(cast: Cast, settings: Any) -> None:
    quiet(cast)
    order = an_order(cast, on_behalf_of="bob")
    run(due_of(order))
    text = f"{sent()[0].subject}\n{sent()[0].body}"
    assert not re.search(r"9,?870|Litware|EUR", text)
    assert "Opening a link decides nothing" in text
    assert sent()[0].extra_headers["Auto-Submitted"] == "auto-generated"
    settings.MAIL_AMOUNTS = True
    Mail.objects.all().delete()
    run(due_of(order))
    assert "9,870.00 EUR" in sent()[0].body


def test_no_link_decides_whoever_follows_it(cast: Cast) -> None:
    quiet(cast)
    order = an_order(cast)
    run(due_of(order))
    links = {link for message in sent() for link in LINK.findall(str(message.body))}
    assert f"/proposals/{order.public_id}/" in links
    signed_in = Client()
    signed_in.force_login(cast.alice, backend="django.contrib.auth.backends.ModelBackend")
    for client, expected in ((Client(), 302), (signed_in, 200)):
        for link in links:
            assert client.get(link).status_code == expected
            assert client.head(link).status_code == expected
    order.refresh_from_db()
    assert order.state == ProposalState.PENDING
    assert not Decision.objects.exists()
    assert not Claim.objects.exists()


def test_what_is_forwarded_or_delegated_reaches_the_right_person(cast: Cast) -> None:
    quiet(cast)
    order, other = an_order(cast), an_order(cast, on_behalf_of="alice")
    work.forward(user=cast.alice, proposal_id=order.public_id, to_user_id=cast.bob.pk, actor=actor(cast.alice), now=clock_now())
    assert run(clock_now()) == {"bob": ["Forwarded to you: Create a purchase order, DE01"]}
    delegated(cast.bob, cast.dora)
    # Both wait for Dora now, and for nobody else: one is Bob's, the other nobody's but Bob's to decide.
    assert run(due_of(other)) == {"dora": ["Due soon: Create a purchase order, DE01"] * 2}


def test_what_was_decided_before_it_was_sent_is_not_sent(cast: Cast) -> None:
    quiet(cast)
    order = an_order(cast)
    at = due_of(order)
    assert preparing.prepare_mails(now=at) == 2
    approved(order, cast.alice)
    assert sending.send_due(now=lambda: at) == 0
    assert set(Mail.objects.values_list("state", flat=True)) == {"dropped"}
    assert sent() == []


def test_one_digest_a_business_day_from_the_morning_on(cast: Cast, settings: Any) -> None:
    settings.MAIL_DIGEST_HOUR = 7
    first = an_order(cast)
    an_order(cast, "100.00")
    at = clock_now() + timedelta(days=(7 - clock_now().weekday()) % 7 or 7)
    monday = at.replace(hour=6, minute=59)
    RouteStep.objects.update(due_at=monday + timedelta(days=20))
    _live_on(first.agent_id, monday)
    assert run(monday) == {}
    assert run(monday.replace(hour=7, minute=0)) == {"alice": ["2 proposals wait for you"], "bob": ["2 proposals wait for you"]}
    assert sent()[0].body.count("Create a purchase order, company DE01, proposed by AP-Bot") == 2
    assert run(monday.replace(hour=15)) == {}
    choose_mails(user=cast.bob, at_once=True, digest=False, now=monday)
    assert set(run(monday + timedelta(days=1, hours=3))) == {"alice"}
    assert run(monday + timedelta(days=5, hours=3)) == {}


def _live_on(agent_id: UUID, at: datetime) -> None:
    """Let what is pending live to see that day, past the trigger that keeps a proposal as it was submitted."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE proposals_proposal SET expires_at = %s WHERE agent_id = %s", [at + timedelta(days=30), agent_id])
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_a_mail_server_that_fails_is_tried_again_and_given_up_at_last(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(cast)
    order = an_order(cast, on_behalf_of="bob")
    at = due_of(order) - DUE_SOON

    def fails(_self: EmailMessage, *, fail_silently: bool = False) -> int:
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(EmailMessage, "send", fails)
    preparing.prepare_mails(now=at)
    sending.send_due(now=lambda: at)
    row = Mail.objects.get()
    assert (row.state, row.attempt_count, row.next_at) == ("queued", 1, at + timedelta(minutes=1))
    assert row.detail == "SMTPServerDisconnected: gone"
    assert sending.claim_due(now=at) == []
    Mail.objects.update(attempt_count=sending.ATTEMPTS_MAX - 1, next_at=at)
    sending.send_due(now=lambda: at)
    row.refresh_from_db()
    assert (row.state, row.finished_at) == ("failed", at)


def test_a_worker_that_died_with_a_mail_in_hand_is_replaced(cast: Cast) -> None:
    quiet(cast)
    order = an_order(cast, on_behalf_of="bob")
    at = due_of(order) - DUE_SOON
    preparing.prepare_mails(now=at)
    assert len(sending.claim_due(now=at)) == 1
    assert sending.send_due(now=lambda: at + timedelta(minutes=4)) == 0
    assert sending.send_due(now=lambda: at + timedelta(minutes=6)) == 1
    assert Mail.objects.get().attempt_count == 2
