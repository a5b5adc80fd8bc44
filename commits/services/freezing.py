"""The kill switch over commits: those of a suspended agent wait, and go on once it is resumed, if they are still valid then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

import audit.services
from audit.records import NewEvent
from commits.events import CommitEvent
from commits.models import Commit
from commits.services import statements
from commits.services.events import ACTOR, subject_of
from commits.states import CommitState
from identity.models import Agent
from identity.policies import agent_standing
from identity.states import AgentState
from kernel.queue import wake
from kernel.verdicts import Denied

FROZEN_SECONDS = 60
FROZEN_CODES = ("agent_suspended", "agent_review_overdue", "agent_not_active")


def freeze(rows: Iterable[tuple[Commit, str, str]], *, now: datetime) -> None:
    """Each queued commit, given with code and reason, waits; the event is recorded once, not at every look. Joins the transaction."""
    groups: dict[tuple[str, str], list[Commit]] = defaultdict(list)
    for row, code, reason in rows:
        groups[code, reason].append(row)
    for (code, reason), commits in groups.items():
        not_before = now + timedelta(seconds=FROZEN_SECONDS)
        statements.freeze([row.pk for row in commits], code=code, detail=reason, not_before=not_before)
        _record(CommitEvent.FROZEN, [row for row in commits if row.code != code], {"status": "frozen", "code": code}, now=now)


def freeze_of_agent(*, agent_id: UUID, now: datetime) -> int:
    """Every queued commit of an agent that may not act now says so at once; returns how many there are.

    None of them would be sent anyway: the agent's standing is asked at each claim.
    """
    with transaction.atomic():
        agent = Agent.objects.get(pk=agent_id)
        standing = agent_standing(agent, now)
        if not isinstance(standing, Denied) or agent.state == AgentState.DECOMMISSIONED:
            return 0
        rows = _queued_of(agent_id)
        freeze([(row, standing.code, standing.reason) for row in rows], now=now)
        return len(rows)


def release_of_agent(*, agent_id: UUID, now: datetime) -> int:
    """Every frozen commit of an agent that may act again is due now, to be verified like any other; returns how many there are."""
    with transaction.atomic():
        if isinstance(agent_standing(Agent.objects.get(pk=agent_id), now), Denied):
            return 0
        rows = [row for row in _queued_of(agent_id) if row.code in FROZEN_CODES]
        if not rows:
            return 0
        statements.freeze([row.pk for row in rows], code="", detail="", not_before=now)
        _record(CommitEvent.RELEASED, rows, {"status": "queued"}, now=now)
        wake("approved")
        return len(rows)


def _queued_of(agent_id: UUID) -> list[Commit]:
    """Return the agent's queued commits, locked; one that a worker holds is looked at by that worker."""
    return list(
        Commit.objects.filter(proposal__agent_id=agent_id, state=CommitState.QUEUED)
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
        .select_related("proposal")
        .defer("proposal__facts", "proposal__rationale", "proposal__payload", "proposal__preconditions", "proposal__action_bytes")
        .order_by("id")
    )


def _record(kind: CommitEvent, rows: list[Commit], outcome: dict[str, object], *, now: datetime) -> None:
    events = [
        NewEvent(
            kind=kind,
            actor=ACTOR,
            subject=subject_of(row.proposal, row),
            now=now,
            outcome=outcome,
            action_digest=row.proposal.payload_digest,
        )
        for row in rows
    ]
    for start in range(0, len(events), audit.services.ENTRIES_MAX):
        audit.services.record_many(events[start : start + audit.services.ENTRIES_MAX])
