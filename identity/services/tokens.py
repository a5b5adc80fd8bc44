"""Issuing tokens: each issue and each refusal leaves one audit event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from audit.records import Subject
from audit.services import record, record_denial
from gateway.catalogue import get_tool
from identity.events import IdentityEvent
from identity.models import Agent, AssertionUse, Credential, Grant
from identity.policies import agent_standing, check_bounds
from identity.queries import open_grant
from identity.services.guards import agent_subject
from identity.tokens.access import LIFETIME_SECONDS_MAX, MintedToken, issuer, mint
from identity.tokens.assertions import Assertion, Claimed, claimed, is_signed_by, verify
from identity.tokens.details import Detail, parse_details
from identity.tokens.errors import TokenRefused, client_refusal, details_refusal, refusal
from identity.tokens.requests import TokenForm, TokenRequest, read_form, token_endpoint
from kernel.actors import Actor, ActorKind
from kernel.clock import wire_time
from kernel.errors import DomainError
from kernel.verdicts import Denied

ACTION_OF_KIND = {"read": "read", "write": "propose"}
# A key's last use is for people who clean up; writing it at every token would only queue the agent's requests.
LAST_USED_RESOLUTION = timedelta(minutes=1)
# Kept beyond the assertion's own end, so that a database clock a little ahead forgets nothing too early.
ASSERTION_MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """What an agent gets: a Bearer token, its life in seconds and what it is for."""

    access_token: str
    expires_in: int
    detail: Detail


@dataclass(slots=True)
class _Known:
    """What is known of the caller so far, for the event: nobody is called an agent before it has proved to be one."""

    actor: Actor
    subject: Subject


def issue_token(*, form: TokenForm, now: datetime) -> IssuedToken:
    """The agent has a token for what it asked; raises TokenRefused, in which case there is none and one event says why.

    An assertion counts as used once it is verified, also when what it asked for is refused.
    """
    known = _Known(Actor.system("token-endpoint"), Subject("agent", "unknown"))
    try:
        request = read_form(form)
        claim = claimed(request.client_assertion)
        agent = _claimed_agent(claim, request)
        known.subject = agent_subject(agent)
        credential = _credential(agent, claim, request.client_assertion, now)
        assertion = verify(
            request.client_assertion,
            credential,
            audiences=(issuer(), token_endpoint()),
            lifetime_seconds=min(int(settings.ASSERTION_LIFETIME_SECONDS), LIFETIME_SECONDS_MAX),
            now=now,
        )
    except TokenRefused as error:
        record_denial(kind=IdentityEvent.TOKEN_REFUSED, actor=known.actor, subject=known.subject, now=now, error=error)
        raise
    known.actor = Actor(ActorKind.AGENT, agent.public_id, credential=credential.thumbprint)
    with transaction.atomic():
        answer = _answer(agent=agent, credential=credential, assertion=assertion, request=request, known=known, now=now)
    if isinstance(answer, TokenRefused):
        raise answer
    return answer


def forget_expired_assertions(*, now: datetime, limit: int = 10_000) -> int:
    """Assertions that ended over an hour ago are no longer remembered: they are refused as expired anyway. Returns how many."""
    with transaction.atomic():
        ended = AssertionUse.objects.filter(expires_at__lt=now - ASSERTION_MARGIN).order_by("expires_at")[:limit]
        count, _ = AssertionUse.objects.filter(pk__in=[row.pk for row in ended]).delete()
        return count


def _answer(
    *, agent: Agent, credential: Credential, assertion: Assertion, request: TokenRequest, known: _Known, now: datetime
) -> IssuedToken | TokenRefused:
    """Use the assertion up and return the token or the refusal, with its event: all three in the caller's transaction."""
    try:
        _use_once(agent, assertion)
        detail = parse_details(request.authorization_details)
        known.subject = Subject("agent", agent.public_id, tool=detail.tool, company=detail.company)
        grant = _grant_for(agent, detail, now)
    except TokenRefused as error:
        _record_refusal(error, known, now)
        return error
    minted = mint(
        agent_id=agent.pk,
        grant_id=grant.pk,
        credential_thumbprint=credential.thumbprint,
        detail=detail,
        not_after=min(grant.valid_until, credential.not_after),
        now=now,
    )
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - LAST_USED_RESOLUTION)
    Credential.objects.filter(stale, pk=credential.pk).update(last_used_at=now)
    _record_issue(minted, grant, detail, known, now)
    return IssuedToken(minted.text, int(minted.expires_at.timestamp()) - int(now.timestamp()), detail)


