"""Attacks on the log, one after the other: each is detected, and named by the verifier with a word of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from pytest_django import Settings

from audit.events import LogEvent
from audit.keys import verifying_key
from audit.models import Checkpoint, Event, Export, Seal
from audit.sealer import SealingRefused
from audit.sealer_process import record_about_log
from audit.services import record_many
from audit.signer import SigningRefused, sign_checkpoint
from audit.verification import verify_chain
from audit.witness import Witness, WitnessMemory
from gateway.checkpoints.configured import Witness as PinnedWitness
from tests.builders.audit import INSTANT, about, new_event, proposal_id, recorded, recorded_many, seal_all, seal_and_sign
from tests.builders.forgery import another_directory, forget_log, new_signing_key, owner, rewrite_seals

pytestmark = pytest.mark.django_db

THIRD = "(SELECT event_id FROM audit_seal WHERE sequence = 3)"


@pytest.fixture(autouse=True)
def events() -> list[Event]:
    """Record ten events of two proposals, seal and sign them in two goes."""
    first = recorded_many(5, subject=about(proposal_id()))
    seal_and_sign()
    second = recorded_many(5, subject=about(proposal_id()))
    seal_and_sign()
    return first + second


def named(*notes: Path) -> set[str]:
    """Return the words for what the verifier finds."""
    return {problem.code for problem in verify_chain(extra_notes=notes).findings.problems}


def edited() -> None:
    owner(f"UPDATE audit_event SET bytes = replace(encode(bytes, 'escape'), 'number\":2', 'number\":9')::bytea WHERE event_id = {THIRD}")


def edited_with_its_leaf() -> None:
    edited()
    owner(f"UPDATE audit_event SET leaf = sha256('\\x00'::bytea || bytes) WHERE event_id = {THIRD}")


def deleted() -> None:
    owner(f"DELETE FROM audit_event WHERE event_id = {THIRD}")


def deleted_with_its_seal() -> None:
    deleted()
    owner("DELETE FROM audit_seal WHERE sequence = 3")


def inserted() -> None:
    """A copy of an event, made to look like another one of the proposal, with its seal behind the last."""
    owner(
        "INSERT INTO audit_event (event_id, kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company, tool,"
        " chain, position, previous_leaf, bytes, leaf, mac)"
        " SELECT gen_random_uuid(), kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company, tool,"
        " 'sample:forged', 1, NULL, bytes, leaf, mac FROM audit_event ORDER BY event_id LIMIT 1"
    )
    forged = Event.objects.get(chain="sample:forged").event_id
    owner("INSERT INTO audit_seal (sequence, event_id, entry, previous) VALUES (11, %s, sha256('a'), sha256('b'))", forged)
    rewrite_seals()


def reordered() -> None:
    rows = dict(Seal.objects.values_list("sequence", "event_id"))
    owner("UPDATE audit_seal SET event_id = gen_random_uuid() WHERE sequence = 7")
    owner("UPDATE audit_seal SET event_id = %s WHERE sequence = 8", rows[7])
    owner("UPDATE audit_seal SET event_id = %s WHERE sequence = 7", rows[8])
    rewrite_seals()


def truncated() -> None:
    """The last three, with everything in the database that would tell of them."""
    owner("DELETE FROM audit_event WHERE event_id IN (SELECT event_id FROM audit_seal WHERE sequence > 7)")
    owner("DELETE FROM audit_seal WHERE sequence > 7")
    owner("DELETE FROM audit_checkpoint WHERE size > 7")
    rewrite_seals()


def rewritten() -> None:
    """By somebody who even has the application's key: all of it anew."""
    forget_log()
    recorded_many(10, subject=about(proposal_id()))
    seal_all()


