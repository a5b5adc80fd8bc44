"""What was proposed before for the same counterparty: the history that a decision is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from approvals.pages.words import outcome_of, status_tag
from kernel.display import Moment, Tag, ago
from kernel.money import Money
from proposals.models import Proposal

EARLIER_MAX = 5


@dataclass(frozen=True, slots=True)
class EarlierLine:
    """One proposal before this one, and by how much this one differs."""

    url: str
    headline: str
    created: Moment
    status: Tag
    amount: str
    difference: str


def earlier(proposal: Proposal, now: datetime) -> Sequence[EarlierLine]:
    """Return the last proposals of the same tool, company and counterparty before this one, its own versions left out; one query."""
    if not proposal.counterparty:
        return []
    rows = (
        Proposal.objects.filter(
            company=proposal.company, tool=proposal.tool, counterparty=proposal.counterparty, created_at__lt=proposal.created_at
        )
        .select_related("outcome")
        .only("headline", "reference", "created_at", "state", "amount_minor", "currency", "outcome__status")
        .order_by("-created_at")
    )
    return [
        EarlierLine(
            url=reverse("approvals:proposal", args=[row.public_id]),
            headline=row.headline,
            created=ago(row.created_at, now),
            status=status_tag(row, outcome_of(row)),
            amount=str(row.amount),
            difference=_difference(proposal.amount, row.amount),
        )
        for row in [row for row in rows[: 4 * EARLIER_MAX] if row.reference != proposal.reference or not row.reference][:EARLIER_MAX]
    ]


def _difference(this: Money, other: Money) -> str:
    """Return how this amount stands to the other: +12 %, the same, or nothing to compare."""
    if this.currency != other.currency or not other.minor:
        return "–"
    percent = round((this.minor - other.minor) * 100 / other.minor)
    return f"{percent:+,} %" if percent else "the same"
