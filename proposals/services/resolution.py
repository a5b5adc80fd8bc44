"""The ends of a proposal: decided, withdrawn, expired, voided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction

import audit.services
from audit.records import NewEvent
from identity.principals import AgentPrincipal
from kernel.actors import Actor
from kernel.errors import NotVisible, StateConflict
from kernel.ids import Prefix, decode
from kernel.transitions import advance, advance_many
from proposals.events import ProposalEvent
from proposals.models import Feedback, Proposal
from proposals.queries import lock_proposal
from proposals.services.outcomes import NewOutcome, record_outcomes
from proposals.services.telling import tell_states
from proposals.states import OPEN, TRANSITIONS, OutcomeStatus, ProposalState
from proposals.subjects import subject_of

DECIDED = frozenset({ProposalState.APPROVED, ProposalState.REJECTED, ProposalState.CHANGES_REQUESTED})


@dataclass(frozen=True, slots=True)
class FeedbackNote:
    """What the agent is told with a refusal: the reason's code and the deciding person's words."""

    code: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """One proposal with what its event says besides its new state."""

    proposal: Proposal
    outcome: Mapping[str, object] = field(default_factory=dict)
    gate: Mapping[str, object] | None = None
    human: Mapping[str, object] | None = None


def resolve(
    *,
    proposal: Proposal,
    to: ProposalState,
    actor: Actor,
    now: datetime,
    kind: StrEnum,
    outcome: Mapping[str, object] | None = None,
    gate: Mapping[str, object] | None = None,
    human: Mapping[str, object] | None = None,
    feedback: FeedbackNote | None = None,
) -> Proposal:
    """Move a pending proposal, locked by the caller, to what was decided, and record it in the caller's transaction.

    `kind` names the event: the approval's own, or `proposal:rejected` and `proposal:changes_requested`. An approved log-only
    proposal gets the outcome `logged` here: it is never committed. Raises StateConflict when it is no longer pending, or when it is
    to be approved after its time.
    """
    _decide([proposal], to=to, now=now)
    if feedback is not None and to != ProposalState.APPROVED:
        Feedback.objects.create(proposal=proposal, code=feedback.code, comment=feedback.comment, recorded_at=now)
    resolution = Resolution(proposal, outcome or {}, gate, human)
    audit.services.record_many([_resolved_event(resolution, to=to, actor=actor, now=now, kind=kind)])
    return proposal


def resolve_many(*, resolutions: Sequence[Resolution], to: ProposalState, actor: Actor, now: datetime, kind: StrEnum) -> list[NewEvent]:
    """Move pending proposals, locked or just inserted by the caller, as `resolve` moves one, and return their events.

    The caller records the events in the same transaction, after those that come before them. Two statements, however many.
    """
    _decide([item.proposal for item in resolutions], to=to, now=now)
    return [_resolved_event(item, to=to, actor=actor, now=now, kind=kind) for item in resolutions]


def _decide(rows: Sequence[Proposal], *, to: ProposalState, now: datetime) -> None:
    if to not in DECIDED:
        raise ValueError(f"a decision leads to {', '.join(sorted(DECIDED))}, not to {to}")
    for row in rows:
        if to == ProposalState.APPROVED and row.expires_at <= now:
            raise StateConflict(detail="The proposal has expired.", data={"state": row.state, "requested": str(to)})
    advance_many(rows, to, transitions=TRANSITIONS, decided_at=now)
    tell_states(rows, now=now)
    if to == ProposalState.APPROVED:
        record_outcomes([NewOutcome(row.pk, OutcomeStatus.LOGGED) for row in rows if row.is_log_only], now=now)


def _resolved_event(resolution: Resolution, *, to: ProposalState, actor: Actor, now: datetime, kind: StrEnum) -> NewEvent:
    return NewEvent(
        kind=kind,
        actor=actor,
        subject=subject_of(resolution.proposal),
        now=now,
        outcome={"status": str(to), **resolution.outcome},
        gate=resolution.gate,
        human=resolution.human,
        action_digest=resolution.proposal.payload_digest,
    )


def void(
    *,
    proposal: Proposal,
    actor: Actor,
    now: datetime,
    code: str,
    reason: str,
    differences: Sequence[Mapping[str, object]] = (),
) -> Proposal:
    """Void a pending or approved proposal, locked by the caller, telling its agent why and what drifted.

    Joins the caller's transaction. Raises StateConflict when it is neither.
    """
    advance(proposal, ProposalState.VOIDED, transitions=TRANSITIONS, decided_at=proposal.decided_at or now)
    tell_states([proposal], now=now)
    listed = [dict(item) for item in differences]
    Feedback.objects.create(proposal=proposal, code=code, comment=reason, differences=listed, recorded_at=now)
    audit.services.record(
        kind=ProposalEvent.VOIDED,
        actor=actor,
        subject=subject_of(proposal),
        now=now,
        outcome={"status": "voided", "code": code, "differences": len(listed)},
        action_digest=proposal.payload_digest,
        payload={"reason": reason, "differences": listed},
    )
    return proposal


def withdraw(*, principal: AgentPrincipal, proposal_id: str, now: datetime) -> Proposal:
    """Take back an open proposal of the agent's own.

    Raises NotVisible, TokenScopeMismatch when the token is for another tool or company, StateConflict when it is no longer open.
    """
    key = decode(Prefix.PROPOSAL, proposal_id)
    with transaction.atomic():
        proposal = lock_proposal(key)
        if proposal.agent_id != principal.agent_id:
            raise NotVisible(detail=f"You have no proposal {proposal_id}.")
        principal.detail_for(action="propose", tool=proposal.tool, company=proposal.company)
        advance(proposal, ProposalState.WITHDRAWN, transitions=TRANSITIONS, decided_at=proposal.decided_at or now)
        tell_states([proposal], now=now)
        audit.services.record(
            kind=ProposalEvent.WITHDRAWN,
            actor=principal.actor(),
            subject=subject_of(proposal),
            now=now,
            outcome={"status": "withdrawn"},
            action_digest=proposal.payload_digest,
        )
    return proposal


def withdraw_of_decommissioned(*, agent_id: UUID, now: datetime) -> int:
    """Withdraw every open proposal of an agent that no longer exists as a principal, and return how many there were."""
    with transaction.atomic():
        rows = list(Proposal.objects.select_for_update().filter(agent_id=agent_id, state__in=OPEN).order_by("pk"))
        _end_all(rows, to=ProposalState.WITHDRAWN, kind=ProposalEvent.WITHDRAWN, code="agent_decommissioned", now=now)
    return len(rows)


def expire_due(*, now: datetime, limit: int = 500) -> int:
    """Expire up to `limit` pending proposals that are past their time and return how many there were.

    Rows that somebody holds, because they are being decided, are left for the next call.
    """
    with transaction.atomic():
        rows = list(
            Proposal.objects.select_for_update(skip_locked=True)
            .filter(state=ProposalState.PENDING, expires_at__lte=now)
            .order_by("expires_at")[:limit]
        )
        _end_all(rows, to=ProposalState.EXPIRED, kind=ProposalEvent.EXPIRED, code="expired", now=now)
    return len(rows)


def _end_all(rows: Sequence[Proposal], *, to: ProposalState, kind: ProposalEvent, code: str, now: datetime) -> None:
    decided_before = [proposal for proposal in rows if proposal.decided_at is not None]
    advance_many([proposal for proposal in rows if proposal.decided_at is None], to, transitions=TRANSITIONS, decided_at=now)
    for proposal in decided_before:
        advance(proposal, to, transitions=TRANSITIONS)
    tell_states(rows, now=now)
    events = [
        NewEvent(
            kind=kind,
            actor=Actor.system("proposals"),
            subject=subject_of(proposal),
            now=now,
            outcome={"status": str(to), "code": code},
            action_digest=proposal.payload_digest,
        )
        for proposal in rows
    ]
    for start in range(0, len(events), audit.services.ENTRIES_MAX):
        audit.services.record_many(events[start : start + audit.services.ENTRIES_MAX])
