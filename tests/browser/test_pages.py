"""Every page of the console, wide and narrow, light and dark: no barrier, no violation, no error, nothing that scrolls sideways."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import COLOURS, EVERYTHING, PHONE, PHONE_COLOURS, SHAPE, WIDE, Watched
from tests.browser.sweep import stops
from tests.builders.console import ENTRY, ORDER, Installation, commit_everything, decide, seal_everything

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]

# A page is loaded once. Every rule is checked in the first look, in the others what a theme or a width can change and no look before
# has shown; the colours of the dark theme are checked wide and narrow by turns, since the pages share them.
# A look without rules is pictured as far as its first screen.
LOOKS = tuple(
    (
        ("wide-light", WIDE, "light", EVERYTHING),
        ("wide-dark", WIDE, "dark", wide),
        ("phone-dark", PHONE, "dark", narrow),
        ("phone-light", PHONE, "light", None),
    )
    for wide, narrow in ((COLOURS, SHAPE), (None, PHONE_COLOURS))
)


@pytest.mark.parametrize("half", [0, 1], ids=["first", "second"])
def test_every_page_in_every_look(visit: Callable[..., Watched], installation: Installation, half: int) -> None:
    """Half of the pages each, so that two workers share them."""
    decide(installation, "maria", ORDER)
    decide(installation, "maria", ENTRY, kind="reject", reason_code="evidence", comment="The average is not documented.")
    commit_everything()
    seal_everything()
    windows: dict[str, Watched] = {}
    wrong: list[str] = []
    for turn, (person, path, name) in enumerate(stops(installation)[half::2]):
        if person not in windows:
            windows[person] = visit(person)
        watched = windows[person]
        page = watched.open(path)
        for look, size, scheme, rules in LOOKS[turn % len(LOOKS)]:
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            watched.picture(f"{name}-{look}", is_full=rules is not None)
            try:
                watched.check(rules=rules)
            except AssertionError as error:
                # One picture book of everything that is wrong says more than its first page.
                wrong.append(f"{name}-{look}: {error}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize(("path", "title"), [("/nowhere/", "There is nothing here"), ("/audit/", "This action is not yours")])
def test_pages_of_refusal(visit: Callable[..., Watched], path: str, title: str) -> None:
    watched = visit("maria")
    page = watched.open(path)
    assert title in page.locator("h1").inner_text()
    watched.check(expected=("status of 404", "status of 403"))
    watched.picture(f"refused-{path.strip('/')}")


def test_filters_and_menu_of_a_phone_open_and_close(visit: Callable[..., Watched]) -> None:
    watched = visit("maria", phone=True)
    page = watched.open("/inbox/?due=week&company=DE01")
    page.get_by_label("Amount from").wait_for(state="hidden")
    summary = page.locator(".fold > summary")
    assert summary.inner_text().split() == ["Filters", "2", "in", "use"]
    summary.click()
    page.get_by_label("Amount from").wait_for()
    page.get_by_role("link", name="Menu").click()
    page.get_by_role("link", name="Agents").wait_for()
    watched.check()
    watched.picture("menu-phone", is_full=False)
    page.get_by_role("link", name="Close").click()
    page.get_by_role("link", name="Agents").wait_for(state="hidden")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_theme_is_kept(visit: Callable[..., Watched], scripts: bool) -> None:
    watched = visit("maria", scripts=scripts)
    page = watched.open("/inbox/")
    assert page.get_by_label("Amount from").is_visible(), "where there is room nothing has to be unfolded"
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_url("**/inbox/")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    watched.open("/policies/")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Theme of the device").click()
    page.wait_for_url("**/policies/")
    assert page.locator("html").get_attribute("data-theme") is None


def test_the_administration_keeps_the_policy(visit: Callable[..., Watched]) -> None:
    """Django's own pages wear our colours; they too run under the strict content security policy."""
    watched = visit("adele")
    page = watched.open("/agents/")
    page.get_by_role("link", name="People and groups").click()
    page.get_by_role("link", name="Countersign").wait_for()
    watched.check_faults()
    watched.picture("administration")
