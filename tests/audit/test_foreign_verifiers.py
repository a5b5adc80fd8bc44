"""Checkpoints, cosignatures, inclusion and consistency verify with code that nobody here wrote: aics-tlog, for C2SP; jq for JSON Lines."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import aics_tlog
import jq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import audit.bundle_parts
from audit.bundle import build_bundle
from audit.inclusion import inclusion_receipt
from audit.keys import log_origin, verifying_key
from audit.models import Checkpoint
from audit.proofs import stored_consistency_path, stored_inclusion_paths, stored_leaves
from audit.verifier.countersign_verify import decode_base64
from audit.witness import Witness, WitnessMemory
from tests.builders.audit import about, proposal_id, recorded_many, seal_and_sign

pytestmark = pytest.mark.django_db


def signed(count: int) -> Checkpoint:
    """Return the checkpoint over so many more events."""
    recorded_many(count)
    checkpoint = seal_and_sign()
    assert checkpoint is not None
    return checkpoint


def test_a_checkpoint_and_its_cosignature_verify_with_aics_tlog(tmp_path: Path) -> None:
    checkpoint = signed(5)
    witness = Witness(
        name="w.example/w", key=Ed25519PrivateKey.generate(), logs=[verifying_key()], memory=WitnessMemory(tmp_path / "memory.json")
    )
    lines = witness.add_checkpoint(b"old 0\n\n" + checkpoint.note.encode(), seconds=1_700_000_000).body
    log, key = aics_tlog.parse_vkey(verifying_key().text), aics_tlog.parse_vkey(witness.vkey.text)
    note = aics_tlog.parse_note(checkpoint.note.encode() + lines)
    result = aics_tlog.verify_checkpoint(note, log, [key], quorum=1, expected_origin=log_origin())
    assert result.ok, result
    assert (result.size, result.root, result.timestamps) == (5, bytes(checkpoint.root), {"w.example/w": 1_700_000_000})
    edited = aics_tlog.parse_note(checkpoint.note.replace("\n5\n", "\n6\n").encode())
    assert not aics_tlog.verify_checkpoint(edited, log, expected_origin=log_origin()).ok


def test_inclusion_and_consistency_verify_with_aics_tlog() -> None:
    sizes = [signed(count) for count in (1, 2, 4, 5, 1)]
    newest = sizes[-1]
    leaves = list(stored_leaves(newest.size))
    paths = stored_inclusion_paths(range(newest.size), size=newest.size)
    for index, path in paths.items():
        assert aics_tlog.verify_inclusion(leaves[index], index, newest.size, path, bytes(newest.root))
    for older in sizes:
        path = stored_consistency_path(older.size, newest.size)
        assert aics_tlog.verify_consistency(older.size, newest.size, bytes(older.root), bytes(newest.root), path)
    assert not aics_tlog.verify_consistency(
        sizes[0].size, newest.size, bytes(sizes[1].root), bytes(newest.root), stored_consistency_path(1, newest.size)
    )


def test_the_events_of_a_receipt_are_what_aics_tlog_hashes() -> None:
    proposal = proposal_id()
    recorded_many(3, subject=about(proposal))
    checkpoint = seal_and_sign()
    assert checkpoint is not None
    for event in json.loads(inclusion_receipt(proposal))["events"]:
        path = [decode_base64(node) for node in event["path"]]
        stored = decode_base64(event["bytes"])
        assert aics_tlog.verify_leaf_inclusion(stored, event["sequence"] - 1, 3, path, bytes(checkpoint.root))


def test_receipts_are_json_for_jq() -> None:
    proposal = proposal_id()
    recorded_many(2, subject=about(proposal))
    seal_and_sign()
    program = jq.compile(".events[] | .bytes | @base64d | fromjson | .subject.proposal")
    assert program.input_text(inclusion_receipt(proposal).decode()).all() == [proposal, proposal]


def test_events_of_a_bundle_are_json_lines_for_jq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_sections", "_tables", "_reporters"):
        monkeypatch.setattr(audit.bundle_parts, name, type(getattr(audit.bundle_parts, name))())
    proposal = proposal_id()
    recorded_many(3, subject=about(proposal))
    seal_and_sign()
    with zipfile.ZipFile(io.BytesIO(build_bundle(proposal).archive)) as archive:
        lines = archive.read("events.jsonl").decode()
    assert lines.count("\n") == 3
    read = jq.compile("[.sequence, (.bytes | @base64d | fromjson | .schema, .link.position)]").input_text(lines).all()
    assert read == [[number, "countersign.audit.event/1", number] for number in (1, 2, 3)]
