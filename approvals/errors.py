"""Every refusal the gate can give a person or an agent, with its stable code."""

from __future__ import annotations

from kernel.errors import DomainError, PermissionRefused, StateConflict, ValidationFailed
from kernel.verdicts import Denied, Refused
from proposals.gate import Unroutable


class NoApprover(Unroutable):
    """A row matches, but too few people could ever decide."""

    code = "unroutable_no_approver"
    title = "Too few people could decide on this write"


class ReasonRequired(ValidationFailed):
    """Refusing, and approving over a check that does not hold, asks for a reason code and a comment."""

    code = "reason_required"
    title = "A reason is needed"


class ProposalNotPending(StateConflict):
    """The proposal is no longer open for decisions."""

    code = "proposal_not_pending"
    title = "This proposal is no longer open for decisions"


class ProposalExpired(StateConflict):
    """The proposal was not decided in time; silence never approves."""

    code = "proposal_expired"
    title = "This proposal has expired"


class AlreadyDecided(StateConflict):
    """One person, one decision, across all steps."""

    code = "already_decided"
    title = "You have already decided on this proposal"


class AgentSuspended(StateConflict):
    """The agent is suspended or gone: nothing of it can be approved."""

    code = "agent_suspended"
    title = "The agent is not active"


class StalePayload(StateConflict):
    """The digest decided on is not the digest of the proposal."""

    code = "stale_payload"
    title = "This page shows another version of the proposal"


class StalePage(StateConflict):
    """What the page showed is no longer what the page would show; `data["changes"]` lists label, was and now."""

    code = "stale_page"
    title = "Something changed since this page was loaded"


class CheckNotHolding(StateConflict):
    """A check without which the ERP must not be written to does not hold."""

    code = "check_not_holding"
    title = "A hard check does not hold, so this can't be approved"


class StepUpRequired(PermissionRefused):
    """The decision needs a strong second factor newer than the page it answers; nothing is lost, nothing is decided."""

    code = "step_up_required"
    title = "This needs your second factor"


class SignatureRefused(ValidationFailed):
    """What the browser sent is not this person's passkey signing this very decision."""

    code = "signature_refused"
    title = "The passkey's signature does not hold"


class DiscussionClosed(StateConflict):
    """Comments and attachments belong to an open proposal, and there is an end to their number."""

    code = "discussion_closed"
    title = "Nothing more can be added to this proposal"


class DecisionRefused(Refused):
    """The person may not decide on this; the code is one of `approvals.policies.may_decide`, e.g. sod_owner or over_limit."""

    code = "decision_refused"
    title = "You may not decide on this proposal"


class OwnPolicy(PermissionRefused):
    """A second person activates a policy: its author is excluded."""

    code = "sod_policy_author"
    title = "A second person activates a policy"


class PolicyChanged(StateConflict):
    """The text of the policy is not the one that was submitted for review."""

    code = "policy_changed"
    title = "The policy is not the one that was reviewed"


_BY_CODE: dict[str, type[StateConflict]] = {
    error.code: error for error in (ProposalNotPending, ProposalExpired, AlreadyDecided, AgentSuspended)
}


def refusal_of(denied: Denied) -> DomainError:
    """Return the refusal that says what the policy said: a conflict with the state, or a person who may not."""
    known = _BY_CODE.get(denied.code)
    return known(detail=denied.reason) if known else DecisionRefused.because(denied)
