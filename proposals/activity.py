"""What the pages of an agent ask about its proposals: how they fared, and what its suspension would touch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q

from identity.activity import Rates, Stake
from identity.states import AgentState
from proposals.models import Proposal
from proposals.states import OPEN, OutcomeStatus, ProposalState

# Approved ones whose commit nobody has started: they are what a freeze still reaches.
TO_BE_COMMITTED = (
    Q(state=ProposalState.APPROVED, is_log_only=False)
    & (Q(outcome__isnull=True) | Q(outcome__status=OutcomeStatus.QUEUED))
)  # fmt: skip
FREEZES = "frozen: nobody can decide until the agent is resumed"


def rates_since(agent_id: UUID, since: datetime) -> Rates:
    """Return how the agent's proposals that were made since then fared; one query.

    A proposal that was approved and voided later because the ERP had changed counts as drifted.
    """
    states = Proposal.objects.filter(agent_id=agent_id, created_at__gte=since).aggregate(
        **{state.value: Count("pk", filter=Q(state=state)) for state in ProposalState},
        proposed=Count("pk"),
        drifted=Count("pk", filter=Q(state=ProposalState.VOIDED) & ~Q(feedback__differences=[])),
    )
    named = {name: states[name] for name in ("approved", "rejected", "changes_requested", "expired", "pending", "drifted")}
    return Rates(proposed=states["proposed"], other=states["proposed"] - sum(named.values()), **named)


def stakes_of(agent_id: UUID) -> Sequence[Stake]:
    """Return how many proposals a suspension would freeze and a decommissioning withdraw."""
    counts = Proposal.objects.filter(agent_id=agent_id).aggregate(
        pending=Count("pk", filter=Q(state=ProposalState.PENDING)),
        changes=Count("pk", filter=Q(state=ProposalState.CHANGES_REQUESTED)),
        approved=Count("pk", filter=TO_BE_COMMITTED),
    )
    return (
        Stake(counts["pending"], "pending proposal", "pending proposals", FREEZES, "withdrawn"),
        Stake(counts["changes"], "proposal waiting for a revision", "proposals waiting for a revision", "", "withdrawn"),
        Stake(
            counts["approved"],
            "approved proposal not yet committed",
            "approved proposals not yet committed",
            "frozen: not sent until the agent is resumed",
            "voided and never sent",
        ),
    )


def orphaning_agents() -> list[UUID]:
    """Return the decommissioned agents that still have open proposals."""
    found = Proposal.objects.filter(state__in=OPEN, agent__state=AgentState.DECOMMISSIONED)
    return list(found.order_by("agent_id").values_list("agent_id", flat=True).distinct())
