"""Submitting proposals: exactly one per idempotency key, inside the agent's grant, routed, recorded.

One proposal and a batch take the same way: the number of statements does not grow with the number of proposals.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

import audit.services
from identity.errors import AgentNotActive, GrantRefused
from identity.models import Grant
from identity.policies import Usage, agent_standing, check_grant
from identity.principals import AgentPrincipal
from identity.states import GrantState
from kernel.canonical import digest
from kernel.errors import DomainError, FieldError, ValidationFailed
from kernel.ids import Prefix
from kernel.queue import wake
from kernel.together import Reply, Together, gathered
from kernel.transitions import advance
from kernel.verdicts import Denied
from proposals import queries, rolling
from proposals.body import ProposeBody
from proposals.errors import IdempotencyInProgress, IdempotencyKeyReused, NotSupersedable
from proposals.gate import Asked, Draft, Routing, current_gate, observe
from proposals.models import Proposal
from proposals.queries import Cited
from proposals.services.preparation import Intent, Request, Wanted, not_registered, prepare
from proposals.services.storing import Accepted, proposed_events, store
from proposals.states import TRANSITIONS, ProposalState
from proposals.subjects import subject_of

logger = logging.getLogger(__name__)

REQUEST_PURPOSE = "countersign.request/1"
# Statements do not grow with the number; the agent's row is locked meanwhile, and whoever suspends the agent waits for it.
TOGETHER_MAX = 100


@dataclass(frozen=True, slots=True)
class Submission:
    """The proposal that stands under a key, and whether it stood there before this call; `reads` are the cited keys."""

    proposal: Proposal
    is_replay: bool
    reads: Sequence[UUID] = ()


Answer = Submission | DomainError


def propose(*, principal: AgentPrincipal, idempotency_key: str, body: ProposeBody, now: datetime, compensates: str = "") -> Submission:
    """Make one pending proposal stand under the agent's key, or return the one that stands there already.

    Validation and every question to the ERP come before the transaction. Inside it: key lock, agent lock, replay, grant and
    ceilings, the gate's plan, the row, its citations, the gate's route, their events, the wake-up. `compensates` is for callers
    inside the product; an agent's body has no such field.

    Raises TokenScopeMismatch, UnknownTool, ValidationFailed and the tool's own refusals, OnBehalfOfRefused, IdempotencyKeyReused,
    IdempotencyInProgress, AgentNotActive, GrantRefused, NotSupersedable, Unroutable, ErpUnavailable; nothing is stored then.
    """
    (answer,) = _submit(principal, [Request(idempotency_key, body, compensates)], now=now)
    if isinstance(answer, DomainError):
        raise answer
    return answer


def propose_many(*, principal: AgentPrincipal, requests: Sequence[Request], now: datetime) -> list[Answer]:
    """Propose each as `propose` would, in their order, and return what came of each: its submission, or its refusal.

    A refusal spoils no other. An earlier proposal counts against the ceilings of the later ones. What cannot be stored as a
    whole, for a reason that no check foresaw, is proposed one by one.
    """
    answers: list[Answer] = []
    for part in _parts(requests):
        try:
            answers += _submit(principal, part, now=now)
        except Exception:
            if len(part) == 1:
                raise
            logger.exception("%d proposals could not be submitted together; they are submitted one by one", len(part))
            answers += [_submit(principal, [request], now=now)[0] for request in part]
    return answers


def _parts(requests: Sequence[Request]) -> Iterator[list[Request]]:
    """Yield the requests in parts that may be looked at together.

    A key that comes again must meet what became of it before, and a revision moves its predecessor while it is looked at, which
    has to be undone when it is refused: each begins a part of its own.
    """
    part: list[Request] = []
    for request in requests:
        is_alone = bool(request.body.supersedes)
        if part and (is_alone or len(part) == TOGETHER_MAX or any(request.key == other.key for other in part)):
            yield part
            part = []
        part.append(request)
        if is_alone:
            yield part
            part = []
    if part:
        yield part


def _submit(principal: AgentPrincipal, requests: Sequence[Request], *, now: datetime) -> list[Answer]:
    """Return what came of each request; all that are taken are stored in one transaction. A revision stands alone here."""
    answers: dict[int, Answer] = {}
    wanted: dict[int, Wanted] = {}
    for index, request in enumerate(requests):
        try:
            detail = principal.detail_for(action="propose", tool=request.body.tool, company=request.body.company)
            sent = {**request.body.model_dump(exclude_unset=True), "compensates": request.compensates}
            wanted[index] = Wanted(request, digest(REQUEST_PURPOSE, sent), detail)
        except DomainError as refusal:
            answers[index] = refusal
    answers |= _replays(principal, {index: (item.request.key, item.digest) for index, item in wanted.items()})
    fresh = {index: item for index, item in wanted.items() if index not in answers}
    intents, refused = prepare(principal=principal, wanted=fresh, now=now)
    answers |= refused
    if intents:
        intents = _observed(intents)
        try:
            with transaction.atomic():
                answers |= _take(principal, intents, now=now)
        except DomainError as refusal:
            answers |= dict.fromkeys(intents, refusal)
    return [answers[index] for index in range(len(requests))]


def _observed(intents: Mapping[int, Intent]) -> dict[int, Intent]:
    """Return the intents with what the gate's observer saw in the ERP; asked before the transaction, for all of them at once."""
    asked = [Asked(item.tool, item.body.company, item.effect, item.params, item.now) for item in intents.values()]
    return {index: replace(intent, observed=seen) for (index, intent), seen in zip(intents.items(), observe(asked), strict=True)}


