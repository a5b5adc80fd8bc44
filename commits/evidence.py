"""The commit's part of an evidence bundle: what was sent, what was answered, what was read back, how often it was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.bundle_parts import Composer, grouped
from commits.models import Attempt, Commit, Receipt, Relanding
from kernel.canonical import canonical_bytes
from kernel.clock import wire_time
from kernel.ids import Prefix, decode


def erp_section(proposals: Sequence[str]) -> Composer:
    """Return what composes the members under `erp/` of each of these proposals; bytes that were stored go in as they were stored."""
    found = Commit.objects.filter(proposal_id__in=[decode(Prefix.PROPOSAL, proposal) for proposal in proposals])
    commits = {commit.proposal_id: commit for commit in found}
    keys = [commit.pk for commit in commits.values()]
    receipts = Receipt.objects.in_bulk(keys)
    relandings = grouped(Relanding.objects.filter(commit__in=keys), lambda row: row.commit_id)
    attempts = grouped(Attempt.objects.filter(commit__in=keys).order_by("commit", "number"), lambda row: row.commit_id)

    def members_of(proposal: str) -> Mapping[str, bytes]:
        commit = commits.get(decode(Prefix.PROPOSAL, proposal))
        if commit is None:
            return {}
        members = {"erp/attempts.json": canonical_bytes(_attempts(commit, attempts.get(commit.pk, ())))}
        if commit.request_bytes is not None:
            members["erp/request.json"] = bytes(commit.request_bytes)
        if (receipt := receipts.get(commit.pk)) is not None:
            members["erp/receipt.json"] = bytes(receipt.answer_bytes)
            members["erp/read_back.json"] = bytes(receipt.read_back_bytes)
        for again in relandings.get(commit.pk, ()):
            members[f"erp/receipt_{again.number}.json"] = bytes(again.answer_bytes)
            members[f"erp/read_back_{again.number}.json"] = bytes(again.read_back_bytes)
        return members

    return members_of


def _attempts(commit: Commit, attempts: Sequence[Attempt]) -> dict[str, object]:
    return {
        "schema": "countersign.erp.attempts/1",
        "commit": commit.public_id,
        "connection": commit.connection,
        "key": str(commit.pk),
        "state": str(commit.state),
        "first_sent_at": wire_time(commit.first_sent_at) if commit.first_sent_at else "",
        "attempts": [
            {
                "number": attempt.number,
                "outcome": str(attempt.outcome),
                "started_at": wire_time(attempt.started_at),
                "finished_at": wire_time(attempt.finished_at) if attempt.finished_at else "",
            }
            for attempt in attempts
        ],
    }
