"""What no person has to do: an agent past its review date, or without anybody who answers for it, is suspended."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.services import record
from identity.events import IdentityEvent
from identity.models import Agent
from identity.queries import companies_by_person, missing_accountability
from identity.services.guards import agent_subject, remember_change
from identity.states import AGENT_TRANSITIONS, AgentState, Suspension
from kernel.actors import Actor
from kernel.queue import wake
from kernel.transitions import advance

ACTOR = Actor.system("agent-review")


def suspend_unreviewed(*, now: datetime) -> int:
    """Every active agent past its review date, or whose owner or sponsor is gone, is suspended and recorded; returns how many.

    The agent could do nothing since midnight anyway (its standing is asked at every request); this makes it visible and final until
    somebody renews or resumes it. An agent that somebody holds is left for the next run.
    """
    agents = list(Agent.objects.filter(state=AgentState.ACTIVE))
    people = companies_by_person([key for agent in agents for key in (agent.owner_id, agent.sponsor_id)])
    due = [agent.pk for agent in agents if agent.expires_on < now.date() or missing_accountability(agent, people)]
    return sum(_suspend(agent_id, now=now) for agent_id in due)


def _suspend(agent_id: UUID, *, now: datetime) -> bool:
    with transaction.atomic():
        found = Agent.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=agent_id, state=AgentState.ACTIVE)
        agent = found.first()
        if agent is None:
            return False
        # Asked again behind the lock: it may have been renewed meanwhile.
        is_overdue = agent.expires_on < now.date()
        reason = f"It was to be reviewed by {agent.expires_on.isoformat()}." if is_overdue else missing_accountability(agent)
        if not reason:
            return False
        because = Suspension.REVIEW if is_overdue else Suspension.UNACCOUNTABLE
        advance(agent, AgentState.SUSPENDED, transitions=AGENT_TRANSITIONS, suspended_at=now, suspended_because=because)
        remember_change([agent], user=None, now=now)
        record(
            kind=IdentityEvent.AGENT_SUSPENDED,
            actor=ACTOR,
            subject=agent_subject(agent),
            now=now,
            outcome={"state": agent.state, "before": AgentState.ACTIVE.value, "code": because.value},
            payload={"reason": reason},
        )
        wake("agent_suspended", str(agent.pk))
        return True
