"""A foreign token, read and verified: signed by a trusted issuer's key, for us, now, and of the form its platform documents.

It is never an access token here: it is taken at the token endpoint only, and only for a token of ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from identity.federation.claims import value_at, written
from identity.federation.jwks import ForeignRegistry
from identity.federation.kinds import RULES, IssuerKind, trust_domain_of
from identity.federation.models import ALGORITHMS, TrustedIssuer
from identity.tokens.assertions import CLOCK_SKEW_SECONDS
from identity.tokens.errors import client_refusal
from identity.tokens.keys import PublicKey
from kernel.canonical import parse_json
from kernel.errors import NotCanonical
from kernel.ids import Prefix

TOKEN_LENGTH_MAX = 16_384
TEXT_LENGTH_MAX = 600
KEY_ID_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Presented:
    """What a foreign token says of itself; nothing of it is proved."""

    text: str
    issuer: str
    subject: str
    algorithm: str
    key_id: str
    kind: object
    claims: Mapping[str, object]

    @property
    def digest(self) -> bytes:
        """Return what tells this token from others: its id, or what was signed where it has none."""
        token_id = self.claims.get("jti")
        if isinstance(token_id, str) and token_id:
            return hashlib.sha256(b"jti\0" + token_id.encode()).digest()
        # Not the signature: of one content there may be several signatures.
        return hashlib.sha256(b"token\0" + self.text.rpartition(".")[0].encode()).digest()


def is_foreign(text: str) -> bool:
    """Return whether an assertion says that somebody else issued it than its subject, as an agent's own never does."""
    try:
        claims = parse_json(extract_compact(text.encode("ascii")).payload) if len(text) <= TOKEN_LENGTH_MAX else None
    except (JoseError, ValueError, RecursionError, NotCanonical):
        return False
    if not isinstance(claims, dict):
        return False
    issuer, subject = claims.get("iss"), claims.get("sub")
    if issuer is None:
        return bool(trust_domain_of(subject))
    return isinstance(issuer, str) and issuer != subject and not issuer.startswith(f"{Prefix.AGENT}_")


def presented(text: str) -> Presented:
    """Return what the token says; raises TokenRefused when it has no readable form or an algorithm that is never taken."""
    if not text or len(text) > TOKEN_LENGTH_MAX:
        raise client_refusal("assertion_malformed", f"The assertion is missing or longer than {TOKEN_LENGTH_MAX} characters.")
    try:
        parts = extract_compact(text.encode("ascii"))
        header, claims = parts.headers(), parse_json(parts.payload)
    except (JoseError, ValueError, RecursionError, NotCanonical) as error:
        raise client_refusal("assertion_malformed", "The assertion is not a signed JWT.") from error
    if not isinstance(claims, dict):
        raise client_refusal("assertion_malformed", "The assertion's claims are no object.")
    algorithm = "EdDSA" if header.get("alg") == "Ed25519" else header.get("alg")
    if algorithm not in ALGORITHMS or "crit" in header or header.get("b64", True) is not True:
        raise client_refusal("algorithm_not_allowed", f"The algorithm {str(header.get('alg'))[:16]!r} is not taken here.")
    issuer, subject, key_id = claims.get("iss", ""), claims.get("sub"), header.get("kid", "")
    if not isinstance(issuer, str) or not isinstance(subject, str) or not 0 < len(subject) <= TEXT_LENGTH_MAX:
        raise client_refusal("assertion_subject", "The token names no subject.", "`iss` and `sub`")
    if not isinstance(key_id, str) or len(key_id) > KEY_ID_LENGTH_MAX:
        raise client_refusal("assertion_malformed", "`kid` is no text, or too long.")
    return Presented(text, issuer, subject, str(algorithm), key_id, header.get("typ"), claims)


def verify_presented(token: Presented, issuer: TrustedIssuer, keys: list[PublicKey], *, now: datetime) -> datetime:
    """Return when the token ends: it is signed by one of the keys, for us and good at `now`; raises TokenRefused otherwise."""
    if not any(_is_signed(token, key) for key in keys):
        raise client_refusal("signature_invalid", f"The token is not signed by a key of {issuer.name}.")
    rules = RULES[issuer.kind]
    kind = token.kind.lower() if isinstance(token.kind, str) else token.kind
    if kind not in rules.types:
        raise client_refusal("assertion_type", "The JWT's `typ` is not that of such a token.", "JWT")
    if token.claims.get("aud") not in (issuer.audience, [issuer.audience]):
        raise client_refusal("assertion_audience", "`aud` is not this installation, or not it alone.", issuer.audience)
    for path in rules.refused:
        if value_at(token.claims, path) is not None:
            raise client_refusal("assertion_claim_refused", f"A token with the claim `{written(path)}` is not taken.")
    if "cnf" in token.claims and not rules.takes_confirmation:
        raise client_refusal("assertion_claim_refused", "The token is bound to a key (`cnf`) in a way that can't be checked here.")
    if issuer.kind == IssuerKind.SPIFFE and trust_domain_of(token.subject) != issuer.issuer:
        raise client_refusal("assertion_subject", "The subject is of another trust domain.", f"spiffe://{issuer.issuer}/…")
    return _require_times(token, issuer, now)


def _is_signed(token: Presented, key: PublicKey) -> bool:
    try:
        jws.deserialize_compact(token.text, key, registry=ForeignRegistry(token.algorithm))
    except (JoseError, ValueError):
        return False
    return True


def lifetime_seconds_max(kind: str) -> int:
    """Return how long a token of this kind of issuer may live."""
    stated = RULES[kind].lifetime_seconds_max
    return int(settings.FEDERATED_LIFETIME_SECONDS) if stated is None else stated


def _require_times(token: Presented, issuer: TrustedIssuer, now: datetime) -> datetime:
    present = now.timestamp()
    expires = _instant(token, "exp", is_required=True)
    issued = _instant(token, "iat", is_required=RULES[issuer.kind].has_issued_at)
    begins = _instant(token, "nbf", is_required=False)
    if expires is None or expires <= present:
        raise client_refusal("assertion_expired", "The token is past its end (`exp`).", "a new token")
    if max(issued or 0, begins or 0) > present + CLOCK_SKEW_SECONDS:
        raise client_refusal("assertion_not_yet_valid", "`iat` or `nbf` lies in the future.", "the present")
    allowed = lifetime_seconds_max(issuer.kind)
    # Without `iat` only what is left can be judged.
    if not 0 < expires - (issued if issued is not None else present) <= allowed:
        raise client_refusal("assertion_lifetime", "The token lives too long.", f"`exp` at most {allowed} s after `iat`")
    return datetime.fromtimestamp(expires, UTC)


def _instant(token: Presented, name: str, *, is_required: bool) -> int | None:
    value = token.claims.get(name)
    if value is None and not is_required:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**40:
        raise client_refusal("assertion_claim_missing", f"`{name}` is missing or no number of seconds.", "seconds since 1970")
    return value
