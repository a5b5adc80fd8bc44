"""A strong second factor newer than the page: which records count, what happens without one, and that nothing is lost on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from approvals.errors import StepUpRequired
from approvals.factors import strong_factor
from approvals.models import Decision, Policy, StepUp
from approvals.services import create_policy, submit_policy
from approvals.services.step_up import PATIENCE, ask_step_up
from approvals.states import DecisionKind, PolicyState
from audit.models import Event
from audit.records import Subject
from kernel.canonical import parse_json, to_json_text
from kernel.clock import now as clock_now
from kernel.clock import wire_time
from proposals.models import Proposal
from tests.builders.approvals import Cast, a_row, an_order, decided, make_cast, opened
from tests.builders.identity import actor
from tests.builders.passkeys import SoftKey
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = generate_totp_secret()


def used(kind: str, at: datetime, **more: Any) -> dict[str, object]:
    """Return the record of one second factor, as a session holds it."""
    return {"method": "mfa", "type": kind, "at": at.timestamp(), "id": 6, **more}


@pytest.fixture
def strict(db: None, erp: PlainErp) -> Cast:
    """Return the cast under a policy that wants a second factor from 5,000.00 EUR on."""
    return make_cast([a_row(10, step_up_from_minor=5_000_00)])


# Which records count ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "counts"),
    [
        (used("totp", NOON + timedelta(seconds=1)), True),
        (used("webauthn", NOON + timedelta(seconds=1)), True),
        (used("recovery_codes", NOON + timedelta(seconds=1)), False),
        (used("totp", NOON), False),
        (used("totp", NOON - timedelta(hours=1)), False),
        (used("totp", NOON + timedelta(hours=2)), False),
        ({"method": "password", "at": (NOON + timedelta(seconds=1)).timestamp(), "reauthenticated": True}, False),
        ({"method": "mfa", "type": "totp"}, False),
        ({"method": "mfa", "type": "totp", "at": "noon"}, False),
    ],
    ids=["code", "passkey", "recovery code", "at the display", "before it", "from the future", "password", "no time", "no number"],
)
def test_what_counts_as_a_second_factor(record: dict[str, object], counts: bool) -> None:
    found = strong_factor([record], since=NOON, until=NOON + timedelta(hours=1))
    assert (found is not None) is counts


def test_the_newest_one_is_named() -> None:
    records = [used("totp", NOON + timedelta(seconds=seconds), id=seconds) for seconds in (5, 30, 10)]
    found = strong_factor(records, since=NOON, until=NOON + timedelta(hours=1))
    assert found is not None
    assert found.authenticator == "30"


# The service --------------------------------------------------------------------------------------------------------------


def test_below_the_amount_nobody_is_asked(strict: Cast) -> None:
    decision = decided(strict.alice, opened(strict.alice, an_order(strict, "4999.99")))
    assert decision.second_factor is None


@pytest.mark.parametrize("kind", DecisionKind.values)
def test_from_the_amount_on_every_decision_asks(strict: Cast, kind: str) -> None:
    proposal = an_order(strict, "5000.00")
    page = opened(strict.alice, proposal)
    events = Event.objects.count()
    with pytest.raises(StepUpRequired):
        decided(strict.alice, page, kind)
    assert not Decision.objects.exists()
    assert Event.objects.count() == events


def test_splitting_does_not_get_round_the_second_factor(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, rolling_days=30, step_up_from_minor=5_000_00)])
    an_order(cast, "3000.00")
    with pytest.raises(StepUpRequired):
        decided(cast.alice, opened(cast.alice, an_order(cast, "3000.00")))


def test_the_record_goes_into_the_row_and_the_event(strict: Cast) -> None:
    page = opened(strict.alice, an_order(strict))
    at = page.shown_at + timedelta(seconds=5)
    decision = decided(strict.alice, page, factors=[used("totp", at, secret="never copied")], now=at + timedelta(seconds=1))
    kept = {"method": "mfa", "type": "totp", "at": wire_time(at), "authenticator": "6", "signed": False}
    assert decision.second_factor == kept
    assert decision.second_factor_at == at
    record = parse_json(bytes(Event.objects.get(kind="approval:decided").bytes))
    assert isinstance(record, dict)
    assert record["human"]["second_factor"] == decision.second_factor
    assert record["human"]["page_digest"] == decision.presentation.page_digest


@pytest.mark.parametrize(
    "records", [[], [used("totp", NOON - timedelta(days=30))], [used("recovery_codes", clock_now() + timedelta(days=1))]], ids=len
)
def test_an_old_factor_or_a_recovery_code_decides_nothing(strict: Cast, records: Sequence[dict[str, object]]) -> None:
    page = opened(strict.alice, an_order(strict))
    with pytest.raises(StepUpRequired, match="recovery code does not count"):
        decided(strict.alice, page, factors=records, now=page.shown_at + timedelta(days=2))


def asked_about(user: User, page: Any, at: datetime) -> StepUp:
    return ask_step_up(
        user=user,
        purpose="decision",
        subject=page.presentation_digest,
        shown_at=page.shown_at,
        draft={"kind": "approve", "csrfmiddlewaretoken": "never kept"},
        about=Subject("proposal", page.proposal.public_id),
        actor=actor(user),
        now=at,
    )


def test_the_display_before_the_asking_is_the_one_that_counts(strict: Cast) -> None:
    page = opened(strict.alice, an_order(strict))
    asked = asked_about(strict.alice, page, page.shown_at + timedelta(seconds=1))
    assert asked.draft == {"kind": "approve"}
    factor_at = page.shown_at + timedelta(seconds=20)
    again = opened(strict.alice, page.proposal, now=page.shown_at + timedelta(seconds=25))
    decision = decided(strict.alice, again, factors=[used("totp", factor_at)], now=again.shown_at + timedelta(seconds=5))
    assert decision.shown_at == page.shown_at
    assert decision.second_factor_at == factor_at


@pytest.mark.parametrize("whose", ["of somebody else", "about another page", "long ago"])
def test_an_asking_serves_only_its_own_page_person_and_quarter_of_an_hour(strict: Cast, whose: str) -> None:
    page = opened(strict.alice, an_order(strict))
    other = opened(strict.alice, an_order(strict))
    if whose == "of somebody else":
        asked_about(strict.bob, page, page.shown_at)
    else:
        asked_about(strict.alice, other if whose == "about another page" else page, page.shown_at)
    later = PATIENCE + timedelta(seconds=1) if whose == "long ago" else timedelta(seconds=25)
    again = opened(strict.alice, page.proposal, now=page.shown_at + later)
    factor = used("totp", page.shown_at + timedelta(seconds=20))
    with pytest.raises(StepUpRequired):
        decided(strict.alice, again, factors=[factor], now=again.shown_at + timedelta(seconds=5))


# The database -------------------------------------------------------------------------------------------------------------


def insert(page: Any, user: User, **changes: Any) -> None:
    values = {
        "proposal": page.proposal,
        "step": page.route.steps.get(),
        "user": user,
        "kind": "approve",
        "payload_digest": page.payload_digest,
        "presentation": page.proposal.presentations.get(digest=page.presentation_digest),
        "shown_at": page.shown_at,
        "decided_at": page.shown_at + timedelta(seconds=9),
    }
    with transaction.atomic():
        Decision.objects.create(**{**values, **changes})


def test_the_database_wants_the_second_factor_too(strict: Cast) -> None:
    page = opened(strict.alice, an_order(strict))
    with pytest.raises(IntegrityError, match="strong second factor"):
        insert(page, strict.alice)
    for at in (page.shown_at, page.shown_at + timedelta(seconds=10)):
        with pytest.raises(IntegrityError, match="second_factor_after_shown"):
            insert(page, strict.alice, second_factor={"type": "totp"}, second_factor_at=at)
    with pytest.raises(IntegrityError, match="second_factor_after_shown"):
        insert(page, strict.alice, second_factor_at=page.shown_at + timedelta(seconds=1))
    insert(page, strict.alice, second_factor={"type": "totp"}, second_factor_at=page.shown_at + timedelta(seconds=1))


def test_the_database_wants_a_reason_over_a_warning(cast: Cast, erp: PlainErp) -> None:
    proposal = an_order(cast)
    erp.facts["budget_remaining"] = "1.00"
    page = opened(cast.alice, proposal)
    for words in ({}, {"reason_code": "other"}, {"reason_code": "other", "comment": "  "}):
        with pytest.raises(IntegrityError, match="reason and a comment"):
            insert(page, cast.alice, **words)
    insert(page, cast.alice, reason_code="other", comment="The board agreed.")


# The door -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def door(strict: Cast) -> Iterator[Client]:
    """Return alice's browser, signed in with a password."""
    caches["default"].clear()
    strict.alice.set_password("correct horse battery staple")
    strict.alice.save()
    client = Client()
    client.force_login(strict.alice, backend="django.contrib.auth.backends.ModelBackend")
    yield client
    caches["default"].clear()


