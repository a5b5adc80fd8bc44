"""The agents' door: who is behind a Bearer token, asked of the database at every request."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from identity.errors import AgentNotActive, GrantRefused, TokenInvalid
from identity.models import Credential, Grant
from identity.policies import agent_standing, check_bounds
from identity.principals import AgentPrincipal
from identity.tokens.access import read_token
from kernel.clock import now as clock_now
from kernel.verdicts import Denied


def verify_access_token(token: str, now: datetime) -> AgentPrincipal:
    """Return the agent that the token stands for: signature, dates, agent, grant and key are all good at `now`.

    One query. Raises TokenInvalid or TokenExpired (401), AgentNotActive (403, e.g. code agent_suspended) or GrantRefused (403).
    """
    access = read_token(token, now)
    live_key = Credential.objects.filter(
        agent_id=OuterRef("agent_id"),
        thumbprint=access.credential_thumbprint,
        revoked_at__isnull=True,
        not_after__gt=now,
    )
    grant = (
        Grant.objects.select_related("agent")
        .annotate(has_live_key=Exists(live_key))
        .filter(pk=access.grant_id, agent_id=access.agent_id, tool=access.detail.tool)
        .first()
    )
    if grant is None:
        raise TokenInvalid(detail="The access token names a grant that is not this agent's.")
    standing = agent_standing(grant.agent, now)
    if isinstance(standing, Denied):
        raise AgentNotActive.because(standing)
    if not grant.has_live_key:
        raise TokenInvalid(detail="The key this token was got with is revoked or past its end.")
    bounds = check_bounds(grant, access.detail, now)
    if isinstance(bounds, Denied):
        raise GrantRefused.because(bounds)
    return AgentPrincipal(
        agent_id=access.agent_id,
        agent_name=grant.agent.name,
        action=access.detail.action,
        tool=access.detail.tool,
        company=access.detail.company,
        resource=access.detail.resource,
        ceiling_minor=access.detail.ceiling_minor,
        currency=access.detail.currency,
        grant_id=access.grant_id,
        credential_thumbprint=access.credential_thumbprint,
        token_id=access.token_id,
    )


class AgentTokenAuthentication(BaseAuthentication):
    """Turns `Authorization: Bearer …` into an AgentPrincipal; raises typed refusals that the API shows as problem documents."""

    scheme = "Bearer"

    def authenticate(self, request: Request) -> tuple[AgentPrincipal, str] | None:
        """Return principal and token; None when no token was sent, so that public pages stay public."""
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != self.scheme.lower():
            raise TokenInvalid(detail=f"The scheme {scheme[:16]!r} is not taken here; send Authorization: Bearer <token>.")
        return verify_access_token(token.strip(), clock_now()), token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for a request without a token."""
        return f'{self.scheme} realm="countersign"'
