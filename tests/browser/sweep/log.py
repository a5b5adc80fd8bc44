"""The audit log."""

from __future__ import annotations

from collections.abc import Iterator

from tests.browser.sweep import Stop
from tests.builders.console import ORDER, Installation


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield it as an auditor sees it."""
    yield "samuel", "/audit/", "audit"
    yield "samuel", f"/audit/proposals/{installation.proposal(ORDER).public_id}/", "audit-proposal"
