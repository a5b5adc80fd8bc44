"""What a tool call comes to, as MCP carries it: a value and the same value as text, or a refusal that says what to do next."""

from __future__ import annotations

from dataclasses import replace

from mcp_types import CallToolResult, TextContent
from pydantic import Field

from kernel.canonical import canonical_bytes
from proposals.documents import Document, ProposalDocument
from proposals.problems import Problem
from proposals.representation import Json
from proposals.states import TRANSITIONS, OutcomeStatus, ProposalState

PENDING_APPROVAL = "pending_approval"
SUCCEEDED = frozenset({OutcomeStatus.COMMITTED.value, OutcomeStatus.LOGGED.value})
SENTENCES = {
    ProposalState.PENDING: "People decide on it now; that may take days.",
    OutcomeStatus.QUEUED: "It is approved and waits to be written to the ERP.",
    OutcomeStatus.IN_FLIGHT: "It is approved and being written to the ERP.",
    OutcomeStatus.UNKNOWN: "It is approved and was sent to the ERP, whose answer was lost; it is being found out what became of it.",
    OutcomeStatus.COMMITTED: "It is approved and stands in the ERP.",
    OutcomeStatus.LOGGED: "It is approved; this agent's grant is log-only, so that nothing was written to the ERP.",
    OutcomeStatus.FAILED: "It is approved, and the ERP refused it.",
    ProposalState.REJECTED: "It was rejected.",
    ProposalState.CHANGES_REQUESTED: "Changes were requested.",
    ProposalState.EXPIRED: "Nobody decided on it in time.",
    ProposalState.WITHDRAWN: "It was withdrawn by its agent.",
    ProposalState.VOIDED: "It was voided: what it rested on no longer holds.",
    ProposalState.SUPERSEDED: "A revision took its place.",
}
WAIT = "Do not propose it again. Ask get_proposal with this proposal_id later; repeating this very call returns the same proposal."
DONE = "Nothing: this is done."
STOP = "Do not repeat this call: the answer stays the same."
REVISE = "Do not repeat this call. A revised write is a new call with a new idempotency_key and with supersedes set to this proposal_id."
CORRECT = "Do not repeat this call. A corrected write is a new call with a new idempotency_key."
AGAIN = "Repeat the same call in a moment, a write with the same idempotency_key."
AMEND = "Correct what errors names, then call again."
OTHER_TOKEN = "Get an access token for what data.needed names and call again with it; with this token the answer stays the same."  # noqa: S105


class SubmittedDocument(Document):
    """A proposed write: people decide on it, nothing stands in the ERP before."""

    status: str = Field(description="pending_approval, or how far it has come since: queued, in_flight, unknown, committed, logged")
    proposal_id: str
    message: str
    next_step: str = Field(description="What to do now")
    proposal: ProposalDocument


def of_value(value: Json, *, is_error: bool = False) -> CallToolResult:
    """Return the result with the value in both forms: some clients show the model nothing but text."""
    text = canonical_bytes(value).decode()
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=value, is_error=is_error)


def of_problem(problem: Problem) -> CallToolResult:
    """Return the refusal of a call."""
    if problem.is_retryable:
        next_step = AGAIN
    elif problem.code == "token_scope":
        next_step = OTHER_TOKEN
    else:
        next_step = AMEND if problem.errors else STOP
    return of_value({**problem.as_dict(), "next_step": next_step}, is_error=True)


def of_proposal(view: Json) -> CallToolResult:
    """Return what a write has come to: pending, done, or refused by people, by time or by the ERP."""
    status = str(view["status"])
    is_refused = view["is_final"] and status not in SUCCEEDED
    feedback, outcome = view["feedback"] or {}, view["outcome"] or {}
    said = feedback.get("comment") or outcome.get("detail") or ""
    value: Json = {
        "status": PENDING_APPROVAL if status == ProposalState.PENDING else status,
        "proposal_id": view["id"],
        "message": f"{message_of(view)} {said}".strip(),
        "next_step": _next_step(view, status),
        "proposal": view,
    }
    if is_refused:
        value |= {"code": feedback.get("reason_code") or outcome.get("code") or f"proposal_{status}", "retryable": False}
    return of_value(value, is_error=is_refused)


def message_of(view: Json) -> str:
    """Return where the proposal stands, as a sentence."""
    return SENTENCES[view["status"]]


def without_prefix(problem: Problem, prefix: str) -> Problem:
    """Return the problem as seen by who sent the fields without the prefix that the service knows them under."""
    errors = tuple({**error, "path": error["path"].removeprefix(prefix)} for error in problem.errors)
    return replace(problem, detail=problem.detail.replace(f"{prefix}/", "/"), errors=errors)


def _next_step(view: Json, status: str) -> str:
    if not view["is_final"]:
        return WAIT
    if status in SUCCEEDED:
        return DONE
    if view["superseded_by"]:
        return f"Ask get_proposal for {view['superseded_by']}, which took its place."
    if status == OutcomeStatus.FAILED:
        return CORRECT
    return REVISE if ProposalState.SUPERSEDED in TRANSITIONS[status] else STOP
