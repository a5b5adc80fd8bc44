"""The pages of retention, holds and lists for the browser sweep."""

from __future__ import annotations

from collections.abc import Iterator

from audit.retention.models import Disposal
from audit.retention.services import place_hold
from kernel.actors import Actor
from kernel.clock import now
from tests.builders.console import Installation


def pages(installation: Installation) -> Iterator[tuple[str, str, str]]:
    """Yield who looks, at which address, and the picture's name."""
    del installation
    reason = "The company is asked for its records of the year."
    place_hold(matter="Case 12/2026", scope="everything", value="", reason=reason, companies=frozenset(), actor=Actor.human(1), now=now())
    made = Disposal.objects.create(purpose="expiry", prepared_by="1", prepared_at=now(), listed=12, list_digest="sha256:" + "0" * 64)
    yield "petra", "/audit/retention/", "retention"
    yield "petra", f"/audit/retention/lists/{made.public_id}/", "retention_list"
