"""The access token (RFC 9068 `at+jwt`): five minutes of one action with one tool in one company.

Room for DPoP (RFC 9449): `mint` takes a confirmation that becomes the claim `cnf`, and a token that has one is refused as a plain
Bearer, so a bound token can never be used unbound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError

from identity.errors import TokenExpired, TokenInvalid
from identity.tokens.details import Detail, read_details
from identity.tokens.errors import TokenRefused
from identity.tokens.keys import TOKEN_ALGORITHM, PinnedRegistry, token_key_id, token_signing_key
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode, new_id

TOKEN_TYPE = "at+jwt"  # noqa: S105  a media type, not a secret
TOKEN_LENGTH_MAX = 8192
# No setting lifts this.
LIFETIME_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A signed access token, its id and its end."""

    text: str
    token_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A verified access token; whether agent, grant and key are still good is asked separately, at every request."""

    agent_id: UUID
    grant_id: UUID
    credential_thumbprint: str
    token_id: str
    detail: Detail


def issuer() -> str:
    """Return the issuer: the installation's public URL, exactly as configured."""
    return str(settings.PUBLIC_URL)


def audience() -> str:
    """Return the resource that access tokens are for."""
    return f"{issuer()}/api"


def token_lifetime_seconds() -> int:
    """Return how long a token lives: the setting, but never above 300 s."""
    return min(int(settings.TOKEN_LIFETIME_SECONDS), LIFETIME_SECONDS_MAX)


def mint(
    *,
    agent_id: UUID,
    grant_id: UUID,
    credential_thumbprint: str,
    detail: Detail,
    not_after: datetime,
    now: datetime,
    confirmation: Mapping[str, str] | None = None,
) -> MintedToken:
    """Return a signed token that ends after its lifetime, or at `not_after` (the end of grant or key) if that is sooner."""
    issued = int(now.timestamp())
    expires = min(issued + token_lifetime_seconds(), int(not_after.timestamp()))
    token_id = str(new_id())
    subject = encode(Prefix.AGENT, agent_id)
    claims: dict[str, object] = {
        "iss": issuer(),
        "sub": subject,
        "client_id": subject,
        "aud": audience(),
        "iat": issued,
        "exp": expires,
        "jti": token_id,
        "authorization_details": [detail.as_dict()],
        # Ours: which grant and which key this rests on, so that revoking either ends the token.
        "grant_id": encode(Prefix.GRANT, grant_id),
        "credential": credential_thumbprint,
    }
    if confirmation is not None:
        claims["cnf"] = dict(confirmation)
    header = {"alg": TOKEN_ALGORITHM, "typ": TOKEN_TYPE, "kid": token_key_id()}
    text = jwt.encode(header, claims, token_signing_key(), registry=PinnedRegistry(TOKEN_ALGORITHM))
    return MintedToken(text, token_id, datetime.fromtimestamp(expires, UTC))


def read_token(text: str, now: datetime) -> AccessToken:
    """Return the token behind a Bearer header; raises TokenInvalid, or TokenExpired once its time is over."""
    if not text or len(text) > TOKEN_LENGTH_MAX:
        raise TokenInvalid(detail="The access token is missing or too long.")
    try:
        token = jwt.decode(text, token_signing_key(), registry=PinnedRegistry(TOKEN_ALGORITHM))
    except (JoseError, ValueError, RecursionError) as error:
        raise TokenInvalid(detail="The access token was not signed by this installation.") from error
    claims = token.claims
    if token.header.get("typ") != TOKEN_TYPE or token.header.get("kid") != token_key_id():
        raise TokenInvalid(detail="This is not an access token of this installation.")
    if claims.get("iss") != issuer() or claims.get("aud") != audience():
        raise TokenInvalid(detail=f"The access token is not for {audience()}.")
    if "cnf" in claims:
        raise TokenInvalid(detail="The access token is bound to a key and can't be used as a plain Bearer token.")
    expires = claims.get("exp")
    if not isinstance(expires, int) or isinstance(expires, bool):
        raise TokenInvalid(detail="The access token has no end.")
    if expires <= now.timestamp():
        raise TokenExpired(detail=f"The access token ended {int(now.timestamp() - expires)} s ago; ask for a new one.")
    try:
        return AccessToken(
            agent_id=decode(Prefix.AGENT, str(claims.get("sub"))),
            grant_id=decode(Prefix.GRANT, str(claims.get("grant_id"))),
            credential_thumbprint=str(claims["credential"]),
            token_id=str(claims["jti"]),
            detail=read_details(claims.get("authorization_details")),
        )
    except (InvalidIdentifier, TokenRefused, KeyError) as error:
        raise TokenInvalid(detail="The access token's claims are not those of this installation.") from error
