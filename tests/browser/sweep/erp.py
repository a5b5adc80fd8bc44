"""Commits, connections and reconciliation."""

from __future__ import annotations

from collections.abc import Iterator

from tests.browser.sweep import Stop
from tests.builders.console import ORDER, Installation, make_break


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield them as an operator sees them."""
    order = installation.proposal(ORDER)
    difference = make_break(order)
    yield "ines", "/commits/", "commits"
    yield "ines", f"/commits/{order.commit.public_id}/", "commit"
    yield "ines", "/commits/connections/", "connections"
    yield "ines", "/commits/connections/embedded/", "connection"
    yield "ines", "/commits/?state=unknown&key=x", "commits-unknown"
    yield "ines", "/reconciliation/", "reconciliation"
    yield "ines", f"/reconciliation/runs/{difference.last_run.public_id}/", "run"
    yield "ines", "/reconciliation/breaks/", "breaks"
    yield "ines", f"/reconciliation/breaks/{difference.public_id}/", "break"
