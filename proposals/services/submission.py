"""Submitting a proposal: exactly one per idempotency key, inside the agent's grant, routed, recorded."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q

import audit.services
from audit.records import NewEvent
from gateway.catalogue import Effect, Presented, WriteTool, get_write_tool
from gateway.connections import connector_for
from identity.errors import AgentNotActive, GrantRefused
from identity.models import Agent, Grant
from identity.policies import agent_standing, check_grant
from identity.principals import AgentPrincipal, require_token_for
from identity.states import GrantState
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest, digest_of_bytes
from kernel.clock import wire_time
from kernel.context import current_origin
from kernel.errors import FieldError, ValidationFailed
from kernel.ids import Prefix, encode, new_id
from kernel.queue import wake
from kernel.transitions import advance
from kernel.verdicts import Denied
from proposals import queries
from proposals.body import ProposeBody
from proposals.errors import IdempotencyInProgress, IdempotencyKeyReused, NotSupersedable, OnBehalfOfRefused
from proposals.events import ProposalEvent
from proposals.gate import Draft, Plan, current_gate
from proposals.models import Citation, Proposal
from proposals.queries import Cited
from proposals.states import TRANSITIONS, ProposalState
from proposals.subjects import subject_of

ACTION_SCHEMA = "countersign.action/1"
REQUEST_PURPOSE = "countersign.request/1"
COUNTERPARTY_LENGTH_MAX = 40


@dataclass(frozen=True, slots=True)
class Submission:
    """The proposal that stands under a key, and whether it stood there before this call; `reads` are the cited keys."""

    proposal: Proposal
    is_replay: bool
    reads: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class _Intent:
    """Everything about a submission that is known before the transaction: checked, presented, nothing stored."""

    principal: AgentPrincipal
    key: str
    request_digest: str
    body: ProposeBody
    tool: WriteTool[Any]
    params: dict[str, Any]
    effect: Effect
    presented: Presented
    on_behalf_of: int | None
    compensates: str
    now: datetime

    @property
    def preconditions(self) -> list[dict[str, object]]:
        """Return the stored form of the facts the approval will lean on."""
        return [item.as_dict() for item in self.presented.preconditions]

    @property
    def expires_at(self) -> datetime:
        """Return when the proposal lapses unless it is decided."""
        seconds = self.body.expires_in_seconds or settings.PROPOSAL_LIFETIME_HOURS * 3600
        return self.now + timedelta(seconds=seconds)

    @property
    def actor(self) -> Actor:
        """Return the agent, with whom it acts for."""
        asked = "" if self.on_behalf_of is None else str(self.on_behalf_of)
        return replace(self.principal.actor(), on_behalf_of=asked)


def propose(*, principal: AgentPrincipal, idempotency_key: str, body: ProposeBody, now: datetime, compensates: str = "") -> Submission:
    """Make one pending proposal stand under the agent's key, or return the one that stands there already.

    Validation and every question to the ERP come before the transaction. Inside it: key lock, agent lock, replay, grant and
    ceilings, the gate's plan, the row, its citations, its event, the gate's route, the wake-up. `compensates` is for callers inside
    the product; an agent's body has no such field.

    Raises TokenScopeMismatch, UnknownTool, ValidationFailed and the tool's own refusals, OnBehalfOfRefused, IdempotencyKeyReused,
    IdempotencyInProgress, AgentNotActive, GrantRefused, NotSupersedable, Unroutable, ErpUnavailable; nothing is stored then.
    """
    require_token_for(principal, action="propose", tool=body.tool, company=body.company)
    request_digest = digest(REQUEST_PURPOSE, {**body.model_dump(exclude_unset=True), "compensates": compensates})
    if replay := _replay(principal, idempotency_key, request_digest):
        return replay
    intent = _prepare(
        principal=principal,
        key=idempotency_key,
        request_digest=request_digest,
        body=body,
        compensates=compensates,
        now=now,
    )
    with transaction.atomic():
        if not queries.take_key_lock(principal.agent_id, idempotency_key):
            raise IdempotencyInProgress(detail="Repeat this request in a moment: the first one with its key is still running.")
        grant = queries.lock_grant_with_agent(principal.grant_id)
        if replay := _replay(principal, idempotency_key, request_digest):
            return replay
        cited = queries.reads_to_cite(principal, body.company, body.reads) if body.reads else []
        superseded = _supersede(intent) if body.supersedes else None
        _check_grant(intent, grant)
        plan = current_gate().plan(_draft(intent, grant, superseded))
        proposal = _insert(intent, grant, plan, superseded)
        _cite(proposal, cited)
        _record(intent, proposal, cited, superseded)
        current_gate().attach(proposal, plan, now)
        if plan.is_automatic:
            proposal.refresh_from_db(fields=["state", "decided_at"])
        wake("proposed", proposal.public_id)
    return Submission(proposal, is_replay=False, reads=[item.id for item in cited])


def _replay(principal: AgentPrincipal, key: str, request_digest: str) -> Submission | None:
    proposal = queries.find_by_key(principal.agent_id, key)
    if proposal is None:
        return None
    if proposal.request_digest != request_digest:
        raise IdempotencyKeyReused(
            detail=f"This key stands for {proposal.public_id}, whose body was another: a new intent needs a new key.",
            errors=(FieldError("Idempotency-Key", "used for another body", "a new key, or the body as first sent"),),
            data={"proposal_id": proposal.public_id},
        )
    return Submission(proposal, is_replay=True, reads=queries.citations_of([proposal.pk])[proposal.pk])


def _prepare(*, principal: AgentPrincipal, key: str, request_digest: str, body: ProposeBody, compensates: str, now: datetime) -> _Intent:
    tool = get_write_tool(body.tool)
    payload = tool.validate(body.payload)
    connector = connector_for(body.company)
    return _Intent(
        principal=principal,
        key=key,
        request_digest=request_digest,
        body=body,
        tool=tool,
        params=tool.canonical(payload),
        effect=tool.effect(payload, body.company, connector),
        presented=tool.present(payload, body.company, connector),
        on_behalf_of=_asked(principal, body, is_internal=bool(compensates)),
        compensates=compensates,
        now=now,
    )


def _asked(principal: AgentPrincipal, body: ProposeBody, *, is_internal: bool) -> int | None:
    """Return the key of the person who asked: active, with a role in the company, and one the agent is registered to act for.

    Somebody unknown and somebody the agent does not act for get the same answer. Raises OnBehalfOfRefused or ValidationFailed.
    """
    named = body.on_behalf_of
    if not named:
        return None
    people = get_user_model().objects.filter(_called(named)).order_by("pk")
    if not is_internal:
        acts_for = Agent.objects.values_list("acts_for", flat=True).get(pk=principal.agent_id)
        people = people.filter(pk__in=acts_for)
        if not people.exists():
            raise _not_registered(principal, named, acts_for=acts_for)
    found = people.filter(is_active=True, role_assignments__companies__contains=[body.company]).values_list("pk", flat=True).first()
    if found is None:
        message = f"nobody in {body.company} is called {named}"
        raise ValidationFailed(
            detail=f"/on_behalf_of: {message}.",
            errors=(FieldError("/on_behalf_of", message, f"username or id of a person of {body.company}"),),
        )
    return int(found)


def _not_registered(principal: AgentPrincipal, named: str, *, acts_for: Sequence[int]) -> OnBehalfOfRefused:
    message = f"{principal.agent_name} is not registered to act for {named}"
    acceptable = "a person in the agent's registration" if acts_for else "leave it out: the agent acts for nobody"
    return OnBehalfOfRefused(detail=f"/on_behalf_of: {message}.", errors=(FieldError("/on_behalf_of", message, acceptable),))


def _called(named: str) -> Q:
    """Return the condition on people with this username or primary key."""
    is_key = named.isascii() and named.isdecimal() and len(named) < 10
    return Q(username=named) | Q(pk=int(named)) if is_key else Q(username=named)


def _check_grant(intent: _Intent, grant: Grant) -> None:
    standing = agent_standing(grant.agent, intent.now)
    if isinstance(standing, Denied):
        raise AgentNotActive.because(standing)
    if intent.on_behalf_of is not None and not intent.compensates and intent.on_behalf_of not in grant.agent.acts_for:
        # Asked before the transaction as well; the registration may have been changed meanwhile.
        raise _not_registered(intent.principal, intent.body.on_behalf_of or "", acts_for=grant.agent.acts_for)
    usage = queries.rolling_usage(grant.agent_id, intent.tool.name, intent.now, currency=intent.effect.amount.currency)
    verdict = check_grant(grant=grant, principal=intent.principal, effect=intent.effect, usage=usage, now=intent.now)
    if isinstance(verdict, Denied):
        raise GrantRefused.because(verdict)


def _supersede(intent: _Intent) -> Proposal:
    """Move the proposal that this one revises to superseded; it no longer counts against ceilings from here on."""
    named = intent.body.supersedes or ""
    key = queries.decode_field(Prefix.PROPOSAL, named, path="/supersedes")
    old = Proposal.objects.select_for_update(of=("self",)).filter(pk=key, agent_id=intent.principal.agent_id).first()
    if old is None or (old.tool, old.company) != (intent.tool.name, intent.body.company):
        message = f"{named} is not a proposal of yours for {intent.tool.name} in {intent.body.company}"
        raise ValidationFailed(
            detail=f"/supersedes: {message}.",
            errors=(FieldError("/supersedes", message, "an earlier proposal of the same tool and company"),),
        )
    if ProposalState.SUPERSEDED not in TRANSITIONS[old.state]:
        acceptable = [state for state, targets in TRANSITIONS.items() if ProposalState.SUPERSEDED in targets]
        raise NotSupersedable(
            detail=f"{named} is {old.state}; it can only be revised while it is {', '.join(acceptable)}.",
            errors=(FieldError("/supersedes", f"{named} is {old.state}", ", ".join(acceptable)),),
            data={"state": old.state},
        )
    advance(old, ProposalState.SUPERSEDED, transitions=TRANSITIONS, decided_at=old.decided_at or intent.now)
    return old


def _draft(intent: _Intent, grant: Grant, superseded: Proposal | None) -> Draft:
    return Draft(
        agent=grant.agent,
        tool=intent.tool,
        company=intent.body.company,
        effect=intent.effect,
        on_behalf_of=intent.on_behalf_of,
        credential_thumbprint=intent.principal.credential_thumbprint,
        grant_id=grant.pk,
        compensates=intent.compensates,
        supersedes=superseded,
        is_log_only=grant.state == GrantState.LOG_ONLY,
        now=intent.now,
    )


def _action(intent: _Intent, plan: Plan) -> Mapping[str, object]:
    """Return what is approved and what will be sent; the nonce makes two equal intents two different actions."""
    return {
        "schema": ACTION_SCHEMA,
        "tool": intent.tool.name,
        "tool_version": intent.tool.version,
        "company": intent.body.company,
        "agent_id": intent.principal.public_id,
        "on_behalf_of": intent.actor.on_behalf_of,
        "params": intent.params,
        "preconditions": intent.preconditions,
        "nonce": secrets.token_hex(16),
        "expires_at": wire_time(intent.expires_at),
        "policy_version": plan.policy_version,
        "route_version": plan.route_version,
    }


def _insert(intent: _Intent, grant: Grant, plan: Plan, superseded: Proposal | None) -> Proposal:
    action_bytes = canonical_bytes(_action(intent, plan))
    effect, presented = intent.effect, intent.presented
    proposal = Proposal(
        id=new_id(),
        agent=grant.agent,
        on_behalf_of_id=intent.on_behalf_of,
        credential_thumbprint=intent.principal.credential_thumbprint,
        idempotency_key=intent.key,
        request_digest=intent.request_digest,
        tool=intent.tool.name,
        tool_version=intent.tool.version,
        company=intent.body.company,
        payload=intent.params,
        action_bytes=action_bytes,
        payload_digest=digest_of_bytes(ACTION_SCHEMA, action_bytes),
        amount_minor=effect.amount.minor,
        currency=effect.amount.currency,
        effective_on=effect.effective_on,
        counterparty=effect.counterparty[:COUNTERPARTY_LENGTH_MAX],
        counterparty_name=presented.counterparty_name,
        cost_centre=effect.cost_centre,
        reference=effect.reference,
        headline=presented.headline,
        facts=presented.as_dict(),
        preconditions=intent.preconditions,
        rationale=intent.body.rationale,
        is_log_only=grant.state == GrantState.LOG_ONLY,
        revision=superseded.revision + 1 if superseded else 1,
        supersedes=superseded,
        compensates=intent.compensates,
        trace_id=current_origin().trace_id,
        created_at=intent.now,
        expires_at=intent.expires_at,
    )
    proposal.save(force_insert=True)
    return proposal


def _cite(proposal: Proposal, cited: Sequence[Cited]) -> None:
    Citation.objects.bulk_create(
        [Citation(proposal=proposal, read_id=item.id, position=position) for position, item in enumerate(cited, start=1)]
    )


def _record(intent: _Intent, proposal: Proposal, cited: Sequence[Cited], superseded: Proposal | None) -> None:
    agent = proposal.agent
    events = [
        NewEvent(
            kind=ProposalEvent.PROPOSED,
            actor=intent.actor,
            subject=subject_of(proposal),
            now=intent.now,
            evidence=[{"role": "read", "source": item.public_id, "as_of": wire_time(item.as_of), "digest": item.digest} for item in cited],
            ai={"agent": agent.public_id, "model": agent.model, "version": agent.model_version},
            action_digest=proposal.payload_digest,
            outcome={"status": "pending", "is_log_only": proposal.is_log_only, "request_digest": proposal.request_digest},
            payload={"headline": proposal.headline, "params": intent.params, "rationale": proposal.rationale},
        )
    ]
    if superseded is not None:
        by = {"status": "superseded", "superseded_by": encode(Prefix.PROPOSAL, proposal.pk)}
        subject = subject_of(superseded)
        events.append(NewEvent(kind=ProposalEvent.SUPERSEDED, actor=intent.actor, subject=subject, now=intent.now, outcome=by))
    audit.services.record_many(events)
