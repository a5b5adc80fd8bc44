"""What an agent is answered about its proposals, the same through every door."""

from __future__ import annotations

from collections.abc import Sequence

from audit.finality import GRANTED, Fact, sealed_receipts
from identity.principals import AgentPrincipal
from kernel.ids import Prefix, decode
from proposals import queries
from proposals.models import Proposal
from proposals.representation import Json, proposal_view
from proposals.services import Submission
from proposals.states import ProposalState

PAGE_SIZE = 50


def views_of(proposals: Sequence[Proposal]) -> list[Json]:
    """Return each proposal with the reads it cites, the revision that took its place, and its approval's sealed receipt.

    Two queries for all, and a third where some are approved.
    """
    cited = queries.citations_of([proposal.pk for proposal in proposals])
    superseding = queries.superseding_of(list(proposals))
    sealed = sealed_receipts([_granted(proposal) for proposal in proposals if proposal.state == ProposalState.APPROVED])
    return [
        proposal_view(
            proposal,
            reads=cited[proposal.pk],
            superseded_by=superseding.get(proposal.pk),
            approval_receipt=sealed.get(_granted(proposal)),
        )
        for proposal in proposals
    ]


def view_of(submission: Submission) -> Json:
    """Return the proposal that stands under the key; a new one costs no query."""
    if submission.is_replay:
        return views_of([submission.proposal])[0]
    return proposal_view(submission.proposal, reads=submission.reads, is_new=True)


def _granted(proposal: Proposal) -> Fact:
    return Fact(proposal.public_id, GRANTED)


def own_proposal(principal: AgentPrincipal, proposal_id: str) -> Json:
    """Return a proposal of the agent's own; raises NotVisible or InvalidIdentifier."""
    return views_of([queries.get_proposal_for(principal, proposal_id)])[0]


def own_page(
    principal: AgentPrincipal, *, states: Sequence[str] = (), tool: str = "", company: str = "", limit: int = PAGE_SIZE, cursor: str = ""
) -> Json:
    """Return a page of the agent's own proposals, newest first, and the cursor of the page after it; raises InvalidIdentifier."""
    before = decode(Prefix.PROPOSAL, cursor) if cursor else None
    found = queries.list_for_agent(principal, states=states, tool=tool, company=company, before=before)
    rows = list(found[: limit + 1])
    page = rows[:limit]
    return {"results": views_of(page), "next": page[-1].public_id if len(rows) > limit else None}
