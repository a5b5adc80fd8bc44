"""The ring of signing keys: published before it signs, verifying until its last token has ended, noticed without a restart."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client
from joserfc.jwk import ECKey

from identity import services
from identity.errors import TokenInvalid
from identity.models import Agent
from identity.tokens.access import mint, read_token
from identity.tokens.details import Detail
from identity.tokens.signing import LEAD, OVERLAP, current_ring, public_key_set
from kernel.actors import Actor
from kernel.clock import now
from kernel.errors import StateConflict
from tests.builders.identity import access_token
from tests.identity.recorded import kinds, outcomes

pytestmark = pytest.mark.django_db

JOB = Actor.system("test")


@pytest.fixture(autouse=True)
def ring(settings: Any, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "token_signing_key"
    path.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    settings.TOKEN_SIGNING_KEY, settings.TOKEN_SIGNING_KEY_FILE = "", path
    yield path
    assert [entry.name for entry in tmp_path.iterdir() if "lock" not in entry.name] == [path.name]


def a_token(agent: Agent, at: datetime) -> str:
    detail = (Detail("propose", "create_purchase_order", "DE01"), agent.grants.first().pk)  # type: ignore[union-attr]
    return mint(agent_id=agent.pk, credential_thumbprint="k", details=[detail], not_after=at + timedelta(days=1), now=at).text


def published(at: datetime) -> list[str]:
    return [key["kid"] for key in public_key_set(at)["keys"]]


def is_read(token: str, at: datetime) -> bool:
    try:
        read_token(token, at)
    except TokenInvalid:
        return False
    return True


def test_a_rotation_overlaps_on_both_sides(equipped: tuple[Agent, ECKey], ring: Path) -> None:
    agent, at = equipped[0], now()
    old = current_ring().signing(at)
    new = services.rotate_signing_key(actor=JOB, now=at)
    # Published at once, by every process that looks; it signs when nobody can still hold a set without it.
    assert published(at) == [old.key_id, new.key_id]
    assert current_ring().signing(at + LEAD - timedelta(seconds=1)).key_id == old.key_id
    assert current_ring().signing(at + LEAD).key_id == new.key_id
    # The last token of the old key verifies until it has ended.
    last = at + LEAD - timedelta(seconds=1)
    token = a_token(agent, last)
    assert is_read(token, last + timedelta(seconds=299))
    assert published(at + LEAD + OVERLAP - timedelta(seconds=1)) == [old.key_id, new.key_id]
    assert published(at + LEAD + OVERLAP) == [new.key_id]
    assert stat.S_IMODE(ring.stat().st_mode) == 0o600
    assert outcomes("token:signing_key_rotated")[0]["kept"] == [old.key_id]


def test_a_key_that_is_over_verifies_nothing(equipped: tuple[Agent, ECKey]) -> None:
    agent, at = equipped[0], now()
    old = current_ring().signing(at)
    services.rotate_signing_key(actor=JOB, now=at)
    much_later = at + timedelta(days=30)
    forged = a_token(agent, at)
    third = services.rotate_signing_key(actor=JOB, now=much_later)
    assert old.key_id not in [key.key_id for key in current_ring().keys]
    assert third.key_id in published(much_later)
    assert not is_read(forged, at)


def test_a_compromised_key_is_void_at_once(equipped: tuple[Agent, ECKey]) -> None:
    token = access_token(*equipped)
    assert is_read(token, now())
    new = services.rotate_signing_key(actor=JOB, now=now(), is_compromised=True)
    assert not is_read(token, now())
    assert published(now()) == [new.key_id]
    assert is_read(access_token(*equipped), now())
    assert outcomes("token:signing_key_rotated")[0]["is_compromised"] is True


def test_only_one_key_waits(ring: Path) -> None:
    services.rotate_signing_key(actor=JOB, now=now())
    before = ring.read_bytes()
    with pytest.raises(StateConflict):
        services.rotate_signing_key(actor=JOB, now=now())
    assert ring.read_bytes() == before
    assert kinds() == ["token:signing_key_rotated"]


def test_age_rotates(settings: Any) -> None:
    assert not services.rotate_signing_key_by_age(now=now())
    old = now() + timedelta(days=settings.TOKEN_SIGNING_KEY_DAYS, seconds=5)
    assert services.rotate_signing_key_by_age(now=old)
    assert not services.rotate_signing_key_by_age(now=old + timedelta(days=1))
    assert len(current_ring().keys) == 2


def test_a_key_in_the_environment_is_not_ours_to_rotate(settings: Any, ring: Path) -> None:
    settings.TOKEN_SIGNING_KEY = ring.read_text()
    assert not services.rotate_signing_key_by_age(now=now() + timedelta(days=3650))
    with pytest.raises(CommandError, match="environment"):
        call_command("rotate_signing_key")


def test_the_command_says_what_happens(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("rotate_signing_key")
    assert current_ring().newest.key_id in capsys.readouterr().out
    call_command("rotate_signing_key", "--compromised")
    assert len(current_ring().keys) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"keys": []}', '{"keys": [1]}', '{"keys": [{"private_key": "x"}]}', "[]", "-----BEGIN X-----"],
)
def test_a_ring_that_makes_no_sense_stops(ring: Path, text: str) -> None:
    ring.write_text(text)
    with pytest.raises(ImproperlyConfigured):
        current_ring()


def test_keys_of_another_curve_do_not_sign(ring: Path) -> None:
    ring.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    with pytest.raises(ImproperlyConfigured):
        current_ring()


def test_what_is_published_is_public(client: Client) -> None:
    services.rotate_signing_key(actor=JOB, now=now())
    response = client.get("/.well-known/jwks.json")
    assert response["Cache-Control"] == "public, max-age=300"
    keys = json.loads(response.content)["keys"]
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "kid", "alg", "use"}] * 2
