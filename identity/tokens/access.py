"""The access token (RFC 9068 `at+jwt`): five minutes of one action with one tool in one company, at one door.

Bound to a key (claim `cnf`, RFC 9449) unless its agent is registered for plain Bearer tokens. Of several actions for an agent that is
registered with token shape `set`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import extract_compact

from identity.errors import TokenExpired, TokenInvalid
from identity.tokens.details import SET_ENTRIES_MAX, Detail, read_details
from identity.tokens.errors import TokenRefused
from identity.tokens.keys import PinnedRegistry
from identity.tokens.resources import Resource, issuer, resource_url
from identity.tokens.signing import LIFETIME_SECONDS_MAX, TOKEN_ALGORITHM, current_ring
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode, new_id

TOKEN_TYPE = "at+jwt"  # noqa: S105  a media type, not a secret
# Room for twenty details and what surrounds them.
TOKEN_LENGTH_MAX = 16_384


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A signed access token, its id and its end."""

    text: str
    token_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A verified access token; whether agent, grants and key are still good is asked separately, at every request.

    `grant_ids` belong to `details` one by one; `key_thumbprint` is the key it is bound to, empty for a plain Bearer token.
    """

    agent_id: UUID
    credential_thumbprint: str
    token_id: UUID
    details: tuple[Detail, ...]
    grant_ids: tuple[UUID, ...]
    key_thumbprint: str
    resources: tuple[str, ...]
    issued_at: int
    expires_at: int

    @property
    def public_agent_id(self) -> str:
        """Return the agent's TypeID."""
        return encode(Prefix.AGENT, self.agent_id)


def token_lifetime_seconds() -> int:
    """Return how long a token lives: the setting, but never above 300 s."""
    return min(int(settings.TOKEN_LIFETIME_SECONDS), LIFETIME_SECONDS_MAX)


def mint(
    *,
    agent_id: UUID,
    credential_thumbprint: str,
    details: Sequence[tuple[Detail, UUID]],
    not_after: datetime,
    now: datetime,
    resources: Sequence[Resource] = (Resource.API,),
    key_thumbprint: str = "",
) -> MintedToken:
    """Return a signed token that ends after its lifetime, or at `not_after` (the end of a grant or key) if that is sooner.

    Each detail comes with the grant it rests on; a `key_thumbprint` binds the token to that key.
    """
    issued = int(now.timestamp())
    expires = min(issued + token_lifetime_seconds(), int(not_after.timestamp()))
    token_id = str(new_id())
    subject = encode(Prefix.AGENT, agent_id)
    audiences = [resource_url(resource) for resource in resources]
    claims: dict[str, object] = {
        "iss": issuer(),
        "sub": subject,
        "client_id": subject,
        "aud": audiences[0] if len(audiences) == 1 else audiences,
        "iat": issued,
        "exp": expires,
        "jti": token_id,
        "authorization_details": [detail.as_dict() for detail, _ in details],
        # Ours: which grants and which key this rests on, so that revoking either ends the token.
        "grants": [encode(Prefix.GRANT, grant_id) for _, grant_id in details],
        "credential": credential_thumbprint,
    }
    if key_thumbprint:
        claims["cnf"] = {"jkt": key_thumbprint}
    signing = current_ring().signing(now)
    header = {"alg": TOKEN_ALGORITHM, "typ": TOKEN_TYPE, "kid": signing.key_id}
    text = jwt.encode(header, claims, signing.key, registry=PinnedRegistry(TOKEN_ALGORITHM))
    return MintedToken(text, token_id, datetime.fromtimestamp(expires, UTC))


def read_token(text: str, now: datetime, *, resource: Resource | None = None) -> AccessToken:
    """Return the token, good at `now` and meant for this resource (for any of ours, when none is named).

    How it is bound is the caller's question. Raises TokenInvalid, or TokenExpired once its time is over.
    """
    claims = _signed_claims(text, now)
    if claims.get("iss") != issuer():
        raise TokenInvalid(detail=f"The access token was not issued by {issuer()}.")
    resources = _audiences(claims.get("aud"))
    if resource is not None and resource_url(resource) not in resources:
        raise TokenInvalid(detail=f"The access token is not for {resource_url(resource)}; ask for one with `resource`.")
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int) or isinstance(expires, bool) or not isinstance(issued, int):
        raise TokenInvalid(detail="The access token has no end.")
    if expires <= now.timestamp():
        raise TokenExpired(detail=f"The access token ended {int(now.timestamp() - expires)} s ago; ask for a new one.")
    try:
        details = read_details(claims.get("authorization_details"), entries_max=SET_ENTRIES_MAX)
        return AccessToken(
            agent_id=decode(Prefix.AGENT, str(claims.get("sub"))),
            credential_thumbprint=str(claims["credential"]),
            token_id=UUID(str(claims["jti"])),
            details=details,
            grant_ids=_grants(claims.get("grants"), len(details)),
            key_thumbprint=_confirmation(claims),
            resources=resources,
            issued_at=issued,
            expires_at=expires,
        )
    except (InvalidIdentifier, TokenRefused, KeyError, ValueError) as error:
        raise TokenInvalid(detail="The access token's claims are not those of this installation.") from error


def _signed_claims(text: str, now: datetime) -> Mapping[str, object]:
    if not text or len(text) > TOKEN_LENGTH_MAX:
        raise TokenInvalid(detail="The access token is missing or too long.")
    try:
        token = jwt.decode(text, _verifying_key(text, now), registry=PinnedRegistry(TOKEN_ALGORITHM))
    except (JoseError, ValueError, RecursionError) as error:
        raise TokenInvalid(detail="The access token was not signed by this installation.") from error
    if token.header.get("typ") != TOKEN_TYPE:
        raise TokenInvalid(detail="This is not an access token of this installation.")
    return token.claims


def _verifying_key(text: str, now: datetime) -> ECKey:
    """Return the key of the ring that the token names; raises ValueError when there is none (any more)."""
    named = current_ring().find(extract_compact(text.encode("ascii")).headers().get("kid"), now)
    if named is None:
        raise ValueError("no such key in the ring")
    return named.key


def _audiences(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(item for item in values if isinstance(item, str))


def _grants(value: object, count: int) -> tuple[UUID, ...]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError("one grant for each detail")
    return tuple(decode(Prefix.GRANT, str(item)) for item in value)


def _confirmation(claims: Mapping[str, object]) -> str:
    """Return the thumbprint of the key a token is bound to; a binding of a kind that nobody here knows is no binding but a defect."""
    if "cnf" not in claims:
        return ""
    confirmation = claims["cnf"]
    thumbprint = confirmation.get("jkt") if isinstance(confirmation, dict) and len(confirmation) == 1 else None
    if not isinstance(thumbprint, str) or not thumbprint:
        raise ValueError("the binding is not a key's thumbprint")
    return thumbprint
