"""The public keys of trusted issuers: what is taken as one, and which of them may verify a token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from identity.tokens.keys import MEMBERS, SECRET_MEMBERS, PrivateKeySent, PublicKey, load_public_key
from kernel.errors import FieldError, ValidationFailed

KEYS_MAX = 50
TEXT_LENGTH_MAX = 2048
# Of keys without a matching `kid` so many are tried: a token that names none must not cost a hundred signatures.
TRIED_MAX = 8
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
ACCEPTABLE = "a JWKS object {“keys”: […]} or an array of public JWKs: RSA of 2048 to 4096 bits, EC P-256, P-384, P-521, Ed25519"
Jwk = dict[str, str]


class ForeignRegistry(JWSRegistry):
    """Accepts exactly one algorithm. Headers it does not know are no matter: foreign issuers have their own."""

    def __init__(self, algorithm: str) -> None:
        names = ["EdDSA", "Ed25519"] if algorithm == "EdDSA" else [algorithm]
        super().__init__(algorithms=names, strict_check_header=False)
        self.pinned = frozenset(names)

    def get_alg(self, name: str):  # type: ignore[no-untyped-def]  # joserfc keeps the return type private
        """Return the algorithm, without joserfc's warning about the name EdDSA, which issuers still use."""
        if name not in self.pinned:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


def read_fetched_keys(value: object) -> list[Jwk]:
    """Return the usable public keys of a fetched JWKS; raises ValueError when it is none, or has none.

    A key of a kind that is not taken, or one whose private half was published, is left out: the others still count.
    """
    return list(_usable(_listed(value)))


def read_pinned_keys(value: object) -> list[Jwk]:
    """Return the keys that a person pastes; raises ValidationFailed unless each of them is usable, PrivateKeySent for a private one."""
    try:
        listed = _listed(value)
    except ValueError as error:
        raise _unusable(str(error)) from error
    if any(isinstance(item, dict) and SECRET_MEMBERS & set(item) for item in listed):
        raise PrivateKeySent(
            detail="One of the keys holds private members. Nothing was kept; its issuer needs a new key.",
            errors=(FieldError("/pinned_keys", "private members", ACCEPTABLE),),
        )
    try:
        found = list(_usable(listed))
    except ValueError as error:
        raise _unusable(str(error)) from error
    if len(found) != len(listed):
        raise _unusable("One of the keys is of a kind that is not taken here.")
    return found


def keys_for(keys: Iterable[Mapping[str, str]], *, algorithm: str, key_id: str, use: str, is_use_required: bool) -> list[PublicKey]:
    """Return the keys that may verify a token with this algorithm and `kid` (any, when it names none)."""
    fitting = []
    for key in keys:
        stated = key.get("use", "")
        if (stated != use) if is_use_required else stated not in {"", use}:
            continue
        if key.get("alg") not in {None, algorithm} or KEY_TYPES[algorithm[:2]] != key["kty"]:
            continue
        if algorithm in CURVES and key["crv"] != CURVES[algorithm]:
            continue
        if key_id and key.get("kid") != key_id:
            continue
        fitting.append(_loaded(key))
    return fitting[:TRIED_MAX]


def thumbprints(keys: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the RFC 7638 thumbprint of each key, sorted: what tells in an event which keys these were."""
    return sorted({_loaded(key).thumbprint() for key in keys})


def _listed(value: object) -> Sequence[Any]:
    listed = value.get("keys") if isinstance(value, dict) else value
    if not isinstance(listed, list) or not 0 < len(listed) <= KEYS_MAX:
        raise ValueError(f"This is no set of 1 to {KEYS_MAX} public keys.")
    return listed


def _usable(listed: Sequence[Any]) -> Iterator[Jwk]:
    found = 0
    for item in listed:
        if not isinstance(item, dict) or SECRET_MEMBERS & set(item):
            continue
        names = (*MEMBERS.get(str(item.get("kty")), ()), "kid", "alg", "use")
        key = {name: text for name in names if isinstance(text := item.get(name), str) and len(text) <= TEXT_LENGTH_MAX}
        if key.get("alg") == "Ed25519":
            key["alg"] = "EdDSA"
        if not set(MEMBERS.get(str(item.get("kty")), ("kty",))) <= set(key):
            continue
        try:
            _loaded(key).thumbprint()
        except (JoseError, ValueError, KeyError):
            continue
        found += 1
        yield key
    if not found:
        raise ValueError("None of the keys is of a kind that is taken here.")


def _loaded(key: Mapping[str, str]) -> PublicKey:
    members = {name: key[name] for name in MEMBERS[key["kty"]]}
    if members["kty"] == "EC" and members["crv"] not in CURVES.values():
        raise ValueError("The curve is not taken here.")
    loaded = load_public_key(members)
    if not isinstance(loaded, ECKey) and members["kty"] == "OKP" and members["crv"] != "Ed25519":
        raise ValueError("The curve is not taken here.")
    return loaded


def _unusable(message: str) -> ValidationFailed:
    return ValidationFailed(detail=message, errors=(FieldError("/pinned_keys", message, ACCEPTABLE),))
