"""A public key as a person pastes it: a JWK, or PEM text as OpenSSL writes it. A private key is refused and never kept."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.jwk import ECKey, OKPKey, RSAKey

from identity.tokens.keys import ACCEPTABLE_KEYS, SECRET_MEMBERS, PrivateKeySent
from kernel.canonical import parse_json
from kernel.errors import FieldError, NotCanonical, ValidationFailed

PASTED_LENGTH_MAX = 8_192
PUBLIC_PEM = "-----BEGIN PUBLIC KEY-----"
ACCEPTABLE = f"{ACCEPTABLE_KEYS}, or the same as PEM text that begins with {PUBLIC_PEM}"
# What people paste by mistake, and the command that makes the right thing of it.
MISTAKEN = (
    ("-----BEGIN CERTIFICATE-----", "This is a certificate.", "openssl x509 -in certificate.pem -pubkey -noout"),
    ("-----BEGIN RSA PUBLIC KEY-----", "This is a public key in an older form.", "openssl rsa -RSAPublicKey_in -in key.pem -pubout"),
    ("---- BEGIN SSH2", "This is an SSH key.", "ssh-keygen -e -m pkcs8 -f key.pub"),
    ("ssh-", "This is an SSH key.", "ssh-keygen -e -m pkcs8 -f key.pub"),
    ("ecdsa-sha2-", "This is an SSH key.", "ssh-keygen -e -m pkcs8 -f key.pub"),
)


def public_jwk_of(text: str) -> dict[str, object]:
    """Return the JWK of a pasted public key; whether it is one that is taken here is asked when it is registered.

    Raises PrivateKeySent for anything that holds a private key, ValidationFailed for anything else that is no public key. No message
    repeats what was pasted.
    """
    pasted = text.strip()
    if not pasted or len(pasted) > PASTED_LENGTH_MAX:
        raise _unreadable(f"Nothing was pasted, or more than {PASTED_LENGTH_MAX:,} characters.")
    if "PRIVATE KEY" in pasted.upper():
        raise _private()
    for beginning, what, command in MISTAKEN:
        if pasted.startswith(beginning):
            raise _unreadable(f"{what} Make a PEM public key of it: {command}")
    return _of_pem(pasted) if pasted.startswith("-----") else _of_json(pasted)


def _of_json(text: str) -> dict[str, object]:
    try:
        value = parse_json(text)
    except NotCanonical as error:
        raise _unreadable("This is neither a JWK nor PEM text.") from error
    keys = value.get("keys") if isinstance(value, dict) else None
    if isinstance(keys, list) and len(keys) == 1:
        value = keys[0]
    if not isinstance(value, dict):
        raise _unreadable("A JWK is one JSON object, with `kty` and the members of a public key.")
    if SECRET_MEMBERS & set(value):
        raise _private()
    return value


def _of_pem(text: str) -> dict[str, object]:
    try:
        key = load_pem_public_key(text.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable("The PEM text holds no public key that can be read.") from error
    if isinstance(key, EllipticCurvePublicKey):
        return dict(ECKey.import_key(text).as_dict(private=False))
    if isinstance(key, Ed25519PublicKey):
        return dict(OKPKey.import_key(text).as_dict(private=False))
    if isinstance(key, RSAPublicKey):
        return dict(RSAKey.import_key(text).as_dict(private=False))
    raise _unreadable("The PEM text holds a public key of a kind that is not taken here.")


def _private() -> PrivateKeySent:
    return PrivateKeySent(
        detail="That was a private key. Nothing of it was kept, but it left its machine: make a new key and paste its public half only.",
        errors=(FieldError("/key", "a private key", "the public half of a new key"),),
    )


def _unreadable(message: str) -> ValidationFailed:
    return ValidationFailed(detail=message, errors=(FieldError("/key", message, ACCEPTABLE),))
