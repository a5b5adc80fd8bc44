"""The DPoP proof (RFC 9449): how whoever presents a token shows, for this one request, that it holds the key the token is bound to.

Beyond the standard: `content_digest` covers the request's body, so that a proof that was read on the way can't carry another one.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hmac import compare_digest
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError

from identity.errors import ContentDigestInvalid, ProofInvalid
from identity.tokens.keys import HEADER_ALGORITHMS, PinnedRegistry, PublicKey, load_public_key, read_public_key
from kernel.canonical import parse_json
from kernel.errors import NotCanonical, ValidationFailed

PROOF_TYPE = "dpop+jwt"
PROOF_LENGTH_MAX = 8192
HEADER_LENGTH_MAX = 2048
# How far an agent's clock may run ahead of ours.
CLOCK_SKEW = timedelta(seconds=30)
JTI_PATTERN = re.compile(r"^[\x20-\x7e]{1,256}$")
# RFC 9530 writes a digest so; the plain base64url form is the one RFC 9449 uses for `ath`.
STRUCTURED_DIGEST = re.compile(r"^sha-256=:([A-Za-z0-9+/]{43}=):$")
DEFAULT_PORTS = {"http": 80, "https": 443}
ALGORITHM_OF_HEADER = {name: algorithm for algorithm, names in HEADER_ALGORITHMS.items() for name in names}


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified proof: whose key made it, what it is remembered by, and whether it covers the body."""

    thumbprint: str
    digest: bytes
    expires_at: datetime
    covers_body: bool


@dataclass(frozen=True, slots=True)
class _ProofKey:
    """The public key in a proof's header."""

    key: PublicKey
    thumbprint: str
    algorithm: str


class _ProofRegistry(PinnedRegistry):
    """Room for an RSA key in the header, which joserfc takes for too long otherwise."""

    max_header_length = HEADER_LENGTH_MAX


def verify_proof(text: str, *, method: str, url: str, body: bytes, now: datetime, access_token: str = "") -> Proof:
    """Return the proof: signed by the key it carries, made just now, for this method, address, token and (where it says so) body.

    Whether it was used before is asked of the database (`identity.spent`). Raises ProofInvalid or ContentDigestInvalid.
    """
    if not text or len(text) > PROOF_LENGTH_MAX:
        raise ProofInvalid(detail=f"The DPoP proof is missing or longer than {PROOF_LENGTH_MAX} characters.")
    made_by = _key_of(text.partition(".")[0])
    try:
        token = jwt.decode(text, made_by.key, registry=_ProofRegistry(made_by.algorithm))
    except (JoseError, ValueError, RecursionError) as error:
        raise ProofInvalid(detail="The DPoP proof is not signed by the key in its header.") from error
    claims = token.claims
    if claims.get("htm") != method:
        raise ProofInvalid(detail=f"`htm` of the DPoP proof is not {method}, the method of this request.")
    if not is_same_address(claims.get("htu"), url):
        raise ProofInvalid(detail=f"`htu` of the DPoP proof is not {url}.")
    issued_at = _issued_at(claims, now)
    if access_token and not _is_digest(claims.get("ath"), access_token.encode()):
        raise ProofInvalid(detail="`ath` of the DPoP proof is not the SHA-256 of the access token, base64url without padding.")
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not JTI_PATTERN.fullmatch(token_id):
        raise ProofInvalid(detail="`jti` of the DPoP proof is missing or not 1 to 256 printable characters.")
    covers_body = "content_digest" in claims
    if covers_body and not _is_content_digest(claims["content_digest"], body):
        raise ContentDigestInvalid(detail="`content_digest` of the DPoP proof is not that of the body that arrived.")
    return Proof(
        thumbprint=made_by.thumbprint,
        digest=hashlib.sha256(f"{made_by.thumbprint}\0{token_id}".encode()).digest(),
        expires_at=issued_at + proof_lifetime() + CLOCK_SKEW,
        covers_body=covers_body,
    )


def proof_lifetime() -> timedelta:
    """Return how old a proof may be."""
    return timedelta(seconds=int(settings.PROOF_LIFETIME_SECONDS))


def base64url_digest(content: bytes) -> str:
    """Return the SHA-256 as base64url without padding, as `ath` and `content_digest` carry it."""
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")


def is_same_address(named: object, url: str) -> bool:
    """Return whether a proof's `htu` is this address, after the normalisation of RFC 3986; query and fragment do not count."""
    if not isinstance(named, str) or len(named) > PROOF_LENGTH_MAX:
        return False
    try:
        ours, theirs = _address(urlsplit(url)), _address(urlsplit(named))
    except ValueError:
        return False
    return theirs is not None and ours == theirs


def _address(parts: SplitResult) -> tuple[str, str, int | None, str] | None:
    if parts.username is not None or parts.password is not None or not parts.hostname:
        return None
    scheme = parts.scheme.lower()
    return scheme, parts.hostname.lower(), parts.port or DEFAULT_PORTS.get(scheme), unquote(parts.path) or "/"


def _issued_at(claims: Mapping[str, object], now: datetime) -> datetime:
    value = claims.get("iat")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**33:
        raise ProofInvalid(detail="`iat` of the DPoP proof is missing or not whole seconds since 1970.")
    issued_at = datetime.fromtimestamp(value, UTC)
    if issued_at > now + CLOCK_SKEW:
        raise ProofInvalid(detail="`iat` of the DPoP proof lies in the future: is the agent's clock right?")
    if issued_at < now - proof_lifetime():
        age, limit = (int(span.total_seconds()) for span in (now - issued_at, proof_lifetime()))
        raise ProofInvalid(detail=f"The DPoP proof is {age} s old; make one for each request and use it within {limit} s.")
    return issued_at


@lru_cache(maxsize=1024)
def _key_of(header: str) -> _ProofKey:
    """Return the key in a proof's header; kept, because a client sends the same header with every proof."""
    try:
        fields = parse_json(urlsafe_b64decode(header.encode("ascii") + b"=" * (-len(header) % 4)))
    except (NotCanonical, ValueError, binascii.Error) as error:
        raise ProofInvalid(detail="The DPoP proof is not a signed JWT.") from error
    if not isinstance(fields, dict) or str(fields.get("typ")).lower() != PROOF_TYPE:
        raise ProofInvalid(detail=f"`typ` of the DPoP proof is not {PROOF_TYPE}.")
    algorithm, jwk = ALGORITHM_OF_HEADER.get(str(fields.get("alg"))), fields.get("jwk")
    if algorithm is None:
        acceptable = ", ".join(sorted(ALGORITHM_OF_HEADER))
        raise ProofInvalid(detail=f"`alg` of the DPoP proof is none of {acceptable}.")
    if "crit" in fields or not isinstance(jwk, dict):
        raise ProofInvalid(detail="The header of the DPoP proof holds `typ`, `alg` and the public key as `jwk`.")
    try:
        key = read_public_key(jwk, algorithm)
        return _ProofKey(load_public_key(key.jwk), key.thumbprint, algorithm)
    except ValidationFailed as error:
        raise ProofInvalid(detail=f"The key of the DPoP proof is not taken. {error.detail}") from error


def _is_digest(value: object, content: bytes) -> bool:
    return isinstance(value, str) and value.isascii() and compare_digest(value, base64url_digest(content))


def _is_content_digest(value: object, body: bytes) -> bool:
    if isinstance(value, str) and (structured := STRUCTURED_DIGEST.fullmatch(value)):
        return compare_digest(b64decode(structured[1]), hashlib.sha256(body).digest())
    return _is_digest(value, body)
