"""Second reviews that wait for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User

from approvals.oversight.models import EvidenceOpening, Review
from kernel.context import current_origin
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode
from proposals.models import Proposal

KEPT = "_reviews_of_request"


def review_waiting(user: User, proposal_id: str) -> Review | None:
    """Return the review of this proposal that waits for this person, who is not to see the decision before; None for everybody else."""
    try:
        key = decode(Prefix.PROPOSAL, proposal_id)
    except InvalidIdentifier:
        return None
    return next((review for review in _waiting(user) if review.proposal_id == key), None)


def evidence_opened(user: User, proposal: Proposal) -> list[str]:
    """Return the reads whose answers this person has opened and the attachments they fetched, the first opened first; TypeIDs."""
    found = EvidenceOpening.objects.filter(proposal=proposal, user=user).order_by("opened_at", "pk")
    return [
        encode(Prefix.ATTACHMENT, attachment) if read is None else encode(Prefix.READ, read)
        for read, attachment in found.values_list("read_id", "attachment_id")
    ]


def reviews_badge(user: User, _now: datetime) -> int:
    """Return how many second reviews wait for this person."""
    return len(_waiting(user))


def _waiting(user: User) -> Sequence[Review]:
    """Return the few reviews that wait for this person; asked once within a request."""
    request_id = current_origin().request_id
    kept: tuple[str, Sequence[Review]] | None = vars(user).get(KEPT)
    if kept is not None and request_id and kept[0] == request_id:
        return kept[1]
    found = tuple(Review.objects.filter(reviewer=user, verdict=""))
    vars(user)[KEPT] = (request_id, found)
    return found
