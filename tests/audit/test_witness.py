"""A witness cosigns what continues the history it saw, and nothing else, whatever it is told and however often it is started."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.verifier.countersign_verify import (
    COSIGNATURE_ALGORITHM,
    Checkpoint,
    Frontier,
    VerifyingKey,
    checkpoint_body,
    encode_base64,
    leaf_hash,
    signature_line,
)
from audit.witness import BODY_BYTES_MAX, SIZE_TYPE, Reply, Witness, WitnessMemory, WitnessUnusable, witness_key

PROJECT = Path(__file__).resolve().parents[2]
ORIGIN = "countersign/test/eu"
LOG = Ed25519PrivateKey.generate()
LOG_KEY = VerifyingKey.named(ORIGIN, LOG.public_key().public_bytes_raw())


def tree(size: int, *, fork: bytes = b"") -> Frontier:
    """Return the tree over so many leaves; `fork` makes it another history from its third leaf on."""
    frontier = Frontier()
    for number in range(size):
        frontier.append(leaf_hash(b"%d" % number + (fork if number > 1 else b"")))
    return frontier


def note(size: int, *, fork: bytes = b"", key: Ed25519PrivateKey = LOG) -> bytes:
    body = checkpoint_body(ORIGIN, size, tree(size, fork=fork).root())
    return body + b"\n" + signature_line(LOG_KEY, key.sign(body))


def request(old: int, checkpoint: bytes, path: Sequence[bytes] = ()) -> bytes:
    return "\n".join([f"old {old}", *(encode_base64(node) for node in path), "", ""]).encode() + checkpoint


@pytest.fixture
def memory(tmp_path: Path) -> WitnessMemory:
    return WitnessMemory(tmp_path / "witness" / "memory.json")


@pytest.fixture
def witness(memory: WitnessMemory) -> Witness:
    return Witness(name="w.example/w", key=Ed25519PrivateKey.generate(), logs=[LOG_KEY], memory=memory)


def cosigned_at(witness: Witness, checkpoint: bytes, reply: Reply) -> int | None:
    assert reply.status == 200, reply
    return Checkpoint.parse(checkpoint + reply.body).cosigned_at(witness.vkey)


def grown(old: int, new: int) -> list[bytes]:
    """Return a proof for trees where the old one is a perfect half: the right half alone."""
    right = Frontier()
    for number in range(old, new):
        right.append(leaf_hash(b"%d" % number))
    return [right.root()]


def test_it_cosigns_the_first_head_and_what_continues_it(witness: Witness) -> None:
    assert cosigned_at(witness, note(4), witness.add_checkpoint(request(0, note(4)), seconds=7)) == 7
    assert cosigned_at(witness, note(8), witness.add_checkpoint(request(4, note(8), grown(4, 8)), seconds=8)) == 8
    assert cosigned_at(witness, note(8), witness.add_checkpoint(request(8, note(8)), seconds=9)) == 9  # the same, later


def test_it_refuses_another_history(witness: Witness) -> None:
    witness.add_checkpoint(request(0, note(4)), seconds=1)
    assert witness.add_checkpoint(request(4, note(8, fork=b"x"), grown(4, 8)), seconds=2).status == 422
    assert witness.add_checkpoint(request(4, note(8)), seconds=2).status == 422  # without a proof
    same_size = witness.add_checkpoint(request(4, note(4, fork=b"x")), seconds=2)
    assert (same_size.status, same_size.content_type, same_size.body) == (409, SIZE_TYPE, b"4\n")


def test_it_says_what_it_has_seen_to_whoever_does_not_know(witness: Witness) -> None:
    witness.add_checkpoint(request(0, note(4)), seconds=1)
    for old, size in ((0, 8), (2, 8), (0, 2), (3, 3)):
        reply = witness.add_checkpoint(request(old, note(size)), seconds=2)
        assert (reply.status, reply.content_type, reply.body) == (409, SIZE_TYPE, b"4\n")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old x\n\n" + note(4), 400),
        (b"old 0\nnot base64\n\n" + note(4), 400),
        (b"old 0\n" + base64.b64encode(b"short") + b"\n\n" + note(4), 400),
        (request(5, note(4)), 400),
        (request(0, note(4)[:-5]), 400),
        (b"old 0\n" + b"\n".join([base64.b64encode(bytes(32))] * 64) + b"\n\n" + note(4), 400),
        (request(0, note(4, key=Ed25519PrivateKey.generate())), 403),
        (request(0, note(4).replace(ORIGIN.encode(), b"another/log")), 404),
    ],
)
def test_what_makes_no_sense_is_refused_and_forgotten(witness: Witness, memory: WitnessMemory, body: bytes, status: int) -> None:
    assert witness.add_checkpoint(body, seconds=1).status == status
    assert memory.heads() == {}


def test_it_remembers_across_starts_and_never_begins_anew_by_itself(witness: Witness, memory: WitnessMemory, tmp_path: Path) -> None:
    witness.add_checkpoint(request(0, note(8)), seconds=1)
    again = Witness(name="w", key=Ed25519PrivateKey.generate(), logs=[LOG_KEY], memory=WitnessMemory(tmp_path / "witness" / "memory.json"))
    assert again.add_checkpoint(request(0, note(4)), seconds=2).status == 409
    (tmp_path / "witness" / "memory.json").write_text("{", encoding="utf-8")
    with pytest.raises(WitnessUnusable, match="can't be read"):
        again.add_checkpoint(request(0, note(4)), seconds=3)


def test_its_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    first = witness_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert witness_key(path).public_key() == first.public_key()
    path.write_text("nonsense", encoding="utf-8")
    with pytest.raises(WitnessUnusable, match="not a PEM private key"):
        witness_key(path)


def test_it_runs_as_a_process_of_its_own_without_a_database(tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "LEDGER_DATABASE_URL": "postgresql://n@127.0.0.1:1/n",
                   "COUNTERSIGN_DATA_DIR": str(tmp_path / "data")}  # fmt: skip
    command = [
        sys.executable,
        "manage.py",
        "audit_witness",
        "--log",
        LOG_KEY.text,
        "--directory",
        str(tmp_path / "w"),
        "--name",
        "w",
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        vkey, url = process.stdout.readline().split()
        key = VerifyingKey.parse(vkey)
        assert key.algorithm == COSIGNATURE_ALGORITHM
        answer = httpx.post(f"{url}/add-checkpoint", content=request(0, note(4)))
        assert Checkpoint.parse(note(4) + answer.content).cosigned_at(key) is not None
        assert httpx.get(url).text == f"{vkey}\n"
        assert httpx.post(f"{url}/elsewhere", content=b"").status_code == 404
        assert httpx.post(f"{url}/add-checkpoint", content=bytes(BODY_BYTES_MAX + 1)).status_code == 413
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        if process.stdout is not None:
            process.stdout.close()
