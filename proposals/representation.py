"""Proposals, reads and tools as agents see them: plain values, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from audit.finality import SealedReceipt
from gateway.catalogue import Tool
from identity.models import Grant
from kernel.canonical import parse_json
from kernel.clock import wire_time
from kernel.ids import Prefix, encode
from kernel.money import Money
from proposals.models import Feedback, Outcome, Proposal, ReadReceipt
from proposals.states import OutcomeStatus, ProposalState

Json = dict[str, Any]
STATUSES = tuple(state.value for state in ProposalState if state != ProposalState.APPROVED) + tuple(OutcomeStatus.values)


def status_of(proposal: Proposal, outcome: Outcome | None) -> str:
    """Return the one word an agent needs: the state at the gate or, once approved, what became of it in the ERP."""
    if proposal.state != ProposalState.APPROVED:
        return str(proposal.state)
    return str(outcome.status) if outcome else OutcomeStatus.QUEUED.value


def is_final(proposal: Proposal, outcome: Outcome | None) -> bool:
    """Return whether waiting can't change the status any more.

    A failed write that may be retried is not final; a proposal to be changed is: only its agent's revision moves it on.
    """
    if proposal.state != ProposalState.APPROVED:
        return proposal.state != ProposalState.PENDING
    if outcome is None:
        return False
    if outcome.status == OutcomeStatus.FAILED:
        return not outcome.data.get("is_retryable", False)
    return outcome.status in {OutcomeStatus.COMMITTED, OutcomeStatus.LOGGED}


def proposal_view(
    proposal: Proposal,
    *,
    reads: Sequence[UUID],
    superseded_by: UUID | None = None,
    approval_receipt: SealedReceipt | None = None,
    is_new: bool = False,
) -> Json:
    """Return the proposal; a pending one costs no query, since it has neither outcome nor feedback, nor does one that is new.

    What is approved by itself and only logged has its outcome from the beginning, though. `approval_receipt` is where its approval
    stands in the sealed log; an approval that needs one is final only with it.
    """
    is_pending = proposal.state == ProposalState.PENDING or (is_new and not proposal.is_log_only)
    outcome: Outcome | None = None if is_pending else getattr(proposal, "outcome", None)
    feedback: Feedback | None = None if is_pending else getattr(proposal, "feedback", None)
    return {
        "id": proposal.public_id,
        "status": status_of(proposal, outcome),
        "is_final": is_final(proposal, outcome),
        "is_log_only": proposal.is_log_only,
        "tool": proposal.tool,
        "tool_version": proposal.tool_version,
        "company": proposal.company,
        "amount": proposal.amount.decimal_text(),
        "currency": proposal.currency,
        "headline": proposal.headline,
        "payload_digest": proposal.payload_digest,
        "created_at": wire_time(proposal.created_at),
        "expires_at": wire_time(proposal.expires_at),
        "decided_at": wire_time(proposal.decided_at) if proposal.decided_at else None,
        "revision": proposal.revision,
        "supersedes": encode(Prefix.PROPOSAL, proposal.supersedes_id) if proposal.supersedes_id else None,
        "superseded_by": encode(Prefix.PROPOSAL, superseded_by) if superseded_by else None,
        "reads": [encode(Prefix.READ, key) for key in reads],
        "feedback": _feedback(feedback),
        "outcome": _outcome(outcome),
        "approval_receipt": approval_receipt.as_dict() if approval_receipt else None,
    }


def read_view(receipt: ReadReceipt, result: object | None = None) -> Json:
    """Return the receipt with its result: the one given, or the one in the stored bytes."""
    return {
        "read_id": receipt.public_id,
        "tool": receipt.tool,
        "tool_version": receipt.tool_version,
        "company": receipt.company,
        "arguments": receipt.arguments,
        "as_of": wire_time(receipt.as_of),
        "digest": receipt.result_digest,
        "result": parse_json(bytes(receipt.result_bytes)) if result is None else result,
    }


def tool_view(tool: Tool, grant: Grant, *, has_schemas: bool = False) -> Json:
    """Return what an agent may know of a tool it was granted, and how far its grant goes."""
    view: Json = {
        "name": tool.name,
        "version": tool.version,
        "title": tool.title,
        "description": tool.description,
        "kind": tool.kind.value,
        "risk": tool.risk.value,
        "is_reversible": tool.is_reversible,
        "compensation": tool.compensation,
        "grant": grant_view(grant),
    }
    if has_schemas:
        view["input_schema"] = tool.input_schema()
        view["output_schema"] = tool.output_schema()
    return view


def grant_view(grant: Grant) -> Json:
    """Return the bounds of a grant as its agent may know them."""
    return {
        "state": grant.state,
        "companies": list(grant.companies),
        "vendors": list(grant.vendors),
        "accounts": list(grant.accounts),
        "cost_centres": list(grant.cost_centres),
        "currency": grant.currency or None,
        "ceiling_per_write": _amount(grant.ceiling_minor, grant.currency),
        "ceiling_per_day": _amount(grant.ceiling_day_minor, grant.currency),
        "ceiling_per_30_days": _amount(grant.ceiling_30_days_minor, grant.currency),
        "count_per_hour": grant.count_per_hour,
        "valid_until": wire_time(grant.valid_until),
    }


def _amount(minor: int | None, currency: str) -> str | None:
    return Money(minor, currency).decimal_text() if minor is not None and currency else None


def _feedback(feedback: Feedback | None) -> Mapping[str, object] | None:
    if feedback is None:
        return None
    return {"reason_code": feedback.code, "comment": feedback.comment, "differences": feedback.differences}


def _outcome(outcome: Outcome | None) -> Mapping[str, object] | None:
    if outcome is None:
        return None
    return {
        "document": outcome.document or None,
        "code": outcome.code or None,
        "detail": outcome.detail or None,
        "data": outcome.data,
    }
