"""The extension `io.modelcontextprotocol/tasks` (SEP-2663) over proposals: the task is the proposal, its id the proposal's.

Nothing is kept for a task: a proposal is durable, and whoever may see it may watch it. Cancelling a task means that the client has
stopped watching; taking the write back is the tool `withdraw_proposal`, because frameworks cancel by themselves when they have waited
long enough.
"""

from __future__ import annotations

from datetime import datetime

from identity.principals import AgentPrincipal
from kernel.clock import wire_time
from proposals import queries
from proposals.answers import views_of
from proposals.mcp.results import message_of, of_proposal
from proposals.models import Proposal
from proposals.representation import Json
from proposals.states import ProposalState

EXTENSION = "io.modelcontextprotocol/tasks"
# People decide in minutes at best; clients ask as often as they are told to.
POLL_INTERVAL_MILLISECONDS = 15_000


def new_task(proposal: Proposal, view: Json) -> Json:
    """Return the handle that a proposing call answers with."""
    return {"resultType": "task", **_task(proposal, view)}


def get_task(principal: AgentPrincipal, task_id: str) -> Json:
    """Return where the agent's own task stands, with the call's result once there is one; raises NotVisible or InvalidIdentifier."""
    proposal = queries.get_proposal_for(principal, task_id)
    view = views_of([proposal])[0]
    task = _task(proposal, view)
    if task["status"] == "completed":
        task["result"] = of_proposal(view).model_dump(by_alias=True, mode="json", exclude_none=True)
    return {"resultType": "complete", **task}


def require_task(principal: AgentPrincipal, task_id: str) -> None:
    """The task is the agent's own; raises NotVisible or InvalidIdentifier."""
    queries.get_proposal_for(principal, task_id)


def _task(proposal: Proposal, view: Json) -> Json:
    return {
        "taskId": proposal.public_id,
        "status": _status(view),
        "statusMessage": message_of(view),
        "createdAt": wire_time(proposal.created_at),
        "lastUpdatedAt": wire_time(_last_change(proposal)),
        # Proposals are never discarded.
        "ttlMs": None,
        "pollIntervalMs": POLL_INTERVAL_MILLISECONDS,
    }


def _status(view: Json) -> str:
    """Return the task's status: a refusal is a completed call with an error in it, since `failed` is for errors of the protocol.

    A request for changes completes the call too: revising is a new proposal, not an answer to this one.
    """
    if not view["is_final"]:
        return "working"
    return "cancelled" if view["status"] == ProposalState.WITHDRAWN else "completed"


def _last_change(proposal: Proposal) -> datetime:
    if proposal.state == ProposalState.PENDING:
        return proposal.created_at
    outcome = getattr(proposal, "outcome", None)
    return max(instant for instant in (proposal.created_at, proposal.decided_at, outcome and outcome.updated_at) if instant)
