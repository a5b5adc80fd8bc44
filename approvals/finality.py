"""What is final only with a sealed receipt: a decision above the step-up amount, a policy that was activated, a compensating entry."""

from __future__ import annotations

from dataclasses import dataclass

from approvals.events import ApprovalEvent, PolicyEvent
from approvals.models import Policy
from approvals.states import PolicyState
from audit.finality import LANDED, Fact, sealed_receipts
from audit.sealer_process import request_seal
from proposals.models import Proposal
from proposals.states import OutcomeStatus, ProposalState

FINAL = "Final: sealed as entry {:,}."


@dataclass(frozen=True, slots=True)
class Finality:
    """Whether something that needs a sealed receipt has it, as a page shows it; nothing is shown of what needs none."""

    is_final: bool
    sentence: str


def is_weighty(routed_minor: int, step_up_from_minor: int | None, compensates: str) -> bool:
    """Tell whether an approval is final only with a sealed receipt: from the step-up amount on, and of every compensating entry."""
    return bool(compensates) or (step_up_from_minor is not None and routed_minor >= step_up_from_minor)


def granted(proposal: str) -> Fact:
    """Return the approval of a proposal, by TypeID, as a fact of the log."""
    return Fact(proposal, ApprovalEvent.GRANTED.value)


def activated(policy: str) -> Fact:
    """Return the activation of a policy, by TypeID, as a fact of the log."""
    return Fact(f"policy:{policy}", PolicyEvent.ACTIVATED.value)


def finality_of_approval(proposal: Proposal) -> Finality | None:
    """Return whether the approval is final; None where it needs no sealed receipt, or there is no approval."""
    route = getattr(proposal, "route", None)
    if route is None or proposal.state not in (ProposalState.APPROVED, ProposalState.VOIDED):
        return None
    if not is_weighty(route.routed_minor, route.row.step_up_from_minor, proposal.compensates):
        return None
    return _finality(granted(proposal.public_id), "The approval is recorded but not sealed yet: nothing is sent before it is.")


def finality_of_policy(policy: Policy) -> Finality | None:
    """Return whether the activation is final; None for a version that was never activated."""
    if policy.state not in (PolicyState.ACTIVE, PolicyState.RETIRED):
        return None
    return _finality(activated(policy.public_id), "Its activation is recorded but not sealed yet: nothing it routed is sent before.")


def finality_of_landing(compensation: Proposal) -> str:
    """Return whether what a compensating entry became in the ERP is final; empty while nothing has landed."""
    outcome = getattr(compensation, "outcome", None)
    if outcome is None or outcome.status != OutcomeStatus.COMMITTED:
        return ""
    waiting = "It has landed; it is final, and closes the break, once that is sealed."
    return _finality(Fact(compensation.public_id, LANDED), waiting).sentence


def _finality(fact: Fact, waiting: str) -> Finality:
    receipt = sealed_receipts([fact]).get(fact)
    if receipt is None:
        request_seal()
        return Finality(is_final=False, sentence=waiting)
    return Finality(is_final=True, sentence=FINAL.format(receipt.sequence))
