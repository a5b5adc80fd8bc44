"""Getting a second factor and deciding with it: a passkey that signs, an authenticator app, and nothing lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import caches
from playwright.sync_api import Browser, CDPSession, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from approvals.models import Decision, Signature
from approvals.services.signing import problems_of
from gateway.connections import use_connector
from proposals.models import Proposal
from tests.browser.conftest import PHONE, WATCH, WIDE, Watched
from tests.builders.approvals import Cast, a_row, an_order, make_cast
from tests.builders.proposals import PlainErp

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]
PASSWORD = "correct horse battery staple"


@pytest.fixture
def strict(transactional_db: None) -> Iterator[Cast]:
    """Return the cast under a policy that wants a second factor from 5,000.00 EUR on."""
    with use_connector(PlainErp()):
        cast = make_cast([a_row(10, step_up_from_minor=5_000_00)])
        for person in (cast.alice, cast.bob):
            person.set_password(PASSWORD)
            person.save()
        caches["default"].clear()
        yield cast


@pytest.fixture
def signed_in(browser: Browser, live_server: LiveServer, settings: Settings) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a window for one of the people and signs them in with their password."""
    settings.WEBAUTHN_ORIGINS = [live_server.url]
    contexts = []

    def opened(person: str, *, phone: bool = False) -> Watched:
        context = browser.new_context(viewport=PHONE if phone else WIDE, reduced_motion="reduce")  # type: ignore[arg-type]
        contexts.append(context)
        context.add_init_script(WATCH)
        watched = Watched(context.new_page(), live_server.url)
        page = watched.open("/accounts/login/")
        page.get_by_label("User name or e-mail").fill(person)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
        return watched

    yield opened
    for context in contexts:
        context.close()


def authenticator(page: Page) -> tuple[CDPSession, str]:
    """Plug a passkey into the page: present and verified, until told otherwise."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def asked_first(watched: Watched, proposal: Proposal) -> Page:
    """Press the button without a second factor, and be shown how to get one."""
    page = watched.open(f"/proposals/{proposal.public_id}/")
    expect(page.locator("#step-up")).to_contain_text("You have none yet")
    watched.check()
    page.get_by_label("Reason").select_option("other")
    page.get_by_label("Comment", exact=True).fill("Agreed with the buyer.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("you have none yet")
    return page


def test_a_passkey_is_enrolled_and_signs_the_decision(signed_in: Callable[..., Watched], strict: Cast) -> None:
    proposal = an_order(strict)
    watched = signed_in("alice")
    session, key = authenticator(watched.page)
    page = asked_first(watched, proposal)
    page.get_by_role("link", name="Add a passkey").click()
    watched.check()
    page.locator("#id_password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/webauthn/add/**")
    watched.check()
    page.locator("#id_name").fill("Laptop")
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url("**/recovery-codes/**")
    watched.check()
    page = watched.open(f"/proposals/{proposal.public_id}/")
    expect(page.get_by_label("Comment", exact=True)).to_have_value("Agreed with the buyer.")
    expect(page.locator("#step-up")).to_contain_text("your passkey signs exactly what you decide")
    watched.picture("decide-signed")
    # The device does not recognise its owner: nothing is sent.
    session.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#sign-problem")).to_contain_text("did not sign")
    assert not Decision.objects.exists()
    session.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": True})
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()
    watched.check()
    decision = Decision.objects.get()
    assert decision.comment == "Agreed with the buyer."
    assert problems_of(Signature.objects.get()) == []
    page.get_by_text("Canonical payload and digests").click()
    page.get_by_role("link", name="The page that alice decided on").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(proposal.headline)
    watched.picture("as-shown")


def test_an_authenticator_app_on_a_phone(signed_in: Callable[..., Watched], strict: Cast) -> None:
    proposal = an_order(strict)
    watched = signed_in("alice", phone=True)
    page = asked_first(watched, proposal)
    page.get_by_role("link", name="Set up an app").click()
    page.locator("#id_password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/totp/activate/**")
    watched.check()
    watched.picture("app-activate")
    secret = page.locator("#authenticator_secret").input_value()
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    page.locator("#id_code").fill(code)
    page.get_by_role("button", name="Activate").click()
    page.wait_for_url("**/recovery-codes/**")
    page = watched.open(f"/proposals/{proposal.public_id}/")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/2fa/reauthenticate/**")
    watched.check()
    page.locator("#id_code").fill(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#step-up")).to_contain_text("Nothing is decided yet")
    assert not Decision.objects.exists()
    watched.check()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()
    kept = Decision.objects.get().second_factor
    assert kept is not None
    assert kept["type"] == "totp"
