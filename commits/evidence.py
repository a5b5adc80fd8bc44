"""The commit's part of an evidence bundle: what was sent, what was answered, what was read back, how often it was tried."""

from __future__ import annotations

from collections.abc import Mapping

from commits.models import Attempt, Commit, Receipt, Relanding
from kernel.canonical import canonical_bytes
from kernel.clock import wire_time
from kernel.ids import Prefix, decode


def erp_members(proposal: str) -> Mapping[str, bytes]:
    """Return the members under `erp/` for one proposal, by TypeID; bytes that were stored go in as they were stored."""
    commit = Commit.objects.filter(proposal_id=decode(Prefix.PROPOSAL, proposal)).first()
    if commit is None:
        return {}
    members = {"erp/attempts.json": canonical_bytes(_attempts(commit))}
    if commit.request_bytes is not None:
        members["erp/request.json"] = bytes(commit.request_bytes)
    receipt = Receipt.objects.filter(pk=commit.pk).first()
    if receipt is not None:
        members["erp/receipt.json"] = bytes(receipt.answer_bytes)
        members["erp/read_back.json"] = bytes(receipt.read_back_bytes)
    for again in Relanding.objects.filter(commit=commit):
        members[f"erp/receipt_{again.number}.json"] = bytes(again.answer_bytes)
        members[f"erp/read_back_{again.number}.json"] = bytes(again.read_back_bytes)
    return members


def _attempts(commit: Commit) -> dict[str, object]:
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
            for attempt in Attempt.objects.filter(commit=commit).order_by("number")
        ],
    }
