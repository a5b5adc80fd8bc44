"""Keys: public only, of a strong kind, at most two alive, never used twice."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from identity import services
from identity.errors import CredentialKnown, CredentialLimit
from identity.models import Agent, Credential
from identity.tokens.keys import read_public_key
from kernel.clock import now
from kernel.errors import DomainError, NotVisible, PermissionRefused, StateConflict, ValidationFailed
from kernel.ids import new_id
from tests.builders.identity import actor, make_agent, make_credential, make_key, public_jwk
from tests.identity.recorded import kinds, outcomes

pytestmark = pytest.mark.django_db


def register(agent: Agent, by: User, jwk: dict[str, object], *, days: int = 30, algorithm: str = "") -> Credential:
    return services.register_credential(
        agent_id=agent.pk, jwk=jwk, not_after=now() + timedelta(days=days), algorithm=algorithm, actor=actor(by), now=now()
    )


@pytest.mark.parametrize(
    ("key", "algorithm", "stored"),
    [
        (ECKey.generate_key("P-256"), "", "ES256"),
        (OKPKey.generate_key("Ed25519"), "", "EdDSA"),
        (OKPKey.generate_key("Ed25519"), "Ed25519", "EdDSA"),
        (RSAKey.generate_key(2048), "", "RS256"),
        (RSAKey.generate_key(2048), "PS256", "PS256"),
    ],
)
def test_a_strong_public_key_is_registered(alice: User, agent: Agent, key: Key, algorithm: str, stored: str) -> None:
    credential = register(agent, alice, public_jwk(key) | {"use": "sig", "kid": "mine"}, algorithm=algorithm)
    assert (credential.algorithm, credential.thumbprint) == (stored, key.thumbprint())
    assert set(credential.jwk) <= {"kty", "crv", "x", "y", "n", "e"}
    assert outcomes("credential:registered")[0]["thumbprint"] == key.thumbprint()
    assert credential.history.count() == 1


def _weak_rsa() -> dict[str, object]:
    modulus = base64.urlsafe_b64encode((2**1023 + 1).to_bytes(128)).rstrip(b"=").decode()
    return {"kty": "RSA", "n": modulus, "e": "AQAB"}


@pytest.mark.parametrize(
    ("jwk", "algorithm", "code"),
    [
        (dict(ECKey.generate_key("P-256").as_dict(private=True)), "", "private_key_sent"),
        (dict(RSAKey.generate_key(2048).as_dict(private=True)), "", "private_key_sent"),
        (dict(OctKey.generate_key(256).as_dict(private=True)), "", "private_key_sent"),
        (public_jwk(ECKey.generate_key("P-384")), "", "validation_failed"),
        (public_jwk(ECKey.generate_key("P-256")), "RS256", "validation_failed"),
        (public_jwk(ECKey.generate_key("P-256")), "HS256", "validation_failed"),
        (public_jwk(ECKey.generate_key("P-256")) | {"alg": "none"}, "", "validation_failed"),
        (public_jwk(ECKey.generate_key("P-256")) | {"x": "AAAA"}, "", "validation_failed"),
        (public_jwk(ECKey.generate_key("P-256")) | {"y": 7}, "", "validation_failed"),
        ({"kty": "OKP", "crv": "X25519", "x": "AAAA"}, "", "validation_failed"),
        ({"kty": "EC"}, "", "validation_failed"),
        ({"kty": []}, "", "validation_failed"),
        ({}, "", "validation_failed"),
        (_weak_rsa(), "", "validation_failed"),
        (public_jwk(RSAKey.generate_key(2048)) | {"e": "Aw"}, "", "validation_failed"),
    ],
)
def test_a_weak_or_private_key_is_refused(alice: User, agent: Agent, jwk: dict[str, object], algorithm: str, code: str) -> None:
    before = kinds()
    with pytest.raises(ValidationFailed) as refused:
        register(agent, alice, jwk, algorithm=algorithm)
    assert refused.value.code == code
    assert refused.value.errors[0].acceptable.startswith("a public JWK")
    assert not Credential.objects.exists()
    assert kinds() == before


def test_two_keys_overlap_and_a_third_waits(alice: User, agent: Agent) -> None:
    first = make_credential(agent, make_key())
    make_credential(agent, make_key())
    with pytest.raises(CredentialLimit):
        make_credential(agent, make_key())
    services.revoke_credential(credential_id=first.pk, actor=actor(alice), now=now())
    make_credential(agent, make_key())
    assert Credential.objects.filter(revoked_at__isnull=True).count() == 2


def test_a_key_is_never_used_twice(alice: User, dora: User, agent: Agent) -> None:
    key = make_key()
    credential = make_credential(agent, key)
    with pytest.raises(CredentialKnown):
        make_credential(make_agent(dora, name="Another agent"), key)
    services.revoke_credential(credential_id=credential.pk, actor=actor(alice), now=now())
    with pytest.raises(CredentialKnown):
        make_credential(agent, key)


@pytest.mark.parametrize("days", [-1, 0, 732])
def test_a_key_ends_within_two_years(alice: User, agent: Agent, days: int) -> None:
    with pytest.raises(ValidationFailed):
        register(agent, alice, public_jwk(make_key()), days=days)
    assert not Credential.objects.exists()


def test_revoking_is_once(alice: User, agent: Agent) -> None:
    credential = make_credential(agent, make_key())
    services.revoke_credential(credential_id=credential.pk, actor=actor(alice), now=now())
    before = kinds()
    with pytest.raises(StateConflict):
        services.revoke_credential(credential_id=credential.pk, actor=actor(alice), now=now())
    assert kinds() == before
    assert [row.history_type for row in credential.history.all()] == ["~", "+"]


def test_others_do_not_touch_the_keys(agent: Agent, dora: User, charlie: User) -> None:
    credential = make_credential(agent, make_key())
    refusals: list[tuple[User, type[DomainError]]] = [(dora, PermissionRefused), (charlie, NotVisible)]
    before = kinds()
    for person, error in refusals:
        with pytest.raises(error):
            services.revoke_credential(credential_id=credential.pk, actor=actor(person), now=now())
        with pytest.raises(error):
            register(agent, person, public_jwk(make_key()))
    with pytest.raises(NotVisible):
        services.revoke_credential(credential_id=new_id(), actor=actor(agent.owner), now=now())
    credential.refresh_from_db()
    assert credential.revoked_at is None
    assert kinds() == [*before, "credential:refused", "credential:refused"]


def test_a_decommissioned_agent_gets_no_key(alice: User, agent: Agent) -> None:
    services.decommission_agent(agent_id=agent.pk, actor=actor(alice), now=now())
    with pytest.raises(StateConflict):
        register(agent, alice, public_jwk(make_key()))
    key = read_public_key(public_jwk(make_key()))
    with pytest.raises(IntegrityError, match="no keys"), transaction.atomic():
        Credential.objects.create(
            agent=agent,
            jwk=key.jwk,
            thumbprint=key.thumbprint,
            algorithm=key.algorithm,
            not_after=now(),
            issued_by=alice,
            created_at=now(),
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE identity_credential SET jwk = '{}'",
        "UPDATE identity_credential SET algorithm = 'RS256'",
        "UPDATE identity_credential SET not_after = not_after + interval '1 year'",
        'UPDATE identity_credential SET jwk = jwk || \'{"d": "x"}\'',
        "DELETE FROM identity_credential",
    ],
)
def test_the_database_keeps_keys_as_they_are(agent: Agent, statement: str) -> None:
    make_credential(agent, make_key())
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_revokes_for_good(alice: User, agent: Agent) -> None:
    credential = make_credential(agent, make_key())
    services.revoke_credential(credential_id=credential.pk, actor=actor(alice), now=now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Credential.objects.filter(pk=credential.pk).update(revoked_at=None)
