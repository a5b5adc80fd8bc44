"""What this app's audit events are about."""

from __future__ import annotations

from audit.records import Subject
from proposals.models import Proposal


def subject_of(proposal: Proposal) -> Subject:
    """Return the subject of every event about this proposal; its TypeID names the chain and the evidence bundle."""
    return Subject(
        kind="proposal",
        id=proposal.public_id,
        proposal=proposal.public_id,
        company=proposal.company,
        tool=proposal.tool,
        idempotency_key=proposal.idempotency_key,
        revision=proposal.revision,
        trace_id=proposal.trace_id,
    )
