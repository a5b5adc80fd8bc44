"""Second reviews that wait for somebody."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from approvals.oversight.models import Review
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode


def review_waiting(user: User, proposal_id: str) -> Review | None:
    """Return the review of this proposal that waits for this person, who is not to see the decision before; None for everybody else."""
    try:
        key = decode(Prefix.PROPOSAL, proposal_id)
    except InvalidIdentifier:
        return None
    return Review.objects.filter(proposal_id=key, reviewer=user, verdict="").first()


def reviews_badge(user: User, _now: datetime) -> int:
    """Return how many second reviews wait for this person."""
    return Review.objects.filter(reviewer=user, verdict="").count()
