"""The inbox, proposals in their states, and the policy they are routed by."""

from __future__ import annotations

from collections.abc import Iterator

from approvals.models import Policy
from approvals.states import PolicyState
from tests.browser.sweep import Stop
from tests.builders.console import ENTRY, LARGE_ORDER, ORDER, Installation


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield them as approvers and others see them."""
    order, entry, large = (installation.proposal(key) for key in (ORDER, ENTRY, LARGE_ORDER))
    yield "maria", "/inbox/", "inbox"
    yield "maria", "/inbox/?view=waiting", "inbox-waiting"
    yield "maria", "/inbox/?view=done", "inbox-done"
    yield "maria", "/inbox/?q=nothing-like-this&company=DE01", "inbox-empty"
    yield "tomas", "/proposals/", "proposals"
    yield "maria", f"/proposals/{large.public_id}/", "proposal"
    yield "maria", f"/proposals/{order.public_id}/", "proposal-committed"
    yield "maria", f"/proposals/{entry.public_id}/", "proposal-rejected"
    yield "tomas", f"/proposals/{large.public_id}/", "proposal-not-mine"
    yield "maria", "/policies/", "policies"
    yield "petra", f"/policies/{Policy.objects.get(state=PolicyState.ACTIVE).public_id}/", "policy"
