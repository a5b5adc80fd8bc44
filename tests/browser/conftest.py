"""The browser for tests of the console: the system's Chromium over a live server with the sample data.

Each page under test is watched: errors on its console, violations of the content security policy and failed requests fail the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from pytest_django.live_server_helper import LiveServer

from tests.builders.chromium import chromium
from tests.builders.console import Installation, sample_installation

ARTIFACTS = Path(__file__).resolve().parents[2] / "test-artifacts"
WATCH = (
    "window.__csp = []; document.addEventListener('securitypolicyviolation',"
    " (event) => window.__csp.push([event.effectiveDirective, event.blockedURI, event.sourceFile]))"
)
# What axe looks for: every rule, what a theme can change, what a width can change.
EVERYTHING = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
SHAPE = {"type": "rule", "values": ["target-size", "scrollable-region-focusable"]}
PHONE_COLOURS = {"type": "rule", "values": [*COLOURS["values"], *SHAPE["values"]]}
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 780}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return the browser of this directory's tests."""
    with chromium() as started:
        yield started


@pytest.fixture
def installation(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return an installation with the sample data."""
    return sample_installation(tmp_path, monkeypatch)


class Watched:
    """A page whose faults are collected; `check` fails the test on the first of them."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.faults: list[str] = []
        page.on("console", lambda message: self.faults.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def open(self, path: str) -> Page:
        """Go to a path of the installation."""
        self.page.goto(f"{self.address}{path}")
        return self.page

    def check(self, *, expected: tuple[str, ...] = (), rules: Mapping[str, object] | None = EVERYTHING) -> None:
        """Nothing is wrong with the page as it stands: no fault on the console, no violation, no barrier among the rules."""
        self.check_faults(expected=expected)
        wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{self.page.url} scrolls sideways by {wider} px"
        if rules is None:
            return
        # The script is half a megabyte: it is put into each document once, and only violations come back.
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        found = AxeResults(self.page.evaluate("(options) => axe.run(options)", options))
        assert found.violations_count == 0, f"{self.page.url}\n{found.generate_report()}"

    def check_faults(self, *, expected: tuple[str, ...] = ()) -> None:
        """Nothing was written to the page's console, and nothing broke the content security policy."""
        violations = self.page.evaluate("window.__csp || []")
        assert violations == [], f"{self.page.url}: {violations}"
        faults = [fault for fault in self.faults if not any(text in fault for text in expected)]
        assert faults == [], f"{self.page.url}: {faults}"

    def picture(self, name: str, *, is_full: bool = True) -> None:
        """Keep a screenshot under test-artifacts/; a machine too busy to draw one loses the picture, not the test."""
        ARTIFACTS.mkdir(exist_ok=True)
        with suppress(PlaywrightTimeout):
            # JPEG takes less than half the time of PNG.
            path = str(ARTIFACTS / f"{name}.jpg")
            self.page.screenshot(path=path, type="jpeg", quality=75, full_page=is_full, scale="css", caret="initial", timeout=15_000)


@pytest.fixture
def visit(browser: Browser, live_server: LiveServer, installation: Installation) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a browser window for one of the people, or for nobody."""
    contexts: list[BrowserContext] = []

    def opened(person: str = "", *, phone: bool = False, dark: bool = False, scripts: bool = True) -> Watched:
        context = browser.new_context(
            viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",  # a colour half-way through its transition is no colour of ours
            has_touch=phone,
            is_mobile=phone,
        )
        contexts.append(context)
        if scripts:
            context.add_init_script(WATCH)
        if person:
            name, value = installation.session(person)
            context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
        return Watched(context.new_page(), live_server.url)

    yield opened
    for context in contexts:
        context.close()
