"""Members of an evidence bundle that proposals know: the action as approved, the reads it rests on, what the agent said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise, zip_longest
from uuid import UUID

from django.db.models import Q

from audit.bundle_parts import Composer, grouped
from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import wire_time
from kernel.ids import Prefix, decode, encode
from proposals.models import Citation, Feedback, Proposal, ReadReceipt

# Stands for a side that does not have the place.
ABSENT = object()


def proposal_section(proposals: Sequence[str]) -> Composer:
    """Return what composes the members of each of these proposals, stored bytes exactly as they were hashed; {} where there is none."""
    keys = [decode(Prefix.PROPOSAL, proposal) for proposal in proposals]
    rows = Proposal.objects.select_related("feedback", "agent").in_bulk(keys)
    citations = Citation.objects.select_related("read").filter(proposal_id__in=rows).order_by("proposal", "position")
    cited = grouped(citations, lambda row: row.proposal_id)
    lines = _Lines(rows.values())

    def members_of(proposal_id: str) -> Mapping[str, bytes]:
        proposal = rows.get(decode(Prefix.PROPOSAL, proposal_id))
        return {} if proposal is None else _members(proposal, [citation.read for citation in cited.get(proposal.pk, ())], lines)

    return members_of


def _members(proposal: Proposal, reads: Sequence[ReadReceipt], lines: _Lines) -> dict[str, bytes]:
    members = {
        "proposal/action.json": bytes(proposal.action_bytes),
        "proposal/proposal.json": canonical_bytes(_described(proposal)),
        **{f"proposal/reads/{read.public_id}.json": bytes(read.result_bytes) for read in reads},
    }
    members |= _revisions(proposal, lines.of(proposal))
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


def _revisions(proposal: Proposal, line: Sequence[Proposal]) -> dict[str, bytes]:
    """Return every other revision's action, and what changed from each to the next; nothing for a proposal of one revision."""
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


class _Lines:
    """All revisions of some proposals, read in as many statements as the longest line has revisions, and one more."""

    def __init__(self, proposals: Collection[Proposal]) -> None:
        self._rows: dict[UUID, Proposal] = {row.pk: row for row in proposals}
        newest = list(proposals)
        while newest:
            before = {row.supersedes_id for row in newest if row.supersedes_id} - self._rows.keys()
            found = Proposal.objects.filter(Q(pk__in=before) | Q(supersedes__in=[row.pk for row in newest]))
            newest = [row for row in found.only("supersedes", "revision", "action_bytes") if row.pk not in self._rows]
            self._rows |= {row.pk: row for row in newest}
        self._after = {row.supersedes_id: row for row in self._rows.values() if row.supersedes_id}

    def of(self, proposal: Proposal) -> list[Proposal]:
        """Return all revisions of a proposal, the first one first."""
        line = [proposal]
        while (before := line[0].supersedes_id) is not None:
            line.insert(0, self._rows[before])
        while (after := self._after.get(line[-1].pk)) is not None:
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
