"""Members of an evidence bundle that proposals know: the action as approved, the reads it rests on, what the agent said."""

from __future__ import annotations

from collections.abc import Mapping

from kernel.canonical import canonical_bytes
from kernel.clock import wire_time
from kernel.ids import Prefix, decode, encode
from proposals.models import Feedback, Proposal


def proposal_section(proposal_id: str) -> Mapping[str, bytes]:
    """Return the bundle members of one proposal by path, stored bytes exactly as they were hashed; {} when there is none."""
    key = decode(Prefix.PROPOSAL, proposal_id)
    proposal = Proposal.objects.select_related("feedback").filter(pk=key).first()
    if proposal is None:
        return {}
    reads = [citation.read for citation in proposal.citations.select_related("read")]
    members = {
        "proposal/action.json": bytes(proposal.action_bytes),
        "proposal/proposal.json": canonical_bytes(_described(proposal)),
        **{f"proposal/reads/{read.public_id}.json": bytes(read.result_bytes) for read in reads},
    }
    if reads:
        listed = [
            {
                "read_id": read.public_id,
                "tool": read.tool,
                "tool_version": read.tool_version,
                "company": read.company,
                "arguments": read.arguments,
                "as_of": wire_time(read.as_of),
                "digest": read.result_digest,
            }
            for read in reads
        ]
        members["proposal/reads.json"] = canonical_bytes({"schema": "countersign.proposal.reads/1", "reads": listed})
    return members


def _described(proposal: Proposal) -> dict[str, object]:
    feedback: Feedback | None = getattr(proposal, "feedback", None)
    return {
        "schema": "countersign.proposal/1",
        "id": proposal.public_id,
        "agent": proposal.agent.public_id,
        "state": str(proposal.state),
        "revision": proposal.revision,
        "supersedes": encode(Prefix.PROPOSAL, proposal.supersedes_id) if proposal.supersedes_id else "",
        "tool": proposal.tool,
        "company": proposal.company,
        "amount": proposal.amount.decimal_text(),
        "currency": proposal.currency,
        "headline": proposal.headline,
        "facts": proposal.facts,
        "payload_digest": proposal.payload_digest,
        "rationale": proposal.rationale,
        "created_at": wire_time(proposal.created_at),
        "expires_at": wire_time(proposal.expires_at),
        "decided_at": wire_time(proposal.decided_at) if proposal.decided_at else "",
        "feedback": {"code": feedback.code, "comment": feedback.comment} if feedback else {},
    }
