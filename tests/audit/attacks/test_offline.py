"""What an auditor holds in their hands, a receipt or a checkpoint, is verified by one file of Python, and every attack on it is named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command

from audit.inclusion import inclusion_receipt
from audit.keys import verifying_key
from audit.models import Checkpoint, Export
from audit.verifier import countersign_verify
from audit.verifier.countersign_verify import (
    HOLDS,
    Findings,
    Kept,
    VerifyingKey,
    canonical_json,
    decode_base64,
    encode_base64,
    kept_files,
    verify_path,
)
from audit.witness import Witness, WitnessMemory
from tests.builders.audit import INSTANT, about, proposal_id, recorded_many, seal_and_sign
from tests.builders.forgery import another_directory, forget_log, new_signing_key

pytestmark = pytest.mark.django_db

PROPOSAL = proposal_id()


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    """Return the receipt of a proposal with four events, among others before and after, as a file."""
    recorded_many(3)
    recorded_many(2, subject=about(PROPOSAL))
    seal_and_sign()
    recorded_many(3)
    recorded_many(2, subject=about(PROPOSAL))
    seal_and_sign()
    path = tmp_path / "receipt.json"
    path.write_bytes(inclusion_receipt(PROPOSAL))
    return path


def verified(path: Path, *pinned: VerifyingKey, kept: Kept | None = None) -> Findings:
    """Return what the verifier finds, with the log's key pinned."""
    return verify_path(path, pinned=(verifying_key(), *pinned), kept=kept)[0]


def named(path: Path, *pinned: VerifyingKey, kept: Kept | None = None) -> set[str]:
    """Return the words for what the verifier finds."""
    return {problem.code for problem in verified(path, *pinned, kept=kept).problems}


