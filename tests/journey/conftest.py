"""One real installation for all journey tests; tests/conftest.py keeps them in one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import WIDE
from tests.builders.chromium import chromium
from tests.journey.installation import RealInstallation


@pytest.fixture(scope="session")
def running() -> Iterator[RealInstallation]:
    """Return an installation that was started like `make run` starts one; it has to stop cleanly at the end."""
    installation = RealInstallation()
    installation.log.unlink(missing_ok=True)
    try:
        installation.start()
        yield installation
        if installation.supervisor is not None:
            installation.stop()
    finally:
        installation.remove()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return the browser of this directory's tests."""
    with chromium() as started:
        yield started


@pytest.fixture
def signed_in(browser: Browser, running: RealInstallation) -> Iterator[Callable[[str], Page]]:
    """Return a function that logs one of the people in through the login page and returns the page after it."""
    contexts = []

    def sign_in(person: str) -> Page:
        context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.goto(running.address)
        page.get_by_label("User name or e-mail").fill(person)
        page.get_by_label("Password", exact=True).fill(running.people()[person])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda address: "/accounts/" not in address)
        return page

    yield sign_in
    for context in contexts:
        context.close()
