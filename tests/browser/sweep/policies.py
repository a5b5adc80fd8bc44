"""The matrix as its controllers work with it, and the graph of segregation of duties."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from approvals.matrix import editing
from approvals.matrix.models import CompanyCurrency, ExchangeRate
from approvals.models import Policy
from approvals.services import RowDraft, submit_policy
from approvals.states import PolicyState
from identity.models import Agent
from kernel.actors import Actor
from kernel.clock import now as clock_now
from tests.browser.sweep import Stop
from tests.builders.console import LARGE_ORDER, Installation

TRIAL = "tool=create_purchase_order&company=DE01&amount=30000&currency=EUR"
DEMANDING = RowDraft(
    priority=5,
    title="Round amounts for new vendors: one of each, within two days",
    tool="create_purchase_order",
    company="DE01",
    counterparty="17*, 1580",
    currency="EUR",
    from_minor=1_000_00,
    rolling_days=30,
    rolling_by="cost_centre",
    flags_required=("J1", "J8"),
    step_up_from_minor=20_000_00,
    steps=(
        {"group": "purchasing", "further_groups": ["finance"], "min_approvals": 1, "rule": "per_group", "due_days": 2},
        {"group": "finance", "min_approvals": 2},
    ),
)


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield the active version, a draft of the next one in every view, one in review, rates, what is in flight, and the graph."""
    active = Policy.objects.get(state=PolicyState.ACTIVE)
    draft = a_draft(installation, active, "Second approver for round amounts")
    waiting = a_draft(installation, active, "Waits for a second person")
    petra, now = installation.person("petra"), clock_now()
    submit_policy(policy_id=waiting.pk, user=petra, actor=Actor.human(petra.pk), now=now)
    CompanyCurrency.objects.create(company="DE01", currency="EUR", recorded_by=petra, recorded_at=now)
    ExchangeRate.objects.create(
        from_currency="USD",
        to_currency="EUR",
        rate=Decimal("0.9213"),
        rate_on=now.date() - timedelta(days=1),
        source="ECB reference rates",
        recorded_by=petra,
        recorded_at=now,
    )
    its = f"/policies/{draft.public_id}"
    yield "petra", f"{its}/", "matrix-draft"
    yield "petra", f"{its}/rows/{draft.rows.get(priority=5).pk}/", "matrix-row"
    yield "petra", f"{its}/rows/new/", "matrix-row-new"
    yield "petra", f"{its}/import/", "matrix-import"
    yield "petra", f"{its}/check/", "matrix-check"
    yield "petra", f"{its}/try/?{TRIAL}", "matrix-try"
    yield "petra", f"{its}/try/", "matrix-try-empty"
    yield "petra", f"{its}/difference/", "matrix-difference"
    yield "petra", f"{its}/backtest/", "matrix-backtest"
    yield "petra", f"/policies/{waiting.public_id}/", "matrix-own-in-review"
    yield "petra", "/policies/new/", "matrix-new"
    yield "petra", "/policies/currencies/", "matrix-currencies"
    yield "petra", "/policies/in-flight/", "matrix-in-flight"
    yield "maria", f"/proposals/{installation.proposal(LARGE_ORDER).public_id}/segregation/", "segregation-proposal"
    yield "tomas", f"/agents/{Agent.objects.get(name='Purchasing agent').public_id}/segregation/", "segregation-agent"


def a_draft(installation: Installation, active: Policy, title: str) -> Policy:
    """Return a draft by Petra that differs from the active version by one row more."""
    petra = installation.person("petra")
    by: dict[str, Any] = {"user": petra, "actor": Actor.human(petra.pk), "now": clock_now()}
    draft = editing.start_draft(title=title, copy_of=active, **by)
    return editing.save_row(policy_id=draft.pk, row_id=None, draft=DEMANDING, seen="", **by)
