"""Pages for whoever is not signed in, and those of one's own account."""

from __future__ import annotations

from collections.abc import Iterator

from tests.browser.sweep import Stop
from tests.builders.console import Installation


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield the doors."""
    yield "", "/accounts/login/", "login"
    yield "", "/accounts/password/reset/", "password-reset"
    yield "", "/api/v1/docs", "documentation"
    yield "maria", "/accounts/logout/", "logout"
