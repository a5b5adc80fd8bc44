"""What belongs to no single page: today for each role, search, help; a proposal whose approvers are asked again."""

from __future__ import annotations

from collections.abc import Iterator

from tests.browser.sweep import Stop
from tests.builders.console import Installation


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield them for the people whose day differs."""
    for person in ("maria", "ruth", "tomas", "ines", "samuel"):
        yield person, "/", f"today-{person}"
    yield "maria", "/search/?q=hub", "search"
    yield "maria", "/help/", "help"