def _replays(principal: AgentPrincipal, asked: Mapping[int, tuple[str, str]]) -> dict[int, Answer]:
    """Return what stands under the keys already, and the refusal of each key that stands for another request."""
    stored = queries.find_by_keys(principal.agent_id, [key for key, _ in asked.values()]) if asked else {}
    if not stored:
        return {}
    cited = queries.citations_of([proposal.pk for proposal in stored.values()])
    answers: dict[int, Answer] = {}
    for index, (key, request_digest) in asked.items():
        proposal = stored.get(key)
        if proposal is None:
            continue
        if proposal.request_digest == request_digest:
            answers[index] = Submission(proposal, is_replay=True, reads=cited[proposal.pk])
            continue
        answers[index] = IdempotencyKeyReused(
            detail=f"This key stands for {proposal.public_id}, whose body was another: a new intent needs a new key.",
            errors=(FieldError("Idempotency-Key", "used for another body", "a new key, or the body as first sent"),),
            data={"proposal_id": proposal.public_id},
        )
    return answers


def _take(principal: AgentPrincipal, intents: Mapping[int, Intent], *, now: datetime) -> dict[int, Answer]:
    """Store what passes every check that needs the agent's lock; the refusals of the others stand beside.

    A refusal is raised where something was written before it, and when it concerns all of them.
    """
    held = queries.hold(
        principal.agent_id, [intent.key for intent in intents.values()], {intent.detail.grant_id for intent in intents.values()}
    )
    answers: dict[int, Answer] = {
        index: IdempotencyInProgress(detail="Repeat this request in a moment: the first one with its key is still running.")
        for index, intent in intents.items()
        if intent.key not in held.keys
    }
    if len(answers) == len(intents):
        return answers
    open_ones = {index: intent for index, intent in intents.items() if index not in answers}
    answers |= _replays(
        principal, {index: (intent.key, intent.request_digest) for index, intent in open_ones.items() if intent.key in held.standing}
    )
    open_ones = {index: intent for index, intent in open_ones.items() if index not in answers}
    drafts, refused = _drafts(principal, open_ones, held.grants)
    answers |= refused
    routing = current_gate().routing([draft for draft, _ in drafts.values()])
    usages = _Usages()
    together = Together()
    usages.ask(together, [open_ones[index] for index in drafts])
    routing.ask(together)
    together.send()
    accepted, refused = _accept(open_ones, drafts, routing, usages)
    answers |= refused
    if any(intents[index].body.supersedes for index in refused):
        raise next(iter(refused.values()))
    with gathered():
        stored = store(list(accepted.values()))
        events = proposed_events(stored) + routing.attach([(item.proposal, item.plan) for item in stored], now)
        audit.services.record_many(events, new_chains={subject_of(item.proposal).chain for item in stored})
        if stored:
            wake("proposed", *[item.proposal.public_id for item in stored])
    for index, item in zip(accepted, stored, strict=True):
        answers[index] = Submission(item.proposal, is_replay=False, reads=[read.id for read in item.cited])
    return answers


_Drafts = dict[int, tuple[Draft, list[Cited]]]


