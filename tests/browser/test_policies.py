"""The matrix editor under a controller's hands: wide and on a telephone, in both themes, with scripts and without."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from approvals.models import Policy
from approvals.states import PolicyState
from tests.browser.conftest import Watched
from tests.builders.console import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]


@pytest.mark.parametrize(
    ("phone", "dark", "scripts"), [(False, False, True), (True, True, False)], ids=["wide-light", "phone-dark-without-scripts"]
)
def test_a_version_is_written_tried_and_submitted(
    visit: Callable[..., Watched], installation: Installation, phone: bool, dark: bool, scripts: bool
) -> None:
    watched = visit("petra", phone=phone, dark=dark, scripts=scripts)
    page = watched.open("/policies/")
    page.get_by_role("link", name="New version").click()
    page.get_by_label("Title").fill("Second pair of eyes")
    page.get_by_role("button", name="Make the draft").click()
    page.get_by_role("link", name="Add a row").click()
    page.get_by_label("Title").fill("Anything from a round vendor: one of each")
    page.get_by_label("Number").fill("5")
    page.get_by_label("Tool").select_option("create_purchase_order")
    page.get_by_label("From", exact=True).fill("1,000.00")
    step = page.get_by_role("region", name="Step 1")
    for group in step.get_by_role("group", name="Groups").get_by_role("checkbox").all()[:2]:
        group.check()
    step.get_by_label("Who has to approve").select_option("per_group")
    page.get_by_role("button", name="One more step").click()
    assert page.get_by_role("region", name="Step 3").is_visible()
    page.get_by_role("button", name="Save the row").click()
    assert "Row 5 is saved." in page.get_by_role("status").inner_text()
    draft = Policy.objects.get(state=PolicyState.DRAFT)
    assert draft.rows.get(priority=5).steps[0]["rule"] == "per_group"
    page.get_by_role("link", name="Try a write").click()
    page.get_by_label("Company").fill("DE01")
    page.get_by_label("Amount", exact=True).fill("2000")
    page.get_by_role("button", name="Where would it go?").click()
    assert "Anything from a round vendor" in page.get_by_role("region", name="Where it would go").inner_text()
    page.get_by_role("link", name="Difference").click()
    assert "1 row differs" in page.locator("main").inner_text()
    page.get_by_role("link", name="Matrix", exact=True).click()
    page.get_by_role("button", name="Submit for review").click()
    assert page.get_by_role("button", name="Activate").is_disabled()
    assert "so another person activates it" in page.locator("#why-not").inner_text()
    watched.check_faults() if scripts else None
    watched.picture(f"matrix-submitted-{'phone' if phone else 'wide'}")
