"""Passkeys of people: asking for an assertion over a challenge of ours, and checking the answer.

The credentials are those that allauth enrolled. Its own ceremony is not used: it keeps one state per session (a second tab overwrites
the first) and chooses the challenge itself. What is used of its internals is named here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth as enrolled
from django.conf import settings
from django.contrib.auth.models import User
from fido2 import cbor
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)

# What the verifier of evidence bundles computes with: ES256, EdDSA, RS256. A key of another kind could sign, and nobody could check it
# without us, so it is not asked.
ALGORITHMS = frozenset({-7, -8, -257})
COSE_ALGORITHM = 3
CHALLENGE_BYTES = 32


class AssertionRefused(ValueError):
    """The browser's answer is not this person's signature over this challenge; the reason is the text."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A checked answer: the bytes as they were received, and the key that made it."""

    authenticator: Authenticator
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    credential_id: bytes
    public_key: bytes
    attestation_object: bytes
    aaguid: str
    flags: int
    counter: int
    origin: str


def has_passkey(user: User) -> bool:
    """Return whether the person has a passkey that can sign."""
    return bool(_credentials(user))


def ask(user: User, challenge: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the browser is asked (JSON), and the state that checking the answer needs (JSON too)."""
    if len(challenge) != CHALLENGE_BYTES:
        raise ValueError("a challenge has 32 bytes")
    options, state = _server().authenticate_begin(
        credentials=_credentials(user), user_verification=UserVerificationRequirement.REQUIRED, challenge=challenge
    )
    return dict(dict(options)["publicKey"]), dict(state)


def check(user: User, state: Mapping[str, Any], answer: Mapping[str, Any]) -> Assertion:
    """Return the assertion when it is this person's, over the challenge of the state, with the person verified.

    Raises AssertionRefused. The counter is not held against anything: synced passkeys send 0 for ever.
    """
    try:
        response = AuthenticationResponse.from_dict(answer)
        credential = _server().authenticate_complete(dict(state), _credentials(user), response)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AssertionRefused(str(error) or type(error).__name__) from error
    client, data = response.response.client_data, response.response.authenticator_data
    if client.cross_origin:
        raise AssertionRefused("It was made inside a page of another origin.")
    row = enrolled.get_authenticator_by_credential_id(user, credential.credential_id)
    if row is None:
        raise AssertionRefused("The passkey was removed meanwhile.")
    registration = enrolled.parse_registration_response(row.data["credential"])
    row.record_usage()
    return Assertion(
        authenticator=row,
        client_data=bytes(client),
        authenticator_data=bytes(data),
        signature=bytes(response.response.signature),
        credential_id=bytes(credential.credential_id),
        public_key=cbor.encode(dict(credential.public_key)),
        attestation_object=bytes(registration.response.attestation_object),
        aaguid=str(credential.aaguid),
        flags=int(data.flags),
        counter=int(data.counter),
        origin=client.origin,
    )


def _server() -> Fido2Server:
    """Return a relying party with an exact list of origins: the library's own rule takes any port of localhost and any subdomain."""
    party = PublicKeyCredentialRpEntity(id=settings.WEBAUTHN_RP_ID, name="Countersign")
    return Fido2Server(party, verify_origin=lambda origin: origin in settings.WEBAUTHN_ORIGINS)


def _credentials(user: User) -> list[AttestedCredentialData]:
    found = cast("list[AttestedCredentialData]", enrolled.get_credentials(user))
    return [credential for credential in found if credential.public_key.get(COSE_ALGORITHM) in ALGORITHMS]