def _drafts(
    principal: AgentPrincipal, intents: Mapping[int, Intent], grants: Mapping[UUID, Grant]
) -> tuple[_Drafts, dict[int, DomainError]]:
    """Return what the gate is shown of each intent, with the reads it cites, and the refusals; a revision supersedes here."""
    drafts: _Drafts = {}
    refused: dict[int, DomainError] = {}
    companies = {intent.body.company for intent in intents.values()}
    known = {
        company: queries.own_reads(
            principal, company, {read for intent in intents.values() if intent.body.company == company for read in intent.body.reads}
        )
        for company in companies
    }
    for index, intent in intents.items():
        try:
            cited = queries.reads_to_cite(known[intent.body.company], intent.body.company, intent.body.reads)
            superseded = _supersede(intent) if intent.body.supersedes else None
        except DomainError as refusal:
            refused[index] = refusal
            continue
        drafts[index] = _draft(intent, grants[intent.detail.grant_id], superseded), cited
    return drafts, refused


def _accept(
    intents: Mapping[int, Intent], drafts: _Drafts, routing: Routing, usages: _Usages
) -> tuple[dict[int, Accepted], dict[int, DomainError]]:
    """Return those that grant and gate let through, in order, each counted against the ceilings of the next; and the refusals."""
    accepted: dict[int, Accepted] = {}
    refused: dict[int, DomainError] = {}
    for index, (draft, cited) in drafts.items():
        try:
            _check_grant(intents[index], draft.grant, usages)
            plan = routing.plan(draft)
        except DomainError as refusal:
            refused[index] = refusal
            continue
        accepted[index] = Accepted(intents[index], draft, plan, cited)
        usages.count(intents[index])
    return accepted, refused


class _Usages:
    """What one agent has used of its ceilings: what the rows say, asked once, and what was accepted since."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], Reply] = {}
        self._rows: dict[tuple[str, str], Usage] = {}
        self._minor: Counter[tuple[str, str]] = Counter()
        self._submissions: Counter[str] = Counter()

    def ask(self, together: Together, intents: Sequence[Intent]) -> None:
        """Ask with others for what the rows say about these."""
        for intent in intents:
            key = intent.tool.name, intent.effect.amount.currency
            if key not in self._asked:
                self._asked[key] = rolling.ask_usage(together, intent.principal.agent_id, key[0], intent.now, currency=key[1])

    def of(self, intent: Intent) -> Usage:
        """Return the usage before this one. Sums are per currency; the count takes every submission of the tool."""
        tool, currency = intent.tool.name, intent.effect.amount.currency
        if (tool, currency) not in self._rows:
            self._rows[tool, currency] = rolling.usage_in(self._asked[tool, currency])
        rows, minor = self._rows[tool, currency], self._minor[tool, currency]
        return Usage(rows.day_minor + minor, rows.thirty_days_minor + minor, rows.hour_count + self._submissions[tool])

    def count(self, intent: Intent) -> None:
        """Count one that was accepted and is not among the rows yet."""
        self._minor[intent.tool.name, intent.effect.amount.currency] += intent.effect.amount.minor
        self._submissions[intent.tool.name] += 1


def _check_grant(intent: Intent, grant: Grant, usages: _Usages) -> None:
    standing = agent_standing(grant.agent, intent.now)
    if isinstance(standing, Denied):
        raise AgentNotActive.because(standing)
    if intent.on_behalf_of is not None and not intent.compensates and intent.on_behalf_of not in grant.agent.acts_for:
        # Asked before the transaction as well; the registration may have been changed meanwhile.
        raise not_registered(intent.principal, intent.body.on_behalf_of or "", acts_for=grant.agent.acts_for)
    verdict = check_grant(grant=grant, detail=intent.detail, effect=intent.effect, usage=usages.of(intent), now=intent.now)
    if isinstance(verdict, Denied):
        raise GrantRefused.because(verdict)


def _supersede(intent: Intent) -> Proposal:
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


def _draft(intent: Intent, grant: Grant, superseded: Proposal | None) -> Draft:
    return Draft(
        agent=grant.agent,
        tool=intent.tool,
        company=intent.body.company,
        effect=intent.effect,
        on_behalf_of=intent.on_behalf_of,
        credential_thumbprint=intent.principal.credential_thumbprint,
        grant=grant,
        compensates=intent.compensates,
        supersedes=superseded,
        is_log_only=grant.state == GrantState.LOG_ONLY,
        now=intent.now,
        params=intent.params,
        observed=intent.observed,
    )
