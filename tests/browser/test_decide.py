"""From the login to the decision and what became of it: with a mouse, without JavaScript, with the keyboard only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from approvals.models import Decision
from audit.models import Event
from proposals.states import ProposalState
from tests.browser.conftest import Watched
from tests.builders.console import LARGE_ORDER, ORDER, Installation, commit_everything, seal_everything

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]
HEADLINE = "Order 120 × Hub, rear"


def sign_in(page: Page, installation: Installation, person: str) -> None:
    page.get_by_label("User name or e-mail").fill(person)
    page.get_by_label("Password", exact=True).fill(installation.passwords[person])
    page.get_by_role("button", name="Sign in").click()


def test_from_login_to_the_document(visit: Callable[..., Watched], installation: Installation) -> None:
    watched = visit()
    page = watched.open("/")
    sign_in(page, installation, "maria")
    expect(page).to_have_url(f"{watched.address}/")
    page.get_by_role("link", name=HEADLINE).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(HEADLINE)
    page.get_by_role("button", name="Approve 6,912.00 EUR").click()
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()
    expect(page.locator("#proposal-status")).to_contain_text("Approved")
    expect(page.get_by_text("Maria Keller approved")).to_have_count(2)
    commit_everything()
    # The page fetches its panel again by itself; nobody reloads it.
    expect(page.get_by_role("heading", name="Landed in the ERP")).to_be_visible(timeout=10_000)
    expect(page.locator("#proposal-status")).to_contain_text("Committed")
    expect(page.locator("#outcome")).to_contain_text(installation.proposal().outcome.document)
    expect(page.locator("#outcome")).to_contain_text("exactly as approved")
    expect(page.locator("#status")).to_contain_text("Landed in the ERP")
    assert page.locator("#outcome").get_attribute("hx-get") is None
    watched.check()
    seal_everything()
    page.get_by_role("link", name="Open the commit").click()
    expect(page.get_by_text("Exactly as approved")).to_be_visible()
    watched.check()


def test_without_javascript(visit: Callable[..., Watched], installation: Installation) -> None:
    watched = visit(scripts=False)
    page = watched.open("/")
    sign_in(page, installation, "maria")
    page.get_by_role("link", name=HEADLINE).click()
    page.get_by_role("button", name="Request changes").click()
    expect(page.locator("#decision")).to_contain_text("a reason code")
    expect(page.locator("#decision")).to_contain_text("a sentence")
    assert not Decision.objects.exists()
    page.get_by_label("Reason").select_option("amount")
    page.get_by_label("Comment").fill("Half of it is enough.")
    page.get_by_role("button", name="Request changes").click()
    expect(page.locator("#proposal-status")).to_contain_text("Changes requested")
    expect(page.locator("#outcome")).to_contain_text("Half of it is enough.")
    assert installation.proposal().state == ProposalState.CHANGES_REQUESTED
    page.get_by_role("link", name="Inbox").first.click()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("link", name=HEADLINE)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def press_until(page: Page, selector: str, key: str = "Tab", limit: int = 60) -> None:
    """Move the focus until the wanted element has it, as somebody without a mouse does."""
    for _ in range(limit):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{selector} was not reached with {limit} × {key}")


def test_with_the_keyboard_only(visit: Callable[..., Watched], installation: Installation) -> None:
    watched = visit()
    page = watched.open("/")
    press_until(page, "#id_login")
    page.keyboard.type("maria")
    press_until(page, "#id_password")
    page.keyboard.type(installation.passwords["maria"])
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Today").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    wanted = f"a[href='/proposals/{installation.proposal().public_id}/']"
    press_until(page, wanted, "j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/proposals/**")
    # No single key decides: Enter in the form's fields sends nothing.
    press_until(page, "#id_reason_code")
    page.keyboard.press("Escape")
    press_until(page, "button.approve")
    assert not Decision.objects.exists()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()


def test_a_page_that_changed_is_refused(visit: Callable[..., Watched], installation: Installation) -> None:
    watched = visit("maria")
    page = watched.open(f"/proposals/{installation.proposal().public_id}/")
    page.evaluate("() => { document.querySelector('[name=presentation_digest]').value = 'sha256:' + '0'.repeat(64) }")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Something changed since this page was loaded")
    watched.check(expected=("status of 409",))
    watched.picture("stale")
    assert not Decision.objects.exists()
    page.get_by_role("link", name="Look at the proposal again").click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()


def test_when_it_was_shown_cannot_be_forged(visit: Callable[..., Watched], installation: Installation) -> None:
    watched = visit("maria")
    other = watched.open(f"/proposals/{installation.proposal(LARGE_ORDER).public_id}/").locator("[name=shown_at]").input_value()
    page = watched.open(f"/proposals/{installation.proposal(ORDER).public_id}/")
    page.evaluate("(value) => { document.querySelector('[name=shown_at]').value = value }", other)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Your decision was not recorded")).to_be_visible()
    assert not Decision.objects.exists()
    assert Event.objects.filter(kind="approval:refused").count() == 1


def test_who_may_not_decide_reads_why(visit: Callable[..., Watched], installation: Installation) -> None:
    page = visit("tomas").open(f"/proposals/{installation.proposal().public_id}/")
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    expect(page.get_by_role("button", name="Reject")).to_be_disabled()
    expect(page.locator("#why-not")).to_contain_text("You own agent Purchasing agent")


def test_the_second_step_follows_the_first(visit: Callable[..., Watched], installation: Installation) -> None:
    path = f"/proposals/{installation.proposal(LARGE_ORDER).public_id}/"
    maria = visit("maria").open(path)
    maria.get_by_role("button", name="Approve").click()
    expect(maria.locator("#outcome")).to_contain_text("Waiting for Finance")
    expect(maria.locator("#why-not")).to_contain_text("already decided")
    jonas = visit("jonas").open(path)
    jonas.get_by_role("button", name="Approve").click()
    expect(jonas.locator("#proposal-status")).to_contain_text("Approved")
    assert installation.proposal(LARGE_ORDER).state == ProposalState.APPROVED
