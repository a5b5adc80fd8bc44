"""Pages around a decision: second factors, and a proposal with its discussion."""

from __future__ import annotations

from collections.abc import Iterator

from tests.builders.console import Installation


def pages(installation: Installation) -> Iterator[tuple[str, str, str]]:
    """Yield who looks, at which address, and the picture's name."""
    yield "maria", "/accounts/2fa/", "second-factors"
    yield "maria", "/second-factor/?next=/inbox/", "second-factor"
