"""A statement signed by its author's passkey: the challenge is made of the statement's digest, so the signature is over it.

The signature proves that the person, verified by their device, meant this digest. It does not prove what their screen showed.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from approvals.errors import SignatureRefused
from approvals.models import Ceremony, Signature
from audit.verifier.countersign_verify import DECISION_PURPOSE, Malformed, Uncheckable, encode_base64, passkey_challenge, passkey_problems
from audit.verifier.countersign_verify import Assertion as Evidence
from identity import passkeys
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.clock import wire_time
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode

SALT_BYTES = NONCE_BYTES = 32
LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Begun:
    """What the browser is asked."""

    ceremony: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser answered: which ceremony, and the credential as it was received."""

    ceremony: str
    credential: Mapping[str, Any]


def statement_bytes(statement: Mapping[str, object], salt: bytes) -> bytes:
    """Return the canonical bytes that are signed; the salt keeps the digest from telling what was typed."""
    return canonical_bytes({**statement, "schema": DECISION_PURPOSE, "salt": salt.hex()})


def begin(*, user: User, statement: Mapping[str, object], now: datetime) -> Begun:
    """Store a challenge for this statement and return it for the browser; raises SignatureRefused for somebody without a passkey."""
    if not passkeys.has_passkey(user):
        raise SignatureRefused(detail="You have no passkey that can sign; add one under Second factors.")
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    digest = _raw_digest(statement_bytes(statement, salt))
    options, state = passkeys.ask(user, passkey_challenge(digest, nonce))
    ceremony = Ceremony.objects.create(user=user, salt=salt, digest=digest, nonce=nonce, state=state, created_at=now)
    return Begun(encode(Prefix.CEREMONY, ceremony.pk), options)


def complete(*, user: User, statement: Mapping[str, object], answer: Answer, now: datetime) -> Signature:
    """Store the signature of this person over exactly this statement; the challenge is used up.

    Call it inside the transaction of what was signed: a decision that rolls back leaves the challenge unused. Raises
    SignatureRefused.
    """
    with transaction.atomic():
        ceremony = Ceremony.objects.select_for_update().filter(pk=_key(answer.ceremony), user=user).first()
        if ceremony is None or ceremony.used_at is not None:
            raise SignatureRefused(detail="This signature was used already, or its challenge was not made for you. Press the button again.")
        if not timedelta(0) <= now - ceremony.created_at <= LIFETIME:
            raise SignatureRefused(detail="The challenge is older than five minutes. Press the button again.")
        stored = statement_bytes(statement, bytes(ceremony.salt))
        digest, nonce = _raw_digest(stored), bytes(ceremony.nonce)
        if digest != bytes(ceremony.digest):
            raise SignatureRefused(detail="What was signed is not what was sent: the decision or its words changed after signing.")
        try:
            found = passkeys.check(user, ceremony.state, answer.credential)
        except passkeys.AssertionRefused as error:
            raise SignatureRefused(detail=f"The passkey's answer does not hold. {error}") from error
        Ceremony.objects.filter(pk=ceremony.pk, used_at=None).update(used_at=now)
        kept = Signature(
            user=user,
            ceremony=ceremony,
            statement_bytes=stored,
            digest=digest,
            nonce=nonce,
            client_data=found.client_data,
            authenticator_data=found.authenticator_data,
            signature=found.signature,
            credential_id=found.credential_id,
            public_key=found.public_key,
            attestation_object=found.attestation_object,
            aaguid=found.aaguid,
            flags=found.flags,
            counter=found.counter,
            rp_id=settings.WEBAUTHN_RP_ID,
            origin=found.origin,
            signed_at=now,
        )
        _require_provable(kept)
        kept.save(force_insert=True)
        return kept


def problems_of(signature: Signature) -> list[str]:
    """Return what does not hold about a stored signature, checked from its bytes alone; empty when it holds."""
    digest = bytes(signature.digest)
    changed = [] if _raw_digest(bytes(signature.statement_bytes)) == digest else ["The statement is not the one that was signed."]
    evidence = Evidence(
        digest=digest,
        nonce=bytes(signature.nonce),
        client_data=bytes(signature.client_data),
        authenticator_data=bytes(signature.authenticator_data),
        signature=bytes(signature.signature),
        public_key=bytes(signature.public_key),
        rp_id=signature.rp_id,
        origin=signature.origin,
    )
    try:
        return [*changed, *passkey_problems(evidence)]
    except (Malformed, Uncheckable) as error:
        return [*changed, f"It can't be checked: {error}."]


def as_event(signature: Signature) -> dict[str, object]:
    """Return the signature as it stands in the event of the decision: opaque bytes, no name and no words."""
    return {
        "digest": f"sha256:{bytes(signature.digest).hex()}",
        "rp_id": signature.rp_id,
        "origin": signature.origin,
        **{
            name: encode_base64(bytes(getattr(signature, name)))
            for name in ("nonce", "client_data", "authenticator_data", "signature", "public_key", "credential_id")
        },
    }


def as_kept(signature: Signature) -> dict[str, object]:
    """Return the signature as it stands in an evidence bundle: with the statement, and what ties the key to its enrolment."""
    return {
        "signed_at": wire_time(signature.signed_at),
        "statement": bytes(signature.statement_bytes).decode("utf-8"),
        "attestation_object": encode_base64(bytes(signature.attestation_object)),
        "aaguid": signature.aaguid,
        "flags": signature.flags,
        "counter": signature.counter,
        **as_event(signature),
    }


def _require_provable(signature: Signature) -> None:
    """Raise SignatureRefused unless whoever has only the evidence will come to the same result as fido2 did just now."""
    problems = problems_of(signature)
    if problems:
        raise SignatureRefused(detail=f"The signature would not hold as evidence. {' '.join(problems)}")


def _raw_digest(stored: bytes) -> bytes:
    return bytes.fromhex(digest_of_bytes(DECISION_PURPOSE, stored).removeprefix("sha256:"))


def _key(ceremony: str) -> uuid.UUID:
    try:
        return decode(Prefix.CEREMONY, ceremony)
    except InvalidIdentifier as error:
        raise SignatureRefused(detail="The signature names no challenge of ours.") from error
