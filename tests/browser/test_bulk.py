"""Approving several together, by mouse, in both themes and on a telephone: picked, shown, proved, done."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings as configured
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from approvals.bulk.models import Bulk
from approvals.evidence import gate_section
from approvals.models import Decision, Signature
from approvals.services.signing import problems_of
from audit.models import Event
from audit.verifier.countersign_verify import Bundle, Findings, Members, check_approval
from gateway.connections import use_connector
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from tests.browser.conftest import PHONE, WATCH, WIDE, Watched
from tests.builders.approvals import Cast, an_order, make_cast
from tests.builders.passkeys import RP_ID, SoftKey
from tests.builders.proposals import PlainErp
from tests.builders.work import bulk_row, remember_factor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]


@pytest.fixture
def cast(transactional_db: None) -> Iterator[Cast]:
    """Return the cast under a matrix that allows bulk approval."""
    with use_connector(PlainErp()):
        yield make_cast([bulk_row(10)])


@pytest.fixture
def window(browser: Browser, live_server: LiveServer, cast: Cast) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a window for Alice, whose second factor is used whenever `prove` is called."""
    client = Client()
    client.force_login(cast.alice, backend="django.contrib.auth.backends.ModelBackend")
    cookie = {"name": configured.SESSION_COOKIE_NAME, "value": client.session.session_key or "", "url": live_server.url}
    contexts = []

    def opened(*, phone: bool = False, dark: bool = False) -> Watched:
        context = browser.new_context(
            viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            has_touch=phone,
            is_mobile=phone,
        )
        contexts.append(context)
        context.add_init_script(WATCH)
        context.add_cookies([cookie])  # type: ignore[list-item]
        return Watched(context.new_page(), live_server.url)

    opened.prove = lambda: _prove(str(cookie["value"]), cast)  # type: ignore[attr-defined]
    yield opened
    for context in contexts:
        context.close()


def _prove(session_key: str, cast: Cast) -> None:
    session = SessionStore(session_key)
    remember_factor(session, cast.alice)
    session.save()


def test_picked_shown_and_approved(window: Callable[..., Watched], cast: Cast) -> None:
    plain = [an_order(cast, amount) for amount in ("1250.00", "9870.00", "310.50")]
    large = an_order(cast, "12000.00", now=clock_now() + timedelta(milliseconds=5))
    watched = window()
    page = watched.open("/inbox/")
    for box in page.locator("input[name=proposal]").all():
        box.check()
    watched.check()
    watched.picture("bulk-inbox")
    page.get_by_role("button", name="Approve the picked together").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approve 3 proposals?")
    expect(page.locator("#sum ~ *, .rail")).to_contain_text("11,430.50 EUR")
    expect(page.locator(".panel", has_text="Left out, and why")).to_contain_text("allows bulk approval up to 10,000.00 EUR")
    page.get_by_text("What will be written").first.click()
    watched.check()
    watched.picture("bulk-wide-light")
    address = f"/bulk/{Bulk.objects.get().public_id}/"
    for phone, dark in ((False, True), (True, False), (True, True)):
        other = window(phone=phone, dark=dark)
        other.open(address)
        other.check()
        other.picture(f"bulk-{'phone' if phone else 'wide'}-{'dark' if dark else 'light'}")
    assert not Decision.objects.exists()
    window.prove()  # type: ignore[attr-defined]
    page.get_by_role("button", name="Approve 3 proposals").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 of 3 proposals approved")
    watched.check()
    watched.picture("bulk-results")
    assert {decision.proposal_id for decision in Decision.objects.all()} == {order.pk for order in plain}
    large.refresh_from_db()
    assert large.state == "pending"


def test_a_passkey_signs_the_set(
    window: Callable[..., Watched], cast: Cast, live_server: LiveServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBAUTHN_ORIGINS = [live_server.url]
    monkeypatch.setattr("tests.builders.passkeys.ORIGIN", live_server.url)
    orders, key = [an_order(cast, amount) for amount in ("1250.00", "310.50")], SoftKey()
    key.enrol(cast.alice)
    watched = window()
    _plug_in(watched.page, key)
    page = watched.open("/inbox/")
    for box in page.locator("input[name=proposal]").all():
        box.check()
    page.get_by_role("button", name="Approve the picked together").click()
    expect(page.get_by_text("passkey")).to_be_visible()
    page.get_by_role("button", name="Approve 2 proposals").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 2 proposals approved")
    watched.check()
    watched.picture("bulk-signed")
    signature = Signature.objects.get()
    assert (signature.origin, problems_of(signature)) == (live_server.url, [])
    for order in orders:
        events = Event.objects.filter(proposal=order.public_id).order_by("position")
        records: list[Any] = [parse_json(bytes(event.bytes)) for event in events]
        bundle = Bundle(Members.of(dict(gate_section([order.public_id])(order.public_id))), (), Findings(), header={}, records=records)
        check_approval(bundle)
        assert bundle.findings.problems == []
        assert "1 signed by a passkey" in str(bundle.findings.checks)


def _plug_in(page: Page, key: SoftKey) -> None:
    """Give the browser this very passkey, on a device that recognises its owner."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    device = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    secret = key.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    credential = {
        "credentialId": b64encode(key.credential_id).decode(),
        "isResidentCredential": False,
        "rpId": RP_ID,
        "privateKey": b64encode(secret).decode(),
        "signCount": 0,
    }
    session.send("WebAuthn.addCredential", {"authenticatorId": device, "credential": credential})
