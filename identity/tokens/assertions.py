"""The client assertion (RFC 7523): how an agent proves, once, that it holds the private half of a registered key.

Two steps: `claimed` reads what the assertion says without believing it, so that the key to believe it by can be looked up;
`verify` checks the signature with that key and every claim. Our own checks are stricter than the libraries': a library takes
an assertion that lives ten years.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from identity.tokens.errors import client_refusal
from identity.tokens.keys import HEADER_ALGORITHMS, PinnedRegistry, load_public_key
from kernel.canonical import parse_json
from kernel.errors import InvalidIdentifier, NotCanonical
from kernel.ids import Prefix, decode

ASSERTION_LENGTH_MAX = 8192
# How far an agent's clock may run ahead of ours.
CLOCK_SKEW_SECONDS = 30
TYPES = frozenset({None, "jwt", "client-authentication+jwt"})
THUMBPRINT_PATTERN = re.compile(r"^[A-Za-z0-9_-]{43}$")
TOKEN_ID_PATTERN = re.compile(r"^[\x20-\x7e]{1,128}$")
ACCEPTABLE_ALGORITHMS = ", ".join(sorted(HEADER_ALGORITHMS))
ALL_HEADER_ALGORITHMS = frozenset().union(*HEADER_ALGORITHMS.values())


class KnownKey(Protocol):
    """What `verify` needs to know of a registered credential."""

    jwk: dict[str, str]
    algorithm: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an assertion says of itself; nothing of it is proved."""

    agent_id: UUID
    public_id: str
    key_id: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified assertion: its id, which may be used once, and when it ends by itself."""

    token_id: str
    expires_at: datetime


def claimed(text: str) -> Claimed:
    """Return what the assertion claims; raises TokenRefused when it has no readable form or an algorithm that is not taken."""
    if not text or len(text) > ASSERTION_LENGTH_MAX:
        raise client_refusal("assertion_malformed", f"The assertion is missing or longer than {ASSERTION_LENGTH_MAX} characters.")
    try:
        parts = extract_compact(text.encode("ascii"))
        header = parts.headers()
        claims = _claims_of(parts.payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise client_refusal("assertion_malformed", f"The assertion is not a signed JWT. {error}"[:300]) from error
    algorithm = header.get("alg")
    if algorithm not in ALL_HEADER_ALGORITHMS:
        raise client_refusal("algorithm_not_allowed", f"The algorithm {str(algorithm)[:16]!r} is not taken here.", ACCEPTABLE_ALGORITHMS)
    subject, issuer, key_id = claims.get("sub"), claims.get("iss"), header.get("kid", "")
    if not isinstance(subject, str) or subject != issuer:
        raise client_refusal("assertion_subject", "`iss` and `sub` are both the agent's id.", "agent_…")
    if not isinstance(key_id, str) or (key_id and not THUMBPRINT_PATTERN.fullmatch(key_id)):
        raise client_refusal("credential_unknown", "`kid` is not the thumbprint of a registered key.", "the key's RFC 7638 thumbprint")
    try:
        return Claimed(decode(Prefix.AGENT, subject), subject, key_id, str(algorithm))
    except InvalidIdentifier as error:
        raise client_refusal("agent_unknown", error.detail) from error


def verify(text: str, key: KnownKey, *, audiences: Sequence[str], lifetime_seconds: int, now: datetime) -> Assertion:
    """Return the assertion, proved by the key and good at `now`; raises TokenRefused with the first thing that is wrong."""
    token = _signed(text, key)
    if token is None:
        raise client_refusal("signature_invalid", "The assertion is not signed by this agent's key.")
    kind = token.header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in TYPES:
        raise client_refusal("assertion_type", "The JWT's `typ` is not that of a client assertion.", "JWT")
    _require_audience(token.claims.get("aud"), audiences)
    expires = _require_times(token.claims, lifetime_seconds, now)
    token_id = token.claims.get("jti")
    if not isinstance(token_id, str) or not TOKEN_ID_PATTERN.fullmatch(token_id):
        raise client_refusal("assertion_claim_missing", "`jti` is missing or not 1 to 128 printable characters.", "a new random id")
    return Assertion(token_id, datetime.fromtimestamp(expires, UTC))


def is_signed_by(text: str, key: KnownKey) -> bool:
    """Return whether the key made the signature; for an assertion that does not say which key did."""
    return _signed(text, key) is not None


def _signed(text: str, key: KnownKey) -> jwt.Token | None:
    try:
        return jwt.decode(text, load_public_key(key.jwk), registry=PinnedRegistry(key.algorithm))
    except (JoseError, ValueError):
        return None


def _require_audience(audience: object, audiences: Sequence[str]) -> None:
    given = audience if isinstance(audience, list) else [audience]
    # Every member must be ours: an assertion that is also meant for somebody else could be presented here by them.
    if not given or not all(isinstance(item, str) and item in audiences for item in given):
        raise client_refusal("assertion_audience", "`aud` is not this authorization server.", " or ".join(audiences))


def _require_times(claims: Mapping[str, object], lifetime_seconds: int, now: datetime) -> int:
    present = now.timestamp()
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if expires <= present:
        raise client_refusal("assertion_expired", f"The assertion ended {int(present - expires)} s ago.", "a new assertion")
    if issued > present + CLOCK_SKEW_SECONDS:
        raise client_refusal("assertion_not_yet_valid", "`iat` lies in the future: is the agent's clock right?", "the present")
    if not 0 < expires - issued <= lifetime_seconds:
        raise client_refusal(
            "assertion_lifetime",
            f"The assertion lives {expires - issued} s.",
            f"`exp` at most {lifetime_seconds} s after `iat`",
        )
    if "nbf" in claims and _instant(claims, "nbf") > present + CLOCK_SKEW_SECONDS:
        raise client_refusal("assertion_not_yet_valid", "`nbf` lies in the future.", "the present")
    return expires


def _instant(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**40:
        raise client_refusal("assertion_claim_missing", f"`{name}` is missing or not whole seconds.", "seconds since 1970, an integer")
    return value


def _claims_of(payload: bytes | None) -> dict[str, object]:
    try:
        claims = parse_json(payload or b"")
    except NotCanonical as error:
        raise ValueError(error.detail) from error
    if not isinstance(claims, dict):
        raise ValueError("claims are an object")  # noqa: TRY004  the caller tells unreadable from readable
    return claims
