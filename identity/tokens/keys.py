"""The agents' public keys: what is taken as one, and with which algorithm it verifies.

Algorithms are pinned everywhere: a key verifies with the one algorithm it was registered for, whatever a token's header says.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from kernel.errors import FieldError, ValidationFailed

PublicKey = ECKey | OKPKey | RSAKey

# Algorithm → the `alg` values a token may carry for it: RFC 9864 renamed EdDSA over Ed25519.
HEADER_ALGORITHMS: Mapping[str, frozenset[str]] = {
    "ES256": frozenset({"ES256"}),
    "EdDSA": frozenset({"EdDSA", "Ed25519"}),
    "RS256": frozenset({"RS256"}),
    "PS256": frozenset({"PS256"}),
}
ACCEPTABLE_KEYS = "a public JWK: EC P-256 (ES256), OKP Ed25519 (EdDSA) or RSA of 2048 to 4096 bits (RS256, PS256)"
RSA_BITS = range(2048, 4097)
RSA_EXPONENT_MIN = 65537
# The required public members of each key type (RFC 7638 section 3.2): all that is kept, all that the thumbprint covers.
MEMBERS = {"EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x"), "RSA": ("kty", "n", "e")}
SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
MEMBER_LENGTH_MAX = 1024


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A public key as it is registered: cleaned JWK, RFC 7638 thumbprint, the one algorithm it verifies."""

    jwk: dict[str, str]
    thumbprint: str
    algorithm: str


class PrivateKeySent(ValidationFailed):
    """Somebody sent a private key: it counts as known to others from now on."""

    code = "private_key_sent"
    title = "That was a private key"


class PinnedRegistry(JWSRegistry):
    """Accepts exactly the header algorithms of one registered algorithm, and nothing by default."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=sorted(HEADER_ALGORITHMS[algorithm]))
        self.pinned = HEADER_ALGORITHMS[algorithm]

    def get_alg(self, name: str):  # type: ignore[no-untyped-def]  # joserfc keeps the return type private
        """Return the algorithm, without joserfc's warning about the name EdDSA, which SDKs still use."""
        if name not in self.pinned:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


def read_public_key(jwk: Mapping[str, object], algorithm: str = "") -> AgentKey:
    """Return the key to register; raises ValidationFailed (PrivateKeySent for a private key) saying what would be taken."""
    if SECRET_MEMBERS & set(jwk):
        raise PrivateKeySent(
            detail="The JWK holds private members. Nothing was kept; make a new key, and send its public half only.",
            errors=(FieldError("/jwk", "private members", ACCEPTABLE_KEYS),),
        )
    members = MEMBERS.get(str(jwk.get("kty")), ())
    public = {name: value for name in members if isinstance(value := jwk.get(name), str) and len(value) <= MEMBER_LENGTH_MAX}
    if not members or len(public) != len(members):
        raise _unusable("The JWK is not a public key of a kind that is taken here.")
    natural = _natural_algorithms(public)
    chosen = algorithm or str(jwk.get("alg") or natural[0])
    chosen = "EdDSA" if chosen == "Ed25519" else chosen
    if chosen not in natural:
        raise _unusable(f"The algorithm {chosen[:16]!r} does not fit this key.")
    try:
        key = load_public_key(public)
        return AgentKey(public, key.thumbprint(), chosen)
    except (JoseError, ValueError) as error:
        raise _unusable(f"The key can't be read: {error}.") from error


def load_public_key(jwk: Mapping[str, str]) -> PublicKey:
    """Return the key object of a public JWK; raises ValueError or JoseError when it is none, or is a weak one."""
    kind = jwk["kty"]
    if kind == "RSA":
        # Before the import: joserfc only warns about a short key.
        modulus, exponent = (int.from_bytes(urlsafe_b64decode(jwk[name] + "==")) for name in ("n", "e"))
        if modulus.bit_length() not in RSA_BITS or exponent < RSA_EXPONENT_MIN:
            raise ValueError(f"RSA keys have 2048 to 4096 bits and an exponent of at least {RSA_EXPONENT_MIN}")
        return RSAKey.import_key(dict(jwk))
    key = ECKey.import_key(dict(jwk)) if kind == "EC" else OKPKey.import_key(dict(jwk))
    _ = key.public_key  # reading it checks that the point lies on the curve
    return key


def _natural_algorithms(public: Mapping[str, str]) -> tuple[str, ...]:
    match public:
        case {"kty": "EC", "crv": "P-256"}:
            return ("ES256",)
        case {"kty": "OKP", "crv": "Ed25519"}:
            return ("EdDSA",)
        case {"kty": "RSA"}:
            return ("RS256", "PS256")
    raise _unusable(f"The curve {public.get('crv', '')[:16]!r} is not taken here.")


def _unusable(message: str) -> ValidationFailed:
    return ValidationFailed(detail=message, errors=(FieldError("/jwk", message, ACCEPTABLE_KEYS),))