def test_a_receipt_verifies_with_nothing_but_python(receipt: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "verify.py"
    alone.parent.mkdir()
    alone.write_bytes(Path(countersign_verify.__file__).read_bytes())
    command = [sys.executable, "-I", str(alone), str(receipt), "--key", verifying_key().text, "--json"]
    answer = subprocess.run(command, check=False, capture_output=True, cwd=alone.parent)
    result = json.loads(answer.stdout)
    assert (answer.returncode, result["holds"], result["trust"], result["proposal"]) == (HOLDS, True, "pinned", PROPOSAL)
    assert [check["detail"] for check in result["checks"]] == ["size 10", "4 events"]
    assert any("after the head of size 10" in text for text in result["limitations"])


def test_without_a_pinned_key_it_shows_integrity_only(receipt: Path) -> None:
    findings, _ = verify_path(receipt)
    assert findings.holds
    assert any("Integrity only" in text for text in findings.limitations)


def test_the_same_events_give_the_same_receipt(receipt: Path) -> None:
    recorded_many(2)
    seal_and_sign()
    assert inclusion_receipt(PROPOSAL) == receipt.read_bytes()


def edited(receipt: dict[str, Any]) -> None:
    stored = decode_base64(receipt["events"][1]["bytes"])
    receipt["events"][1]["bytes"] = encode_base64(stored.replace(b'"number":1', b'"number":7'))


def deleted(receipt: dict[str, Any]) -> None:
    del receipt["events"][1]


def without_first(receipt: dict[str, Any]) -> None:
    del receipt["events"][0]


def reordered(receipt: dict[str, Any]) -> None:
    receipt["events"].reverse()


def moved(receipt: dict[str, Any]) -> None:
    receipt["events"][0]["sequence"] += 1


def other_root(receipt: dict[str, Any]) -> None:
    lines = receipt["checkpoint"].split("\n")
    lines[2] = encode_base64(bytes(32))
    receipt["checkpoint"] = "\n".join(lines)


def other_proposal(receipt: dict[str, Any]) -> None:
    receipt["proposal"] = proposal_id()


ATTACKS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "an event is edited": (edited, "proof_wrong"),
    "an event is left out": (deleted, "link_broken"),
    "the first event is left out": (without_first, "link_broken"),
    "events are exchanged": (reordered, "event_order"),
    "an event is said to stand elsewhere": (moved, "proof_wrong"),
    "the root is edited": (other_root, "checkpoint_signature"),
    "the receipt is said to be about another proposal": (other_proposal, "foreign_event"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_a_receipt_is_named(receipt: Path, attack: str) -> None:
    assert named(receipt) == set()
    content = json.loads(receipt.read_bytes())
    strike, word = ATTACKS[attack]
    strike(content)
    receipt.write_bytes(canonical_json(content))
    assert word in named(receipt)


def test_a_receipt_signed_with_another_key_is_named(receipt: Path, tmp_path: Path) -> None:
    pinned = verifying_key()
    forget_log()
    with another_directory(tmp_path / "own", AUDIT_SIGNING_KEY=new_signing_key()):
        recorded_many(4, subject=about(PROPOSAL))
        seal_and_sign()
        receipt.write_bytes(inclusion_receipt(PROPOSAL))
    findings, _ = verify_path(receipt, pinned=[pinned])
    assert {problem.code for problem in findings.problems} == {"signed_by_another_key"}


# --- Two people compare what they were shown ------------------------------------------------------------------------------------


def forked(tmp_path: Path, count: int) -> Path:
    """Return the receipt of another history of the same log, with so many events after the proposal's four."""
    forget_log()
    with another_directory(tmp_path / "second"):
        recorded_many(4, subject=about(PROPOSAL))
        recorded_many(count)
        seal_and_sign()
        path = tmp_path / "other.json"
        path.write_bytes(inclusion_receipt(PROPOSAL))
    return path


def test_a_fork_of_one_size_is_named_when_two_people_compare(receipt: Path, checkpoints: Path, tmp_path: Path) -> None:
    kept = kept_files([checkpoints / "000000000010.note"], [])
    assert named(receipt, kept=kept) == set()
    other = forked(tmp_path, 6)
    assert named(other) == set()
    assert named(other, kept=kept) == {"log_forked"}


def test_a_fork_of_another_size_is_named_by_the_proof_that_does_not_exist(receipt: Path, checkpoints: Path, tmp_path: Path) -> None:
    note = checkpoints / "000000000010.note"
    other = forked(tmp_path, 8)
    assert any("audit_consistency" in text for text in verified(other, kept=kept_files([note], [])).limitations)
    proof = tmp_path / "proof"
    call_command("audit_consistency", str(note), output=proof)  # the best they can do: over their own leaves
    assert named(other, kept=kept_files([note], [proof])) == {"log_forked"}


def test_one_history_at_two_sizes_is_proved(receipt: Path, checkpoints: Path, tmp_path: Path) -> None:
    recorded_many(7, subject=about(PROPOSAL))
    seal_and_sign()
    later, proof, note = tmp_path / "later.json", tmp_path / "proof", checkpoints / "000000000010.note"
    later.write_bytes(inclusion_receipt(PROPOSAL))
    call_command("audit_consistency", str(note), output=proof)
    findings = verified(later, kept=kept_files([note], [proof]))
    assert findings.holds
    assert not any("audit_consistency" in text for text in findings.limitations)


# --- Witnesses ------------------------------------------------------------------------------------------------------------------


def test_a_pinned_witness_must_have_cosigned(receipt: Path, checkpoints: Path, tmp_path: Path) -> None:
    made = Witness(name="w", key=Ed25519PrivateKey.generate(), logs=[verifying_key()], memory=WitnessMemory(tmp_path / "w" / "memory.json"))
    note = checkpoints / "000000000010.note"
    assert named(receipt, made.vkey) == {"cosignature_missing"}
    assert named(note, made.vkey) == {"cosignature_missing"}
    line = made.add_checkpoint(b"old 0\n\n" + Checkpoint.objects.get(size=10).note.encode(), seconds=1_700_000_000).body
    Export.objects.create(exporter="witness:w", size=10, attempted_at=INSTANT, is_done=True, answer=line)
    receipt.write_bytes(inclusion_receipt(PROPOSAL))
    findings = verified(receipt, made.vkey)
    assert findings.holds
    assert "w at 2023-11-14T22:13:20" in findings.checks[0][2]
    note.write_bytes(note.read_bytes() + line)
    assert named(note, made.vkey) == set()
