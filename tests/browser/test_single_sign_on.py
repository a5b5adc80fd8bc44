"""An approver signs in at their organisation's provider, with a real browser, and comes back to the page they were on the way to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import Settings

from tests.browser.conftest import COLOURS, Watched
from tests.builders.console import Installation
from tests.builders.sign_on import provider_setting, running_provider, vouch

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(databases=["default", "ledger"], transaction=True),
    pytest.mark.filterwarnings("ignore:.*(get_jwt_config|authlib).*:DeprecationWarning"),
]


def test_out_to_the_provider_and_back(visit: Callable[..., Watched], installation: Installation, settings: Settings) -> None:
    maria = installation.person("maria")
    with running_provider() as url:
        settings.SOCIALACCOUNT_PROVIDERS = provider_setting(url)
        vouch(url, "a-1", {"email": maria.email, "email_verified": True})
        door = visit()
        page = door.open("/inbox/")
        door.check()
        door.picture("sign-on-wide-light")
        page.get_by_role("link", name="Sign in with Example Corp").click()
        page.locator("input[name=sub]").fill("a-1")
        page.get_by_role("button", name="Authorize").click()
        page.wait_for_url(f"{door.address}/inbox/")
        assert page.get_by_role("heading", level=1).inner_text().endswith("wait for you")
        # What the provider's own page asked for elsewhere is not ours.
        door.faults.clear()
        page.reload()
        door.check_faults()

        phone = visit(phone=True, dark=True)
        page = phone.open("/accounts/login/")
        phone.check(rules=COLOURS)
        phone.picture("sign-on-phone-dark")
        page.get_by_role("link", name="Sign in with Example Corp").click()
        page.get_by_role("button", name="Deny").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Nobody was signed in"
        phone.faults.clear()
        phone.check(rules=COLOURS)
        phone.picture("sign-on-stopped-phone-dark")
