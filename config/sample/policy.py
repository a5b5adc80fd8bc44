"""The sample policy: small reversible writes by themselves, everything else by people, large amounts by two different ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User

from approvals.models import Policy
from approvals.routing import StepRule
from approvals.services import RowDraft, activate_policy, create_policy, submit_policy
from kernel.actors import Actor

PURCHASING = StepRule(group="purchasing", min_approvals=1)
FINANCE = StepRule(group="finance", min_approvals=1)
TWO_OF_FINANCE = StepRule(group="finance", min_approvals=2)

ROWS = (
    RowDraft(
        priority=10,
        title="Orders up to 100 EUR in a day need nobody",
        tool="create_purchase_order",
        company="DE01",
        currency="EUR",
        up_to_minor=100_00,
        rolling_days=1,
        is_automatic=True,
    ),
    RowDraft(
        priority=20,
        title="Orders up to 25,000 EUR in ten days: Purchasing lead",
        tool="create_purchase_order",
        company="DE01",
        currency="EUR",
        up_to_minor=25_000_00,
        rolling_days=10,
        steps=(PURCHASING,),
    ),
    RowDraft(
        priority=30,
        title="Orders above 25,000 EUR in ten days: Purchasing lead, then Finance",
        tool="create_purchase_order",
        company="DE01",
        currency="EUR",
        steps=(PURCHASING, FINANCE),
    ),
    RowDraft(
        priority=40,
        title="Orders up to 25,000 USD: Purchasing lead",
        tool="create_purchase_order",
        company="US01",
        currency="USD",
        up_to_minor=25_000_00,
        steps=(PURCHASING,),
    ),
    RowDraft(
        priority=50,
        title="Orders above 25,000 USD: Purchasing lead, then Finance",
        tool="create_purchase_order",
        company="US01",
        currency="USD",
        steps=(PURCHASING, FINANCE),
    ),
    RowDraft(
        priority=60,
        title="Journal entries up to 10,000 EUR: Finance",
        tool="post_journal_entry",
        currency="EUR",
        up_to_minor=10_000_00,
        steps=(FINANCE,),
    ),
    RowDraft(
        priority=70,
        title="Journal entries above 10,000 EUR: two of Finance",
        tool="post_journal_entry",
        currency="EUR",
        steps=(TWO_OF_FINANCE,),
    ),
    RowDraft(priority=80, title="Journal entries in USD: Finance", tool="post_journal_entry", currency="USD", steps=(FINANCE,)),
    RowDraft(
        priority=90,
        title="Releases of stock: Purchasing lead",
        tool="release_inventory",
        currency="EUR",
        steps=(PURCHASING,),
    ),
    RowDraft(priority=100, title="Customer terms: Finance", tool="update_customer", currency="EUR", steps=(FINANCE,)),
)


def load_policy(*, people: Mapping[str, User], now: datetime) -> Policy:
    """Write the policy as one controller and activate it as the other."""
    author, second = people["petra"], people["ruth"]
    policy = create_policy(title="Sample authority matrix", rows=ROWS, user=author, actor=Actor.human(author.pk), now=now)
    submit_policy(policy_id=policy.pk, user=author, actor=Actor.human(author.pk), now=now)
    return activate_policy(policy_id=policy.pk, user=second, actor=Actor.human(second.pk), now=now)
