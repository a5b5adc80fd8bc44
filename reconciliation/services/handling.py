"""Having a break corrected through the gate: a compensating proposal routed by policy like any other, or the same commit once more."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from commits.models import Commit
from commits.services import recommit
from gateway.catalogue import get_write_tool
from gateway.connections import connector_for
from identity.models import Agent
from identity.permissions import Permission, require_permission
from identity.principals import AgentPrincipal, TokenDetail
from identity.queries import active_grant
from kernel.actors import Actor
from kernel.transitions import advance
from proposals.body import ProposeBody
from proposals.models import Proposal
from proposals.services import propose
from proposals.states import ProposalState
from reconciliation.errors import CompensationUnavailable, NotCompensable
from reconciliation.events import CompensationEvent, ReconciliationEvent
from reconciliation.models import Break
from reconciliation.queries import get_break_for, lock_break
from reconciliation.services.subjects import subject_of_break
from reconciliation.states import BREAK_TRANSITIONS, BreakKind, BreakState

# A grant has one currency, so each company has an agent of its own for its corrections.
AGENT_NAME = "Countersign reconciliation {company}"
# A compensation that ended like this came to nothing: the break may be compensated again, by another proposal.
DEAD = frozenset({ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.WITHDRAWN, ProposalState.VOIDED})
# These end by themselves when the commit is settled or lands: nothing has to be put right in the books.
NOT_COMPENSABLE = frozenset({BreakKind.UNSETTLED, BreakKind.UNKNOWN_RESOLVED, BreakKind.LATE})
# What was approved does not stand in the ERP: it is proposed once more. Everything else that stands there is reversed.
ABSENT = frozenset({BreakKind.MISSING, BreakKind.REVERSED_OUTSIDE})


def propose_compensation(*, break_id: str, user: User, actor: Actor, now: datetime, effective_on: date | None = None) -> Proposal:
    """A proposal that corrects the break stands at the gate like any other; calling it again returns the same one.

    What landed and should not have is reversed; what is missing is proposed once more. It is proposed on the person's behalf, so that
    this person does not decide on it. `effective_on` replaces the accounting date, e.g. when the original's period is closed.

    Raises PermissionRefused, NotVisible, NotCompensable, CompensationUnavailable, and what the agents' door raises.
    """
    require_permission(user, Permission.RECONCILIATION_RESOLVE)
    found = get_break_for(user, break_id, Permission.RECONCILIATION_RESOLVE)
    if found.compensation is not None and found.compensation.state not in DEAD:
        return found.compensation
    if found.state not in (BreakState.OPEN, BreakState.COMPENSATING):
        raise NotCompensable(detail=f"{break_id} is {found.state}.", data={"state": str(found.state)})
    tool, payload = _correction(found)
    if effective_on is not None:
        payload |= {name: effective_on.isoformat() for name in ("effective_on", "ordered_on") if name in payload}
    submission = propose(
        principal=_principal(tool, found, now=now),
        idempotency_key=_key(found),
        body=ProposeBody(
            tool=tool,
            company=found.company,
            payload=payload,
            rationale=f"Corrects {found.get_kind_display().lower()}: document {found.document or 'none'}, break {break_id}.",
            on_behalf_of=str(user.pk),
        ),
        now=now,
        compensates=break_id,
    )
    with transaction.atomic():
        locked = lock_break(found.pk)
        if locked.compensation_id == submission.proposal.pk:
            return submission.proposal
        if locked.state == BreakState.COMPENSATING:
            advance(locked, BreakState.OPEN, transitions=BREAK_TRANSITIONS)
        advance(
            locked,
            BreakState.COMPENSATING,
            transitions=BREAK_TRANSITIONS,
            compensation=submission.proposal,
            handled_by=user,
        )
        audit.services.record(
            kind=CompensationEvent.PROPOSED,
            actor=actor,
            subject=subject_of_break(locked),
            now=now,
            outcome={"status": "compensating", "proposal": submission.proposal.public_id, "break_kind": str(locked.kind)},
            action_digest=submission.proposal.payload_digest,
        )
    return submission.proposal


def recommit_break(*, break_id: str, user: User, actor: Actor, now: datetime) -> Commit:
    """What is missing is committed once more under the same key, because its approval still holds; the next run resolves the break.

    Raises PermissionRefused, NotVisible, NotCompensable for any other break, and what `commits.services.recommit` raises: above all
    NotRecommittable, where the ERP remembers the key, and only a new proposal can put it right.
    """
    require_permission(user, Permission.RECONCILIATION_RESOLVE)
    found = get_break_for(user, break_id, Permission.RECONCILIATION_RESOLVE)
    commit = Commit.objects.filter(proposal=found.proposal_id).first()
    if found.kind != BreakKind.MISSING or found.state != BreakState.OPEN or commit is None:
        raise NotCompensable(
            detail=f"{break_id} is {found.get_state_display().lower()}: only what is missing, and open, can be committed again.",
            data={"state": str(found.state), "kind": str(found.kind)},
        )
    # It asks the ERP, so it stands outside of our transaction; a crash in between leaves the commit's own event.
    queued = recommit(commit_id=commit.public_id, user=user, actor=actor, now=now)
    with transaction.atomic():
        locked = lock_break(found.pk)
        locked.handled_by = user
        locked.save(update_fields=["handled_by"])
        audit.services.record(
            kind=ReconciliationEvent.BREAK_RECOMMITTED,
            actor=actor,
            subject=subject_of_break(locked),
            now=now,
            outcome={"status": str(locked.state), "commit": queued.public_id, "break_kind": str(locked.kind)},
            action_digest=queued.proposal.payload_digest,
        )
    return queued


def _correction(found: Break) -> tuple[str, dict[str, Any]]:
    """Return tool and payload of the write that puts the break right."""
    if found.kind in NOT_COMPENSABLE:
        raise NotCompensable(
            detail="No entry is wrong: once the commit is settled, the break is resolved by itself.",
            data={"kind": str(found.kind)},
        )
    if found.kind in ABSENT:
        return _once_more(found)
    connector = connector_for(found.company)
    landed = connector.read_back_many(found.company, [found.document]).get(found.document)
    if landed is None:
        raise NotCompensable(detail=f"{connector.title} no longer has {found.document}.", data={"document": found.document})
    tool = get_write_tool(str(landed["tool"]))
    name, payload = tool.reversal(landed, found.document, landed)
    return name, payload


def _once_more(found: Break) -> tuple[str, dict[str, Any]]:
    """Return what was approved and is not there, to be approved again: the key of the first time is spent."""
    if found.proposal is None:
        raise NotCompensable(detail="Nobody knows what was intended.", data={"kind": str(found.kind)})
    return found.proposal.tool, dict(found.proposal.payload)


def _key(found: Break) -> str:
    """Return the idempotency key: one per break, and a further one after each compensation that came to nothing."""
    dead = Proposal.objects.filter(compensates=found.public_id, state__in=DEAD).count()
    return f"comp:{found.public_id}" + (f":{dead + 1}" if dead else "")


def _principal(tool: str, found: Break, *, now: datetime) -> AgentPrincipal:
    name = AGENT_NAME.format(company=found.company)
    agent = Agent.objects.filter(name=name).first()
    if agent is None:
        raise CompensationUnavailable(detail=f"Register an agent named {name!r} and grant it {tool} first.")
    grant = active_grant(agent.pk, tool, now)
    if grant is None:
        raise CompensationUnavailable(detail=f"The agent {name!r} has no grant for {tool}: its owner issues one.")
    return AgentPrincipal(
        agent_id=agent.pk,
        agent_name=agent.name,
        details=(TokenDetail("propose", tool, found.company, grant.pk),),
        credential_thumbprint="",
        token_id="",
    )
