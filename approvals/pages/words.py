"""States and codes of the gate in words, icons and colours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from approvals.states import DecisionKind, PolicyState
from gateway.catalogue import TOOLS, Risk
from identity.policies import agent_standing
from kernel.display import Tag, Tone
from kernel.verdicts import Denied
from proposals.models import Outcome, Proposal
from proposals.states import OutcomeStatus, ProposalState

PROPOSAL_TAGS: Mapping[str, Tag] = {
    ProposalState.PENDING: Tag("Pending", Tone.INFO, "clock"),
    ProposalState.APPROVED: Tag("Approved", Tone.GOOD, "check"),
    ProposalState.REJECTED: Tag("Rejected", Tone.BAD, "cross"),
    ProposalState.CHANGES_REQUESTED: Tag("Changes requested", Tone.WARN, "return"),
    ProposalState.EXPIRED: Tag("Expired", Tone.PLAIN, "clock"),
    ProposalState.WITHDRAWN: Tag("Withdrawn", Tone.PLAIN, "return"),
    ProposalState.VOIDED: Tag("Voided", Tone.BAD, "stop"),
    ProposalState.SUPERSEDED: Tag("Superseded", Tone.PLAIN, "arrow"),
}
FROZEN_TAG = Tag(
    "Frozen", Tone.WARN, "pause", "Its agent may not act now; nobody can decide and nothing is sent until the agent is resumed"
)
OUTCOME_TAGS: Mapping[str, Tag] = {
    OutcomeStatus.QUEUED: Tag("Approved, queued", Tone.INFO, "check"),
    OutcomeStatus.IN_FLIGHT: Tag("Approved, in flight", Tone.INFO, "check"),
    OutcomeStatus.COMMITTED: Tag("Committed", Tone.GOOD, "check"),
    OutcomeStatus.FAILED: Tag("Commit failed", Tone.BAD, "cross"),
    OutcomeStatus.UNKNOWN: Tag("Outcome unknown", Tone.WARN, "unknown"),
    OutcomeStatus.LOGGED: Tag("Approved, logged only", Tone.INFO, "info"),
}
POLICY_TAGS: Mapping[str, Tag] = {
    PolicyState.DRAFT: Tag("Draft", Tone.INFO, "info"),
    PolicyState.REVIEW: Tag("In review", Tone.WARN, "clock"),
    PolicyState.ACTIVE: Tag("Active", Tone.GOOD, "check"),
    PolicyState.RETIRED: Tag("Retired", Tone.PLAIN, "stop"),
}
RISK_TAGS: Mapping[str, Tag] = {
    Risk.LOW: Tag("Low risk", Tone.PLAIN, "low"),
    Risk.MEDIUM: Tag("Medium risk", Tone.WARN, "medium"),
    Risk.HIGH: Tag("High risk", Tone.BAD, "high"),
    Risk.PRIVILEGED: Tag("Privileged", Tone.BAD, "stop"),
}
SHORT_RISK_TAGS: Mapping[str, Tag] = {
    Risk.LOW: Tag("Low", Tone.PLAIN, "low"),
    Risk.MEDIUM: Tag("Medium", Tone.WARN, "medium"),
    Risk.HIGH: Tag("High", Tone.BAD, "high"),
    Risk.PRIVILEGED: Tag("Privileged", Tone.BAD, "stop"),
}
DECIDED: Mapping[str, str] = {
    DecisionKind.APPROVE: "approved",
    DecisionKind.REJECT: "rejected",
    DecisionKind.REQUEST_CHANGES: "requested changes",
}
DECIDED_THIS: Mapping[str, str] = {**DECIDED, DecisionKind.REQUEST_CHANGES: "requested changes to"}
DECISION_ICONS: Mapping[str, str] = {
    DecisionKind.APPROVE: "check",
    DecisionKind.REJECT: "cross",
    DecisionKind.REQUEST_CHANGES: "return",
}
REASONS: Mapping[str, str] = {
    "amount": "Amount or quantity",
    "counterparty": "Vendor, customer or account",
    "dates": "Date or period",
    "not_needed": "Not needed",
    "duplicate": "Duplicate",
    "evidence": "Evidence missing or stale",
    "against_policy": "Against policy",
    "warning_accepted": "Warning seen and accepted",
    "other": "Other",
}


def frozen_reason(proposal: Proposal, outcome: Outcome | None, now: datetime) -> str:
    """Return why the proposal is frozen, as a sentence, or an empty text: its agent may not act, and something is still to happen."""
    is_waiting = proposal.state == ProposalState.PENDING or (
        proposal.state == ProposalState.APPROVED and (outcome is None or outcome.status == OutcomeStatus.QUEUED)
    )
    standing = agent_standing(proposal.agent, now)
    return standing.reason if is_waiting and isinstance(standing, Denied) else ""


def status_tag(proposal: Proposal, outcome: Outcome | None) -> Tag:
    """Return where a proposal stands, the commit included: what the API calls its status."""
    if proposal.state == ProposalState.APPROVED and outcome is not None:
        return OUTCOME_TAGS[outcome.status]
    return PROPOSAL_TAGS[proposal.state]


def outcome_of(proposal: Proposal) -> Outcome | None:
    """Return what became of the proposal in the ERP, or None while there is nothing to tell."""
    return getattr(proposal, "outcome", None)


def risk_of(tool: str) -> Risk:
    """Return the risk of a tool; a tool that has left the catalogue counts as high."""
    found = TOOLS.get(tool)
    return found.risk if found else Risk.HIGH


def tool_title(tool: str) -> str:
    """Return the title of a tool, or its name when it has left the catalogue."""
    found = TOOLS.get(tool)
    return found.title if found else tool


def reason_text(code: str) -> str:
    """Return a reason code in words."""
    return REASONS.get(code, code.replace("_", " "))
