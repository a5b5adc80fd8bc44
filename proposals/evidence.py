"""Members of an evidence bundle that proposals know: the action as approved, the reads it rests on, what the agent said."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, zip_longest

from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import wire_time
from kernel.ids import Prefix, decode, encode
from proposals.models import Feedback, Proposal

# Stands for a side that does not have the place.
ABSENT = object()


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
    members |= _revisions(proposal)
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


def _revisions(proposal: Proposal) -> dict[str, bytes]:
    """Return every other revision's action, and what changed from each to the next; nothing for a proposal of one revision."""
    line = _line_of(proposal)
    if len(line) == 1:
        return {}
    steps = [
        {
            "from": before.public_id,
            "to": after.public_id,
            "changes": _changes(parse_json(bytes(before.action_bytes)), parse_json(bytes(after.action_bytes)), ""),
        }
        for before, after in pairwise(line)
    ]
    return {
        "proposal/diffs.json": canonical_bytes({"schema": "countersign.proposal.diffs/1", "steps": steps}),
        **{f"proposal/revisions/{row.revision:03d}-{row.public_id}.json": bytes(row.action_bytes) for row in line if row.pk != proposal.pk},
    }


def _line_of(proposal: Proposal) -> list[Proposal]:
    """Return all revisions, the first one first."""
    line = [proposal]
    while line[0].supersedes is not None:
        line.insert(0, line[0].supersedes)
    while (after := Proposal.objects.filter(supersedes=line[-1]).first()) is not None:
        line.append(after)
    return line


def _changes(before: object, after: object, path: str) -> list[dict[str, object]]:
    """Return each place where two actions differ, as JSON Pointers with both values; an absent side has no member."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted({*before, *after})
        sides = [(f"{path}/{name}", before.get(name, ABSENT), after.get(name, ABSENT)) for name in names]
    elif isinstance(before, list) and isinstance(after, list):
        both = enumerate(zip_longest(before, after, fillvalue=ABSENT))
        sides = [(f"{path}/{place}", old, new) for place, (old, new) in both]
    else:
        found = {"path": path, "before": before, "after": after}
        return [] if before == after else [{name: value for name, value in found.items() if value is not ABSENT}]
    return [change for place, old, new in sides for change in _changes(old, new, place)]
