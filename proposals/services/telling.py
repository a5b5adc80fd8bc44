"""What the agent's runtime is told of its proposals, by webhook: every end at the gate and every end in the ERP."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import connection

from proposals.models import Proposal
from proposals.states import OutcomeStatus
from proposals.webhooks.services import Announcement, announce
from proposals.webhooks.states import EndpointState

# Being queued and being under way are no news.
LISTENING = """
SELECT proposal.id, proposal.agent_id, proposal.company FROM proposals_proposal AS proposal
JOIN proposals_webhookendpoint AS endpoint ON endpoint.agent_id = proposal.agent_id
WHERE proposal.id = ANY(%s) AND endpoint.state = %s
"""
TOLD = frozenset({OutcomeStatus.COMMITTED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.LOGGED})


class Reported(Protocol):
    """An outcome as the commit engine reports it."""

    @property
    def proposal_id(self) -> UUID:
        """Return the proposal's key."""

    @property
    def status(self) -> OutcomeStatus:
        """Return what became of it."""


def tell_states(proposals: Iterable[Proposal], *, now: datetime) -> None:
    """Each proposal's agent will be told where it stands now; joins the caller's transaction, right after the move."""
    announce(
        [
            Announcement(row.agent_id, row.pk, kind=f"proposal.{row.state}", company=row.company, data={"state": str(row.state)})
            for row in proposals
        ],
        now=now,
    )


def tell_outcomes(entries: Iterable[Reported], *, now: datetime) -> None:
    """Each proposal's agent will be told what became of it in the ERP; joins the caller's transaction. One query when nobody listens."""
    told = {entry.proposal_id: entry.status for entry in entries if entry.status in TOLD}
    if not told:
        return
    with connection.cursor() as cursor:
        cursor.execute(LISTENING, [list(told), EndpointState.ON])
        listening = cursor.fetchall()
    announce(
        [
            Announcement(agent_id, key, kind=f"outcome.{told[key]}", company=company, data={"outcome": str(told[key])})
            for key, agent_id, company in listening
        ],
        now=now,
    )
