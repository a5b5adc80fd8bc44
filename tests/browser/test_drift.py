"""What moved between approval and commit, as people see it: asked again about nothing else, voided, or written within tolerance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from ledger.models import Budget
from ledger.services import close_period, set_vendor_bank_fingerprint
from proposals.models import Proposal
from tests.browser.conftest import Watched
from tests.builders.commits import as_owner
from tests.builders.console import ORDER, Installation, commit_everything, decide

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]
COMPANY, COST_CENTRE, VENDOR = "DE01", "4010", "70003"
PADS, CRANKS = "sample-order-brake-pads", "sample-release-cranks"


def leave_in_budget(minor: int) -> None:
    """Make so much remain of the cost centre's budget."""
    budget = Budget.objects.get(cost_centre__code=COST_CENTRE, cost_centre__company__code=COMPANY, year=2026)
    as_owner("UPDATE ledger_budget SET amount_minor = consumed_minor + %s WHERE id = %s", [minor, budget.pk], using="ledger")


def test_the_same_approver_is_asked_about_what_drifted(visit: Callable[..., Watched], installation: Installation) -> None:
    decide(installation, "maria", ORDER)
    leave_in_budget(691_100)
    commit_everything()
    again = Proposal.objects.get(supersedes=installation.proposal(ORDER))
    watched = visit("maria")
    page = watched.open(f"/proposals/{installation.proposal(ORDER).public_id}/")
    expect(page.locator("#outcome")).to_contain_text("its approvers are asked again")
    page.get_by_role("link", name="Open what its approvers are asked now").click()
    # Only the drift is open; everything else is folded away and the same.
    expect(page.locator("#drifted tbody tr")).to_have_count(1)
    expect(page.locator("#drifted")).to_contain_text("at least 6,912.00")
    expect(page.locator("#drifted .now")).to_have_text("6,911.00")
    expect(page.locator("#drifted")).to_contain_text("Maria Keller approved")
    expect(page.get_by_role("heading", name="What will be written")).to_be_hidden()
    watched.check()
    watched.picture("drift-asked-again")
    page.get_by_role("button", name="Approve 6,912.00 EUR").click()
    expect(page.locator("#decision")).to_contain_text("a reason code")
    page.get_by_label("Reason").select_option("warning_accepted")
    page.get_by_label("Comment").fill("The controller raised the budget.")
    page.get_by_role("button", name="Approve 6,912.00 EUR").click()
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()
    # The budget was raised, so more is left than when the approver looked: within tolerance, and written down.
    leave_in_budget(2_000_000)
    commit_everything()
    expect(page.get_by_role("heading", name="Landed in the ERP")).to_be_visible(timeout=10_000)
    expect(page.locator("#outcome")).to_contain_text("1 fact moved within tolerance")
    expect(page.locator("#outcome")).to_contain_text("20,000.00")
    watched.check(expected=("status of 422",))
    watched.picture("drift-within-tolerance")
    again.refresh_from_db()
    assert again.outcome.status == "committed"
    assert not installation.proposal(ORDER).outcome.document


def test_a_closed_period_and_changed_bank_details_void(visit: Callable[..., Watched], installation: Installation) -> None:
    for key in (PADS, CRANKS):
        decide(installation, "maria", key)
    set_vendor_bank_fingerprint(company=COMPANY, vendor=VENDOR, bank_fingerprint="sha256:another")
    commit_everything()
    decide(installation, "maria", ORDER)
    close_period(company=COMPANY, year=2026, month=11)
    commit_everything()
    watched = visit("maria")
    for key, label in ((PADS, "The bank details of vendor 70003"), (ORDER, "Period 2026-11 of DE01 is open")):
        page = watched.open(f"/proposals/{installation.proposal(key).public_id}/")
        expect(page.locator("#proposal-status")).to_contain_text("Voided")
        expect(page.locator("#outcome table")).to_contain_text(label)
        expect(page.locator("#outcome")).to_contain_text("It cannot be done any more.")
        assert not Proposal.objects.filter(supersedes=installation.proposal(key)).exists()
    watched.check()
    watched.picture("drift-voided")
    assert installation.proposal(CRANKS).outcome.status == "committed"