def _claimed_agent(claim: Claimed, request: TokenRequest) -> Agent:
    if request.client_id and request.client_id != claim.public_id:
        raise client_refusal("client_id_mismatch", "`client_id` is not the assertion's subject.", "leave it out")
    agent = Agent.objects.filter(pk=claim.agent_id).first()
    if agent is None:
        raise client_refusal("agent_unknown", "There is no such agent.")
    return agent


def _credential(agent: Agent, claim: Claimed, text: str, now: datetime) -> Credential:
    """Return the key of this agent that the assertion names; without a name, the live one whose algorithm and signature fit."""
    keys = Credential.objects.filter(agent=agent).order_by("-created_at")
    if claim.key_id:
        named = keys.filter(thumbprint=claim.key_id).first()
        if named is None:
            raise client_refusal("credential_unknown", "`kid` names no key of this agent.", "the thumbprint of a registered key")
        _require_live(named, now)
        return named
    live = [key for key in keys if key.revoked_at is None and key.not_after > now]
    if not live:
        raise client_refusal("credential_missing", "The agent has no live key.", "register a key")
    return next((key for key in live if is_signed_by(text, key)), live[0])


def _require_live(key: Credential, now: datetime) -> None:
    if key.revoked_at is not None:
        raise client_refusal("credential_revoked", f"The key was revoked at {wire_time(key.revoked_at)}.", "another registered key")
    if key.not_after <= now:
        raise client_refusal("credential_expired", f"The key ended at {wire_time(key.not_after)}.", "another registered key")


def _use_once(agent: Agent, assertion: Assertion) -> None:
    try:
        with transaction.atomic():
            AssertionUse.objects.create(agent=agent, jti=assertion.token_id, expires_at=assertion.expires_at)
    except IntegrityError as error:
        raise client_refusal("assertion_replayed", "This assertion was used before.", "a new assertion with a new `jti`") from error


def _grant_for(agent: Agent, detail: Detail, now: datetime) -> Grant:
    """Return the open grant that contains what was asked for; raises TokenRefused."""
    # Read again inside the transaction: the agent may have been suspended while its signature was checked.
    standing = agent_standing(Agent.objects.get(pk=agent.pk), now)
    if isinstance(standing, Denied):
        raise refusal(standing.code, standing.reason, error="unauthorized_client", acceptable=standing.acceptable)
    try:
        tool = get_tool(detail.tool)
    except DomainError as error:
        raise details_refusal(error.code, error.detail) from error
    needed = ACTION_OF_KIND[str(tool.kind)]
    if detail.action != needed:
        raise details_refusal("action_mismatch", f"{detail.tool} is a {tool.kind} tool: its action is {needed}.", needed)
    grant = open_grant(agent.pk, detail.tool)
    bounds = check_bounds(grant, detail, now)
    if isinstance(bounds, Denied):
        raise details_refusal(bounds.code, bounds.reason, bounds.acceptable)
    if grant is None:  # unreachable: check_bounds denies a missing grant; kept so that a changed policy fails closed
        raise details_refusal("grant_missing", "The agent has no open grant for this tool.")
    return grant


def _record_refusal(error: TokenRefused, known: _Known, now: datetime) -> None:
    record(
        kind=IdentityEvent.TOKEN_REFUSED,
        actor=known.actor,
        subject=known.subject,
        now=now,
        outcome={"status": "refused", "code": error.code},
        payload={"detail": error.detail},
    )


def _record_issue(minted: MintedToken, grant: Grant, detail: Detail, known: _Known, now: datetime) -> None:
    record(
        kind=IdentityEvent.TOKEN_ISSUED,
        actor=known.actor,
        subject=known.subject,
        now=now,
        outcome={
            "status": "issued",
            "token": minted.token_id,
            "expires_at": wire_time(minted.expires_at),
            "action": detail.action,
            "grant": grant.public_id,
            "grant_state": grant.state,
        },
    )
