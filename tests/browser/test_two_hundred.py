"""An approver with 200 pending proposals: the overdue, the history, a change asked for, the new version, the hand-over, one's own agent."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from approvals.delegation.services import Scope, delegate
from config.sample.proposals import _principal
from identity.models import Agent, Role
from kernel.actors import Actor
from kernel.clock import now
from proposals.body import parse_proposal
from proposals.models import Proposal
from proposals.services import propose
from tests.browser.conftest import Watched
from tests.builders.commits import as_owner
from tests.builders.console import Installation
from tests.builders.identity import make_user
from tests.builders.pending import pending_copies

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]
PADS, CRANKS = "sample-order-brake-pads", "sample-release-cranks"
TOOL = "create_purchase_order"


def revised(installation: Installation) -> Proposal:
    """Return version 2 of the order for pads: half of the first line, as the approver asked."""
    old, agent = installation.proposal(PADS), Agent.objects.get(name="Purchasing agent")
    first, second = old.payload["lines"]
    payload = {**old.payload, "lines": [{**first, "quantity": "600"}, second]}
    body = {"tool": TOOL, "company": "DE01", "payload": payload, "supersedes": old.public_id, "rationale": "Halved, as you asked."}
    principal = _principal(agent, "propose", TOOL)
    return propose(principal=principal, idempotency_key="pads-2", body=parse_proposal(body), now=now()).proposal


def test_an_approver_with_200_pending_proposals(visit: Callable[..., Watched], installation: Installation) -> None:
    pending_copies(installation.proposal(CRANKS), 200, overdue=6)
    pads = installation.proposal(PADS)
    as_owner("UPDATE approvals_routestep SET due_at = now() - interval '2 hours' WHERE route_id = %s", [pads.pk])
    watched = visit("maria")
    page = watched.open("/")
    page.get_by_role("link", name="Inbox", exact=False).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("207 proposals wait")
    # The overdue: one click, and a chip that takes it back.
    page.get_by_role("group", name="Usual views").get_by_role("link", name="Late").click()
    expect(page.locator("tbody tr")).to_have_count(7)
    expect(page.get_by_role("link", name="Due: Late")).to_be_visible()
    # Kept under a name of one's own, and there again at once.
    page.get_by_text("Save this view").click()
    page.get_by_label("Name").fill("My late ones")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Largest first").click()
    page.get_by_role("link", name="My late ones").click()
    expect(page.locator("tbody tr")).to_have_count(7)
    watched.check()
    watched.picture("two-hundred-late")
    # No hand leaves the keyboard: search, move, pick, help, palette.
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Headline, vendor, reference")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("tbody tr").first.get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("Brake pad")
    hit = page.locator("#palette-results").get_by_role("link", name="Brake pad")
    expect(hit).to_be_visible()
    watched.check()
    page.keyboard.press("ArrowDown")
    expect(hit).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/proposals/{pads.public_id}/")
    # Changes asked for, and what comes of it.
    page.get_by_label("Reason").select_option("amount")
    page.get_by_label("Comment").fill("Half of it is enough.")
    page.get_by_role("button", name="Request changes").click()
    expect(page.locator("#proposal-status")).to_contain_text("Changes requested")
    second = revised(installation)
    page = watched.open("/inbox/?q=brake")
    expect(page.locator("tbody tr")).to_contain_text("Version 2")
    page.get_by_role("link", name="Brake pad").click()
    changed = page.locator("section[aria-labelledby=changes]")
    expect(changed).to_contain_text("Changed since version 1")
    expect(changed.locator(".was").filter(has_text="1200")).to_have_count(1)
    expect(changed.locator(".now").filter(has_text=re.compile(r"^600$"))).to_have_count(1)
    watched.check()
    watched.picture("two-hundred-version-2")
    page.get_by_label("Reason").select_option("warning_accepted")
    page.get_by_label("Comment").fill("Halved, as asked.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()
    assert Proposal.objects.get(pk=second.pk).state == "approved"
    # The rest goes to a delegate, who finds it at once.
    # Dora is in no group of her own.
    maria, dora, at = installation.person("maria"), make_user("dora", [Role.APPROVER], ["DE01"]), now()
    delegate(
        user=maria,
        to_user_id=dora.pk,
        scope=Scope(companies=("DE01",), tools=("release_inventory",)),
        starts_at=at,
        ends_at=at + timedelta(days=2),
        note="At the dentist",
        actor=Actor.human(maria.pk),
        now=at,
    )
    theirs = visit("dora").open("/inbox/?view=delegated")
    expect(theirs.locator("tbody tr")).to_have_count(50)
    expect(watched.open("/inbox/").get_by_role("heading", level=1)).to_have_text(re.compile(r"^\d proposals? waits? for you$"))
    # And nobody decides on what their own agent wants.
    own = visit("tomas").open(f"/proposals/{installation.proposal(CRANKS).public_id}/")
    expect(own.get_by_role("button", name="Approve")).to_be_disabled()
    expect(own.locator("#why-not")).to_contain_text("You own agent Purchasing agent")
