"""Second reviews that wait for somebody."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from approvals.oversight.models import EvidenceOpening, Review
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode
from proposals.models import Proposal


def review_waiting(user: User, proposal_id: str) -> Review | None:
    """Return the review of this proposal that waits for this person, who is not to see the decision before; None for everybody else."""
    try:
        key = decode(Prefix.PROPOSAL, proposal_id)
    except InvalidIdentifier:
        return None
    return Review.objects.filter(proposal_id=key, reviewer=user, verdict="").first()


def evidence_opened(user: User, proposal: Proposal) -> list[str]:
    """Return the reads that the proposal cites and whose answers this person has opened, the first opened first; TypeIDs."""
    found = EvidenceOpening.objects.filter(proposal=proposal, user=user).order_by("opened_at", "pk")
    return [encode(Prefix.READ, key) for key in found.values_list("read_id", flat=True)]


def reviews_badge(user: User, _now: datetime) -> int:
    """Return how many second reviews wait for this person."""
    return Review.objects.filter(reviewer=user, verdict="").count()