ATTACKS: dict[str, tuple[Callable[[], None], str]] = {
    "an event is edited": (edited, "event_edited"),
    "an event and its leaf are edited": (edited_with_its_leaf, "event_forged"),
    "an event is deleted": (deleted, "event_missing"),
    "an event and its seal are deleted": (deleted_with_its_seal, "sequence_gap"),
    "an event is inserted": (inserted, "event_forged"),
    "two events are exchanged, the chain is recomputed": (reordered, "link_broken"),
    "the tail is cut off, the chain is recomputed": (truncated, "tail_truncated"),
    "the whole chain is rewritten": (rewritten, "root_differs"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_sealed_events_is_named(attack: str) -> None:
    assert named() == set()
    strike, word = ATTACKS[attack]
    strike()
    assert word in named()


@pytest.mark.parametrize("attack", ["the tail is cut off, the chain is recomputed", "the whole chain is rewritten"])
def test_the_signer_does_not_sign_it(attack: str) -> None:
    ATTACKS[attack][0]()
    if attack == "the whole chain is rewritten":
        recorded()
        seal_all()
    with pytest.raises(SigningRefused):
        sign_checkpoint(now=INSTANT)


def test_an_event_edited_before_it_is_sealed_is_never_sealed() -> None:
    event = recorded(subject=about(proposal_id()))
    owner("UPDATE audit_event SET bytes = bytes || ' '::bytea, leaf = sha256('\\x00'::bytea || bytes || ' '::bytea) WHERE event_id = %s",
          event.event_id)  # fmt: skip
    assert "event_forged" in named()
    with pytest.raises(SealingRefused) as refusal:
        seal_all()
    assert refusal.value.code == "event_forged"
    assert Seal.objects.count() == 10


def test_a_history_signed_anew_with_another_key_is_named(tmp_path: Path) -> None:
    """The database's owner has no signing key, so they take one of their own, for the database and for the files."""
    pinned = verifying_key()
    rewritten()
    with another_directory(tmp_path / "own", AUDIT_SIGNING_KEY=new_signing_key()):
        owner("DELETE FROM audit_checkpoint")
        assert sign_checkpoint(now=INSTANT) is not None
        assert verify_chain().holds  # by their own key all is well
        forged = tmp_path / "own" / "000000000010.note"
    assert verifying_key() == pinned
    assert {"signed_by_another_key", "root_differs"} <= named()
    assert "signed_by_another_key" in named(forged)


def test_a_fork_shown_to_two_people_is_named_when_either_brings_their_checkpoint(tmp_path: Path, checkpoints: Path) -> None:
    """The operator runs two copies of the log under one key, and shows each of two people another one."""
    first = checkpoints / "000000000010.note"
    forget_log()
    with another_directory(tmp_path / "second"):
        recorded_many(12, subject=about(proposal_id()))
        seal_and_sign()
        assert named() == set()
        assert named(first) == {"log_forked"}
        assert named(tmp_path / "second" / "000000000012.note") == set()


def test_a_witness_cosigns_one_of_two_histories(tmp_path: Path, checkpoints: Path) -> None:
    made = Witness(
        name="w.example/w", key=Ed25519PrivateKey.generate(), logs=[verifying_key()], memory=WitnessMemory(tmp_path / "w" / "memory.json")
    )
    first = (checkpoints / "000000000010.note").read_bytes()
    assert made.add_checkpoint(b"old 0\n\n" + first, seconds=1).status == 200
    forget_log()
    with another_directory(tmp_path / "second"):
        recorded_many(12, subject=about(proposal_id()))
        seal_and_sign()
        other = Checkpoint.objects.get(size=12).note.encode()
    assert (made.add_checkpoint(b"old 0\n\n" + other, seconds=2).status, made.add_checkpoint(b"old 10\n\n" + other, seconds=2).status) == (
        409,
        422,
    )


def backdated(days: int) -> None:
    """Record an event today, with the application's key and everything, that says it happened days ago."""
    event = replace(new_event(subject=about(proposal_id())), now=INSTANT - timedelta(days=days))
    with transaction.atomic():
        record_many([event])
    seal_all()


def test_a_backdated_event_is_named_by_the_log_s_own_clock() -> None:
    backdated(14)
    assert named() == set()  # nothing in the log tells the time yet
    record_about_log(LogEvent.HEARTBEAT, now=INSTANT)
    seal_all()
    backdated(0)
    assert named() == set()
    backdated(14)
    assert named() == {"event_backdated"}


def test_a_backdated_event_is_named_by_the_clock_of_a_witness(settings: Settings) -> None:
    key = Ed25519PrivateKey.generate()
    made = Witness(
        name="w.example/w", key=key, logs=[verifying_key()], memory=WitnessMemory(Path(settings.AUDIT_CHECKPOINT_DIR) / "w.json")
    )
    settings.AUDIT_WITNESSES = (PinnedWitness("http://127.0.0.1:1", made.vkey),)
    note = Checkpoint.objects.get(size=10).note.encode()
    line = made.add_checkpoint(b"old 0\n\n" + note, seconds=int(INSTANT.timestamp())).body
    Export.objects.create(exporter="witness:w.example/w", size=10, attempted_at=INSTANT, is_done=True, answer=line)
    assert named() == set()
    backdated(1)
    assert named() == {"event_backdated"}


def test_a_forged_cosignature_is_named(settings: Settings) -> None:
    other = Ed25519PrivateKey.generate()
    made = Witness(name="w", key=other, logs=[verifying_key()], memory=WitnessMemory(Path(settings.AUDIT_CHECKPOINT_DIR) / "w.json"))
    settings.AUDIT_WITNESSES = (PinnedWitness("http://127.0.0.1:1", made.vkey),)
    line = made.add_checkpoint(b"old 0\n\n" + Checkpoint.objects.get(size=5).note.encode(), seconds=7).body
    Export.objects.create(exporter="witness:w", size=10, attempted_at=INSTANT, is_done=True, answer=line)
    assert named() == {"cosignature_wrong"}
