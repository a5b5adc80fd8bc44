"""The agents' doors: who is behind an access token, asked of the database at every request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from identity.errors import (
    AgentNotActive,
    ContentDigestInvalid,
    GrantRefused,
    ProofInvalid,
    TokenBindingMismatch,
    TokenInvalid,
)
from identity.federation.models import federated_key
from identity.models import Agent, Grant, TokenBinding, TokenShape
from identity.policies import agent_standing, check_bounds
from identity.principals import AgentPrincipal, TokenDetail
from identity.spent import spend_proof
from identity.states import IssuerState
from identity.tokens.access import AccessToken, read_token
from identity.tokens.challenges import BEARER, DPOP, challenge
from identity.tokens.proofs import Proof, verify_proof
from identity.tokens.resources import Resource, public_url
from kernel.clock import now as clock_now
from kernel.rows import columns_of, row_of, width_of
from kernel.verdicts import Denied
from kernel.waiting import held_since

# Asked at every request of an agent. What the token was got with is good: the agent's key, or its federated credential with an active
# issuer.
GRANTS_OF_TOKEN = f"""
SELECT EXISTS ({{live}}), EXISTS (SELECT FROM identity_revokedtoken WHERE token_id = %(token)s),
    {columns_of(Grant, "own")}, {columns_of(Agent, "agent")}
FROM identity_grant AS own JOIN identity_agent AS agent ON agent.id = own.agent_id
WHERE own.id = ANY(%(grants)s) AND own.agent_id = %(agent)s
"""  # noqa: S608  columns of models
LIVE = "agent_id = own.agent_id AND revoked_at IS NULL AND not_after > %(now)s"
GRANTS_BY_KEY = GRANTS_OF_TOKEN.format(live=f"SELECT FROM identity_credential WHERE {LIVE} AND thumbprint = %(reference)s")
GRANTS_BY_FEDERATED = GRANTS_OF_TOKEN.format(
    live="SELECT FROM identity_federatedcredential AS credential JOIN identity_trustedissuer AS issuer ON issuer.id = credential.issuer_id"
    f" WHERE credential.{LIVE.replace(' AND ', ' AND credential.')} AND credential.id = %(reference)s AND issuer.state = %(active)s"
)
SCHEMES = {"bearer": BEARER, "dpop": DPOP}


def authenticate_agent(
    *, authorization: str, proof: str | None, method: str, url: str, body: bytes, resource: Resource, now: datetime
) -> AgentPrincipal:
    """Return the agent behind a request to one of the doors: token, proof, agent, grants and key are all good at `now`.

    `authorization` and `proof` are the headers `Authorization` and `DPoP` (None when it was not sent), `url` the public address that
    was asked (`resources.public_url`), `body` the bytes that arrived. One query; one insert where there is a proof, which is used up
    by this, so call it once for each request.

    Raises TokenInvalid and its kinds (401, with the challenge in `headers`), AgentNotActive (403, e.g. code agent_suspended) or
    GrantRefused (403).
    """
    scheme, text = _credentials(authorization)
    access = None
    try:
        access = read_token(text, now, resource=resource)
        shown = _proof_of_possession(access, scheme, text, proof, method=method, url=url, body=body, now=now)
        principal = _principal(access, shown, body=body, now=now)
        # A request that waits in front of Django is looked at again and again: its proof was used up by the first look.
        if shown is not None and held_since() is None:
            spend_proof(shown)
    except TokenInvalid as error:
        error.resource, error.scheme = resource, scheme
        error.agent = access.public_agent_id if access else ""
        raise
    return principal


class AgentTokenAuthentication(BaseAuthentication):
    """Turns `Authorization: DPoP …` or `Bearer …` into an AgentPrincipal; raises typed refusals that the API shows as problems."""

    def authenticate(self, request: Request) -> tuple[AgentPrincipal, str] | None:
        """Return principal and token; None when no token was sent, so that public pages stay public."""
        authorization = request.headers.get("Authorization", "")
        if not authorization:
            return None
        proof = request.headers.get("DPoP")
        # Read here, before the parser takes the stream: a proof may cover the body.
        body = b"" if proof is None else request._request.body  # noqa: SLF001  DRF keeps the request with the bytes there
        principal = authenticate_agent(
            authorization=authorization,
            proof=proof,
            method=str(request.method),
            url=public_url(request.path),
            body=body,
            resource=Resource.API,
            now=clock_now(),
        )
        return principal, authorization.partition(" ")[2]

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for a request without a token."""
        return challenge(Resource.API)


def _credentials(authorization: str) -> tuple[str, str]:
    name, _, token = authorization.partition(" ")
    scheme = SCHEMES.get(name.lower())
    if scheme is None:
        raise TokenInvalid(detail=f"The scheme {name[:16]!r} is not taken here; send Authorization: DPoP <token>, or Bearer <token>.")
    return scheme, token.strip()


