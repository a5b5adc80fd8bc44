"""The browser under the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

# The shell is the same browser without its windows: a quarter less work for the same pages.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium: the system's where there is one, else Playwright's own.

    Playwright keeps an event loop running in its thread until this ends; tests that run loops of their own come before or after.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(args=ARGUMENTS, executable_path=found)
        yield started
        started.close()