def press(client: Client, proposal: Proposal, kind: str = "approve", **typed: str) -> Any:
    """Load the page, press a button and return the answer."""
    page = client.get(f"/proposals/{proposal.public_id}/")
    form = page.context["form"]
    sent = {name: form[name].value() or "" for name in form.fields if name not in {"kind", "credential"}}
    return client.post(f"/proposals/{proposal.public_id}/decide/", {**sent, "kind": kind, **typed})


def code(steps: int = 0) -> str:
    return str(format_hotp_value(hotp_value(SECRET, int(time.time()) // 30 + steps)))


def test_without_a_second_factor_a_plain_page_says_how_to_get_one(strict: Cast, door: Client) -> None:
    proposal = an_order(strict)
    answer = press(door, proposal, reason_code="other", comment="Seen with the buyer.")
    assert answer.status_code == 303
    assert answer["Location"] == f"/second-factor/?next=%2Fproposals%2F{proposal.public_id}%2F"
    page = door.get(answer["Location"])
    assert page.status_code == 200
    assert b"you have none yet" in page.content
    assert b"/accounts/2fa/webauthn/add/" in page.content
    assert not Decision.objects.exists()
    assert Event.objects.filter(kind="step_up:asked").count() == 1
    assert not Event.objects.filter(kind="approval:refused").exists()
    # What was typed waits on the page that they come back to.
    again = door.get(f"/proposals/{proposal.public_id}/")
    assert b"Seen with the buyer." in again.content
    assert b"You have none yet" in again.content


def signed_in_by_sso(client: Client, user: User, at: datetime) -> None:
    """The session holds what allauth records when an identity provider vouches for somebody."""
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "socialaccount", "provider": "main", "uid": "a-1", "at": at.timestamp()}]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()


def test_somebody_without_a_password_enrols_and_decides(strict: Cast, door: Client) -> None:
    strict.alice.set_unusable_password()
    strict.alice.save()
    door.force_login(strict.alice, backend="django.contrib.auth.backends.ModelBackend")
    proposal = an_order(strict)
    signed_in_by_sso(door, strict.alice, clock_now() - timedelta(hours=2))
    there = press(door, proposal, reason_code="other", comment="Seen with the buyer.")["Location"]
    page = door.get(there)
    # An open session alone enrols nothing, whichever way.
    assert b"Sign in again first" in page.content
    assert b"/accounts/2fa/webauthn/add/" not in page.content
    for name in ("mfa_add_webauthn", "mfa_activate_totp"):
        for answer in (door.get(reverse(name)), door.post(reverse(name), {"code": "000000"})):
            assert (answer.status_code, answer["Location"]) == (302, there)
    assert not Authenticator.objects.exists()
    # Signing out and in again leads back, and what was typed still waits.
    out = door.post("/accounts/logout/", {"next": there})
    assert out["Location"] == there
    assert door.get(there)["Location"].startswith("/accounts/login/?next=/second-factor/")
    door.force_login(strict.alice, backend="django.contrib.auth.backends.ModelBackend")
    signed_in_by_sso(door, strict.alice, clock_now())
    page = door.get(there)
    assert b"/accounts/2fa/webauthn/add/" in page.content
    assert b"your password first" not in page.content
    secret = door.get(reverse("mfa_activate_totp")).context["form"].secret
    enrolled = door.post(reverse("mfa_activate_totp"), {"code": format_hotp_value(hotp_value(secret, int(time.time()) // 30))})
    assert enrolled["Location"] == reverse("mfa_view_recovery_codes")
    assert not Decision.objects.exists()
    page = door.get(f"/proposals/{proposal.public_id}/")
    assert b"Seen with the buyer." in page.content
    assert b"a code of your authenticator app" in page.content
    assert press(door, proposal)["Location"].startswith("/accounts/2fa/reauthenticate/")
    session = door.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [*session[AUTHENTICATION_METHODS_SESSION_KEY], used("totp", clock_now())]
    session.save()
    assert press(door, proposal, reason_code="other", comment="Seen with the buyer.")["Location"] == f"/proposals/{proposal.public_id}/"
    decision = Decision.objects.get()
    assert (decision.second_factor or {})["type"] == "totp"


def test_the_way_back_never_leads_elsewhere(door: Client) -> None:
    page = door.get("/second-factor/?next=https://evil.example/")
    assert b'href="https://evil.example' not in page.content


def test_a_code_of_the_app_and_back_to_a_decision(strict: Cast, door: Client) -> None:
    TOTP.activate(strict.alice, SECRET)
    proposal = an_order(strict)
    session = door.session
    session[STATE_SESSION_KEY] = {"request": {"path": "/elsewhere/"}}
    session.save()
    answer = press(door, proposal)
    assert answer.status_code == 303
    assert answer["Location"].startswith("/accounts/2fa/reauthenticate/?next=")
    assert STATE_SESSION_KEY not in door.session
    back = door.post(answer["Location"], {"code": code()})
    assert (back.status_code, back["Location"]) == (302, f"/proposals/{proposal.public_id}/")
    assert not Decision.objects.exists()
    page = door.get(back["Location"])
    assert b"Nothing is decided yet" in page.content
    assert press(door, proposal).status_code == 303
    decision = Decision.objects.get()
    assert decision.second_factor is not None
    assert decision.second_factor["type"] == "totp"
    assert decision.second_factor_at is not None
    assert decision.second_factor_at > decision.shown_at
    proposal.refresh_from_db()
    assert proposal.state == "approved"


def test_a_code_works_once_in_whatever_process(strict: Cast, door: Client) -> None:
    TOTP.activate(strict.alice, SECRET)
    first = code()
    assert door.post("/accounts/2fa/reauthenticate/?next=/inbox/", {"code": first}).status_code == 302
    again = door.post("/accounts/2fa/reauthenticate/?next=/inbox/", {"code": first})
    assert again.status_code == 200
    assert b"A code works once" in again.content
    # The mark is in the database, where every process looks.
    assert type(caches["default"]).__name__ == "DatabaseCache"
    assert Authenticator.objects.get().data["secret"].startswith("fernet:")


def test_a_recovery_code_signs_in_and_decides_nothing(strict: Cast, door: Client) -> None:
    TOTP.activate(strict.alice, SECRET)
    codes = RecoveryCodes.activate(strict.alice)
    proposal = an_order(strict)
    answer = press(door, proposal)
    back = door.post(answer["Location"], {"code": codes.get_unused_codes()[0]})
    assert back.status_code == 302
    assert press(door, proposal)["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not Decision.objects.exists()


def test_a_password_again_decides_nothing(strict: Cast, door: Client) -> None:
    strict.alice.set_password("correct horse battery")
    strict.alice.save()
    door.force_login(strict.alice, backend="django.contrib.auth.backends.ModelBackend")
    TOTP.activate(strict.alice, SECRET)
    proposal = an_order(strict)
    press(door, proposal)
    door.post("/accounts/reauthenticate/?next=/inbox/", {"password": "correct horse battery"})
    assert press(door, proposal).status_code == 303
    assert not Decision.objects.exists()


def test_a_passkey_is_led_to_its_own_page_and_signs_where_there_is_javascript(strict: Cast, door: Client) -> None:
    key = SoftKey()
    key.enrol(strict.alice)
    proposal = an_order(strict)
    page = door.get(f"/proposals/{proposal.public_id}/")
    assert f'data-sign="/proposals/{proposal.public_id}/sign/"' in page.content.decode()
    assert press(door, proposal)["Location"].startswith("/accounts/2fa/webauthn/reauthenticate/")
    form = door.get(f"/proposals/{proposal.public_id}/").context["form"]
    sent = {name: form[name].value() or "" for name in form.fields if name not in {"kind", "credential"}}
    asked = door.post(f"/proposals/{proposal.public_id}/sign/", {**sent, "kind": "approve"}).json()
    signed = {"ceremony": asked["ceremony"], "credential": key.sign(asked["publicKey"])}
    answer = door.post(
        f"/proposals/{proposal.public_id}/decide/",
        {**sent, "kind": "approve", "ceremony": signed["ceremony"], "credential": to_json_text(signed["credential"])},
    )
    assert (answer.status_code, answer["Location"]) == (303, f"/proposals/{proposal.public_id}/")
    assert Decision.objects.get().signature is not None


# Changing the policy ------------------------------------------------------------------------------------------------------


def test_activating_a_policy_in_the_console_asks_for_the_second_factor(strict: Cast) -> None:
    caches["default"].clear()
    draft = create_policy(title="Next", rows=[a_row(10)], user=strict.cora, actor=actor(strict.cora), now=clock_now())
    submit_policy(policy_id=draft.pk, user=strict.cora, actor=actor(strict.cora), now=clock_now())
    client, path = Client(), f"/policies/{draft.public_id}/activate/"
    client.force_login(strict.cem, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(path)["Location"].startswith("/second-factor/?next=%2Fpolicies%2F")
    TOTP.activate(strict.cem, SECRET)
    answer = client.post(path)
    assert answer["Location"].startswith("/accounts/2fa/reauthenticate/?next=%2Fpolicies%2F")
    assert Policy.objects.get(pk=draft.pk).state == PolicyState.REVIEW
    assert client.post(answer["Location"], {"code": code()}).status_code == 302
    assert client.post(path).status_code == 303
    assert Policy.objects.get(pk=draft.pk).state == PolicyState.ACTIVE
    event = Event.objects.filter(kind="policy:activated").order_by("recorded_at").last()
    assert event is not None
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    assert record["human"]["second_factor"]["type"] == "totp"
    assert not Event.objects.filter(kind="policy:refused").exists()