def _proof_of_possession(
    access: AccessToken, scheme: str, text: str, proof: str | None, *, method: str, url: str, body: bytes, now: datetime
) -> Proof | None:
    """Return the proof that the presenter holds the key the token is bound to; None for a plain Bearer token."""
    if not access.key_thumbprint:
        if scheme == DPOP:
            raise TokenBindingMismatch(detail="The access token is not bound to a key; it is presented as Authorization: Bearer.")
        return None
    if scheme == BEARER:
        raise TokenBindingMismatch(
            detail="The access token is bound to a key and can't be used as a plain Bearer token; send Authorization: DPoP and a proof."
        )
    if not proof:
        raise ProofInvalid(detail="The access token is bound to a key: send a proof in the DPoP header.")
    shown = verify_proof(proof, method=method, url=url, body=body, now=held_since() or now, access_token=text)
    if shown.thumbprint != access.key_thumbprint:
        raise TokenBindingMismatch(detail="The DPoP proof was made with another key than the one the access token is bound to.")
    return shown


def standing_of(access: AccessToken, now: datetime) -> tuple[Agent, tuple[TokenDetail, ...]]:
    """Return the token's agent and what its grants cover now: agent, key, grants and the token itself are good; one query.

    Raises TokenInvalid, AgentNotActive, or GrantRefused when no grant covers any of it.
    """
    grants = _grants(access, now)
    found = [grants.get(grant_id) for grant_id in access.grant_ids]
    known = [grant for grant in found if grant is not None]
    if len(known) < len(found) or any(grant.tool != detail.tool for grant, detail in zip(known, access.details, strict=True)):
        raise TokenInvalid(detail="The access token names a grant that is not this agent's.")
    agent = known[0].agent
    standing = agent_standing(agent, now)
    if isinstance(standing, Denied):
        raise AgentNotActive.because(standing)
    if not known[0].has_live_key:  # type: ignore[attr-defined]  # annotated
        raise TokenInvalid(detail="The key or credential this token was got with is revoked or past its end.")
    if known[0].is_token_revoked:  # type: ignore[attr-defined]  # annotated
        raise TokenInvalid(detail="The agent gave this access token back before its end.")
    _require_terms(agent, access)
    return agent, _details(access, known, now)


def _principal(access: AccessToken, shown: Proof | None, *, body: bytes, now: datetime) -> AgentPrincipal:
    agent, details = standing_of(access, now)
    if agent.is_strict and body and not (shown and shown.covers_body):
        raise ContentDigestInvalid(detail=f"The DPoP proofs of {agent.name} must cover the body: `content_digest` is missing.")
    return AgentPrincipal(
        agent_id=access.agent_id,
        agent_name=agent.name,
        details=details,
        credential_thumbprint=access.credential_thumbprint,
        token_id=str(access.token_id),
    )


def _grants(access: AccessToken, now: datetime) -> dict[object, Grant]:
    """Return the grants the token names that are this agent's, with the agent, its key's and the token's standing: one query."""
    federated = federated_key(access.credential_thumbprint)
    asked: dict[str, Any] = {
        "token": access.token_id,
        "agent": access.agent_id,
        "grants": list(access.grant_ids),
        "reference": access.credential_thumbprint if federated is None else federated,
        "active": IssuerState.ACTIVE,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(GRANTS_BY_KEY if federated is None else GRANTS_BY_FEDERATED, asked)
        rows = cursor.fetchall()
    found: dict[object, Grant] = {}
    for has_live_key, is_token_revoked, *columns in rows:
        grant = row_of(Grant, columns[: width_of(Grant)])
        grant.agent = row_of(Agent, columns[width_of(Grant) :])
        grant.has_live_key, grant.is_token_revoked = has_live_key, is_token_revoked  # type: ignore[attr-defined]  # told with it
        found[grant.pk] = grant
    return found


def _require_terms(agent: Agent, access: AccessToken) -> None:
    """The token is of the kind the agent is registered for now, whatever it was registered for when the token was issued."""
    if not access.key_thumbprint and agent.token_binding != TokenBinding.BEARER:
        raise TokenBindingMismatch(detail=f"{agent.name} is registered for tokens that are bound to a key; ask for one with a DPoP proof.")
    if len(access.details) > 1 and agent.token_shape != TokenShape.SET:
        raise TokenInvalid(detail=f"{agent.name} is registered for tokens of one action each.")


def _details(access: AccessToken, grants: Sequence[Grant], now: datetime) -> tuple[TokenDetail, ...]:
    """Return what the token is for, each with what its grant says now; raises GrantRefused when no grant covers any of it."""
    details = []
    for detail, grant in zip(access.details, grants, strict=True):
        bounds = check_bounds(grant, detail, now)
        details.append(
            TokenDetail(
                action=detail.action,
                tool=detail.tool,
                company=detail.company,
                grant_id=grant.pk,
                resource=detail.resource,
                ceiling_minor=detail.ceiling_minor,
                currency=detail.currency,
                refusal=bounds if isinstance(bounds, Denied) else None,
            )
        )
    refusal = details[0].refusal
    if refusal is not None and all(detail.refusal is not None for detail in details):
        raise GrantRefused.because(refusal)
    return tuple(details)
