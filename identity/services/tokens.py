"""Issuing tokens: each issue and each refusal leaves one audit event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit.records import Subject
from audit.services import record
from gateway.catalogue import get_tool
from identity.errors import ProofInvalid
from identity.events import IdentityEvent
from identity.limits.services import admit_proven, refuse_unproven
from identity.models import Agent, Grant, TokenBinding, TokenShape
from identity.policies import agent_standing, check_bounds
from identity.proven import ForeignToken
from identity.queries import open_grant
from identity.services.proving import Known, ProvenAgent, mark_used, prove_agent, use_once
from identity.spent import spend_proof
from identity.tokens.access import MintedToken, mint
from identity.tokens.details import EXAMPLE, SET_ENTRIES_MAX, Detail, parse_details, read_details
from identity.tokens.errors import TokenRefused, details_refusal, refusal
from identity.tokens.proofs import Proof, verify_proof
from identity.tokens.requests import TokenForm, TokenRequest, read_token_request
from identity.tokens.resources import token_endpoint
from kernel.clock import wire_time
from kernel.errors import DomainError
from kernel.verdicts import Denied

ACTION_OF_KIND = {"read": "read", "write": "propose"}


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """What an agent gets: a token, whether it is bound to a key, its life in seconds and what it is for."""

    access_token: str
    is_bound: bool
    expires_in: int
    details: tuple[Detail, ...]


def issue_token(*, form: TokenForm, now: datetime) -> IssuedToken:
    """The agent has a token for what it asked; raises TokenRefused, in which case there is none and one event says why, or RateLimited.

    An assertion and a proof count as used once they are verified, also when what was asked for is refused.
    """
    known = Known.nobody()
    try:
        request = read_token_request(form)
        proven = prove_agent(request.client, known, now=now)
    except TokenRefused as error:
        raise refuse_unproven(kind=IdentityEvent.TOKEN_REFUSED, actor=known.actor, subject=known.subject, error=error, now=now) from error
    admit_proven(kind=IdentityEvent.TOKEN_REFUSED, actor=proven.actor(), now=now)
    with transaction.atomic():
        answer = _answer(proven=proven, request=request, form=form, known=known, now=now)
    if isinstance(answer, TokenRefused):
        raise answer
    return answer


def _answer(*, proven: ProvenAgent, request: TokenRequest, form: TokenForm, known: Known, now: datetime) -> IssuedToken | TokenRefused:
    """Use up what proved the agent and return the token or the refusal, with its event: all three in the caller's transaction."""
    try:
        if proven.foreign is None:
            use_once(proven)
        # Read again inside the transaction: the agent may have been suspended while its signature was checked.
        agent = _standing_agent(proven, now)
        proof = _proof(agent, form, now)
        if proven.foreign is not None:
            use_once(proven, key_thumbprint=proof.thumbprint if proof else "")
        details = _wanted(agent, request, now)
        if len(details) == 1:
            known.subject = Subject("agent", agent.public_id, tool=details[0].tool, company=details[0].company)
        granted = [(detail, _grant_for(agent, detail, now)) for detail in details]
    except TokenRefused as error:
        _record_refusal(error, known, now)
        return error
    minted = mint(
        agent_id=agent.pk,
        credential_thumbprint=proven.credential,
        details=[(detail, grant.pk) for detail, grant in granted],
        not_after=min(proven.credential_ends_at, *(grant.valid_until for _, grant in granted)),
        now=now,
        resources=request.resources,
        key_thumbprint=proof.thumbprint if proof else "",
    )
    mark_used(proven, now=now)
    _record_issue(minted, granted, request, proof, known, now, proven.foreign)
    return IssuedToken(minted.text, proof is not None, int(minted.expires_at.timestamp()) - int(now.timestamp()), details)


def _standing_agent(proven: ProvenAgent, now: datetime) -> Agent:
    agent = Agent.objects.get(pk=proven.agent.pk)
    standing = agent_standing(agent, now)
    if isinstance(standing, Denied):
        raise refusal(standing.code, standing.reason, error="unauthorized_client", acceptable=standing.acceptable)
    return agent


def _proof(agent: Agent, form: TokenForm, now: datetime) -> Proof | None:
    """Return the proof whose key the token will be bound to, used up; None only for an agent registered for Bearer tokens."""
    if form.proof is None:
        if agent.token_binding == TokenBinding.BEARER:
            return None
        raise refusal(
            "proof_missing",
            f"Tokens of {agent.name} are bound to a key: send a proof in the DPoP header.",
            error="invalid_dpop_proof",
            acceptable="DPoP: a proof by RFC 9449",
        )
    try:
        proof = verify_proof(form.proof, method="POST", url=token_endpoint(), body=form.body, now=now)
        spend_proof(proof)
    except ProofInvalid as error:
        raise refusal(error.code, error.detail, error="invalid_dpop_proof", acceptable="a new proof for this request") from error
    if agent.is_strict and not proof.covers_body:
        raise refusal(
            "content_digest_invalid",
            f"The DPoP proofs of {agent.name} must cover the body.",
            error="invalid_dpop_proof",
            acceptable="`content_digest`: the SHA-256 of the body, base64url without padding",
        )
    return proof


def _wanted(agent: Agent, request: TokenRequest, now: datetime) -> tuple[Detail, ...]:
    """Return what the token is to be for: what was asked, else as much of the agent's registered default as its grants cover."""
    entries_max = SET_ENTRIES_MAX if agent.token_shape == TokenShape.SET else 1
    if request.authorization_details:
        return parse_details(request.authorization_details, entries_max=entries_max)
    if not agent.default_details:
        raise details_refusal("authorization_details_missing", "Say what the token is for: the agent has no registered default.", EXAMPLE)
    details = read_details(agent.default_details, entries_max=entries_max)
    covered = tuple(detail for detail in details if check_bounds(open_grant(agent.pk, detail.tool), detail, now).is_allowed)
    # With nothing covered the refusal of the first entry says why.
    return covered or details


def _grant_for(agent: Agent, detail: Detail, now: datetime) -> Grant:
    """Return the open grant that contains what was asked for; raises TokenRefused."""
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


def _record_refusal(error: TokenRefused, known: Known, now: datetime) -> None:
    record(
        kind=IdentityEvent.TOKEN_REFUSED,
        actor=known.actor,
        subject=known.subject,
        now=now,
        outcome={"status": "refused", "code": error.code},
        payload={"detail": error.detail},
    )


def _record_issue(
    minted: MintedToken,
    granted: list[tuple[Detail, Grant]],
    request: TokenRequest,
    proof: Proof | None,
    known: Known,
    now: datetime,
    foreign: ForeignToken | None,
) -> None:
    record(
        kind=IdentityEvent.TOKEN_ISSUED,
        actor=known.actor,
        subject=known.subject,
        now=now,
        outcome={
            "status": "issued",
            "token": minted.token_id,
            "expires_at": wire_time(minted.expires_at),
            "binding": proof.thumbprint if proof else "none",
            **({"federated": foreign.as_outcome()} if foreign else {}),
            "resources": [str(resource) for resource in request.resources],
            "details": [
                {
                    "action": detail.action,
                    "tool": detail.tool,
                    "company": detail.company,
                    "grant": grant.public_id,
                    "grant_state": grant.state,
                }
                for detail, grant in granted
            ],
        },
    )
