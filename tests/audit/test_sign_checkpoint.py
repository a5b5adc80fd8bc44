"""Checkpoints verify by code that is not ours, and nothing is signed that does not contain what was signed before."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from audit.keys import log_origin, mac_key, signing_key, verifying_key
from audit.models import Checkpoint, Frontier
from audit.signer import SigningRefused, sign_checkpoint
from audit.verifier.countersign_verify import Checkpoint as Note
from audit.verifier.countersign_verify import VerifyingKey
from tests.builders.audit import INSTANT, database_owner, recorded_many, seal_all, seal_and_sign

pytestmark = pytest.mark.django_db


def test_a_checkpoint_is_stored_and_exported_and_verifies_with_cryptography(checkpoints: Path) -> None:
    recorded_many(3)
    checkpoint = seal_and_sign()
    assert checkpoint is not None
    note = (checkpoints / "000000000003.note").read_text(encoding="utf-8")
    assert note == checkpoint.note == (checkpoints / "latest.note").read_text(encoding="utf-8")
    origin, size, root, blank, signature = note.rstrip("\n").split("\n")
    assert (origin, size, blank) == (log_origin(), "3", "")
    assert base64.b64decode(root) == bytes(Frontier.objects.get(size=3).root)
    dash, name, value = signature.split(" ")
    assert (dash, name) == ("—", origin)
    body = note.partition("\n\n")[0] + "\n"
    signing_key().public_key().verify(base64.b64decode(value)[4:], body.encode())  # raises when it does not
    key = VerifyingKey.parse((checkpoints / "countersign.vkey").read_text(encoding="utf-8"))
    assert key == verifying_key()
    assert Note.parse(note.encode()).is_signed_by(key)


def test_the_same_head_is_signed_once(checkpoints: Path) -> None:
    recorded_many(2)
    assert seal_and_sign() is not None
    assert sign_checkpoint(now=INSTANT) is None
    assert Checkpoint.objects.count() == 1
    assert sorted(path.name for path in checkpoints.iterdir()) == [
        "000000000002.note", "countersign.vkey", "latest.note", "signer.json",
    ]  # fmt: skip


def test_an_empty_chain_is_not_signed() -> None:
    assert sign_checkpoint(now=INSTANT) is None


def test_a_signature_interrupted_before_it_was_stored_is_completed(checkpoints: Path) -> None:
    recorded_many(2)
    first = seal_and_sign()
    with database_owner(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_checkpoint")
    (checkpoints / "000000000002.note").unlink()
    again = sign_checkpoint(now=INSTANT)
    assert again is not None
    assert first is not None
    assert again.note == first.note
    assert (checkpoints / "000000000002.note").exists()


def test_a_smaller_chain_is_not_signed(checkpoints: Path) -> None:
    recorded_many(5)
    seal_and_sign()
    with database_owner(), connection.cursor() as cursor:
        for table in ("audit_seal", "audit_event", "audit_link", "audit_frontier", "audit_checkpoint", "audit_eventpayload"):
            cursor.execute(f"DELETE FROM {table}")
    recorded_many(2)
    seal_all()
    with pytest.raises(SigningRefused, match="ends at 2, but 5 was signed"):
        sign_checkpoint(now=INSTANT)
    assert not Checkpoint.objects.exists()
    assert not (checkpoints / "000000000002.note").exists()


def test_a_larger_chain_with_another_history_is_not_signed(checkpoints: Path) -> None:
    recorded_many(2)
    seal_and_sign()
    with database_owner(), connection.cursor() as cursor:
        for table in ("audit_seal", "audit_event", "audit_link", "audit_frontier", "audit_checkpoint", "audit_eventpayload"):
            cursor.execute(f"DELETE FROM {table}")
    recorded_many(4)
    seal_all()
    with pytest.raises(SigningRefused, match="does not continue the history"):
        sign_checkpoint(now=INSTANT)
    assert not (checkpoints / "000000000004.note").exists()


def test_a_gap_is_not_signed() -> None:
    recorded_many(4)
    seal_all()
    with database_owner(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_seal WHERE sequence = 2")
    with pytest.raises(SigningRefused, match="Sequence 2 is missing"):
        sign_checkpoint(now=INSTANT)


def test_memory_that_contradicts_itself_is_refused(checkpoints: Path) -> None:
    recorded_many(3)
    seal_and_sign()
    memory = checkpoints / "signer.json"
    text = memory.read_text(encoding="utf-8")
    memory.write_text(text.replace('"root":"', '"root":"00')[: len(text)], encoding="utf-8")
    recorded_many(1)
    seal_all()
    with pytest.raises(SigningRefused):
        sign_checkpoint(now=INSTANT)


def test_another_key_in_the_same_directory_is_refused(settings: Settings) -> None:
    recorded_many(1)
    seal_and_sign()
    other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    settings.AUDIT_SIGNING_KEY = other.decode("ascii")
    recorded_many(1)
    seal_all()
    with pytest.raises(SigningRefused, match="publishes another key"):
        sign_checkpoint(now=INSTANT)


@pytest.mark.parametrize(
    ("name", "value", "use"),
    [
        ("AUDIT_MAC_KEY", "short", mac_key),
        ("AUDIT_SIGNING_KEY", "", signing_key),
        ("AUDIT_SIGNING_KEY", "not a key", signing_key),
        ("INSTALLATION", "two words", verifying_key),
        ("REGION", "a+b", verifying_key),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: Settings, name: str, value: str, use: object) -> None:
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        use()  # type: ignore[operator]
