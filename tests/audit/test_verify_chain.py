"""The verifier holds on an honest chain and names what was done to a dishonest one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event, Seal
from audit.queries import chain_status
from audit.verification import Verification, verify_chain
from audit.verifier import countersign_verify
from audit.watch import log_health
from tests.builders.audit import about, proposal_id, recorded_many, seal_and_sign
from tests.builders.forgery import owner, rewrite_seals

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def events() -> list[Event]:
    """Record ten events of two proposals, seal and sign them in two goes."""
    first = recorded_many(5, subject=about(proposal_id()))
    seal_and_sign()
    second = recorded_many(5, subject=about(proposal_id()))
    seal_and_sign()
    return first + second


def codes(verification: Verification) -> set[str]:
    """Return the codes of the problems found."""
    return {problem.code for problem in verification.findings.problems}


def test_an_honest_chain_holds() -> None:
    verification = verify_chain()
    assert verification.holds, verification.findings.problems
    assert (verification.sealed, verification.unsealed, verification.checkpoints) == (10, 0, 2)
    assert verification.roots_checked == 5  # two stored, two exported, one tree


def test_events_that_wait_are_reported_and_do_no_harm() -> None:
    recorded_many(3)
    verification = verify_chain()
    assert verification.holds
    assert verification.unsealed == 3
    assert "3 events are recorded but not sealed yet." in verification.findings.limitations


THIRD = "(SELECT event_id FROM audit_seal WHERE sequence = 3)"
EDIT = f"UPDATE audit_event SET {{}} WHERE event_id = {THIRD}"
COPY = """
INSERT INTO audit_event (event_id, kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company, tool,
    chain, position, previous_leaf, bytes, leaf, mac)
SELECT gen_random_uuid(), kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company, tool,
    'sample:forged', 1, NULL, bytes, leaf, mac FROM audit_event LIMIT 1
"""
EDIT_BYTES_AND_LEAF = "bytes = bytes || ' '::bytea, leaf = sha256('\\x00'::bytea || bytes || ' '::bytea)"
EDIT_NOTE = "UPDATE audit_checkpoint SET note = replace(note, E'\\n5\\n', E'\\n6\\n') WHERE size = 5"
ATTACKS = {
    "edited bytes": (EDIT.format("bytes = bytes || ' '::bytea"), "event_edited"),
    "edited bytes and leaf": (EDIT.format(EDIT_BYTES_AND_LEAF), "event_forged"),
    "edited column": (EDIT.format("actor_id = 'somebody else'"), "column_edited"),
    "edited instant": (EDIT.format("occurred_at = occurred_at - interval '1 day'"), "column_edited"),
    "edited mac": (EDIT.format("mac = sha256(mac)"), "event_forged"),
    "edited payload": (f"UPDATE audit_eventpayload SET content = content || ' '::bytea WHERE event_id = {THIRD}", "payload_edited"),
    "deleted payload": (f"DELETE FROM audit_eventpayload WHERE event_id = {THIRD}", "payload_missing"),
    "deleted event": (f"DELETE FROM audit_event WHERE event_id = {THIRD}", "event_missing"),
    "deleted seal": ("DELETE FROM audit_seal WHERE sequence = 3", "sequence_gap"),
    "truncated tail": ("DELETE FROM audit_seal WHERE sequence > 7", "tail_truncated"),
    "edited entry": ("UPDATE audit_seal SET entry = sha256(entry) WHERE sequence = 3", "entry_wrong"),
    "edited checkpoint": ("UPDATE audit_checkpoint SET root = sha256(root) WHERE size = 5", "checkpoint_edited"),
    "edited note": (EDIT_NOTE, "checkpoint_signature"),
    "deleted checkpoint": ("DELETE FROM audit_checkpoint WHERE size = 5", "checkpoint_deleted"),
    "forged unsealed event": (COPY, "event_forged"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_named(name: str) -> None:
    sql, code = ATTACKS[name]
    owner(sql)
    verification = verify_chain()
    assert not verification.holds
    assert code in codes(verification)


def test_two_events_exchanged_are_found() -> None:
    def swap() -> None:
        owner("UPDATE audit_seal SET event_id = gen_random_uuid() WHERE sequence = 7")
        owner("UPDATE audit_seal SET event_id = %s WHERE sequence = 8", rows[7])
        owner("UPDATE audit_seal SET event_id = %s WHERE sequence = 7", rows[8])

    rows = dict(Seal.objects.values_list("sequence", "event_id"))
    swap()
    assert {"entry_wrong", "link_broken", "root_differs"} <= codes(verify_chain())


def test_two_events_exchanged_with_the_chain_recomputed_are_found() -> None:
    rows = dict(Seal.objects.values_list("sequence", "event_id"))
    owner("UPDATE audit_seal SET event_id = gen_random_uuid() WHERE sequence = 7")
    owner("UPDATE audit_seal SET event_id = %s WHERE sequence = 8", rows[7])
    owner("UPDATE audit_seal SET event_id = %s WHERE sequence = 7", rows[8])
    rewrite_seals()
    assert {"link_broken", "root_differs"} <= codes(verify_chain())


def test_an_event_deleted_with_the_chain_recomputed_is_found() -> None:
    last = Seal.objects.get(sequence=10).event_id
    owner("DELETE FROM audit_seal WHERE sequence = 10")
    owner("DELETE FROM audit_eventpayload WHERE event_id = %s", last)
    owner("DELETE FROM audit_event WHERE event_id = %s", last)
    owner("DELETE FROM audit_checkpoint WHERE size = 10")
    rewrite_seals()
    assert codes(verify_chain()) == {"tail_truncated"}  # nothing in the database gives it away


def test_an_event_inserted_with_the_chain_recomputed_is_found() -> None:
    owner(COPY)
    forged = Event.objects.get(chain="sample:forged").event_id
    owner("INSERT INTO audit_seal (sequence, event_id, entry, previous) VALUES (11, %s, sha256('a'), sha256('b'))", forged)
    rewrite_seals()
    found = codes(verify_chain())
    assert {"event_swapped", "event_forged", "column_edited"} <= found


def test_a_history_rewritten_by_somebody_with_the_application_key_is_found() -> None:
    """Even with the mac key in hand, the exported checkpoints stand against it."""
    for table in ("audit_seal", "audit_event", "audit_frontier", "audit_checkpoint", "audit_eventpayload"):
        owner(f"DELETE FROM {table}")
    recorded_many(10)
    from tests.builders.audit import seal_all

    seal_all()
    assert codes(verify_chain()) == {"root_differs"}


def test_a_checkpoint_that_an_auditor_kept_is_checked(tmp_path: Path, checkpoints: Path) -> None:
    kept = tmp_path / "kept.note"
    kept.write_bytes((checkpoints / "000000000010.note").read_bytes())
    for path in checkpoints.glob("0*.note"):
        path.unlink()
    assert verify_chain(extra_notes=[kept]).holds
    owner("DELETE FROM audit_seal WHERE sequence = 10")
    owner("DELETE FROM audit_checkpoint WHERE size = 10")
    rewrite_seals()
    assert verify_chain().holds  # nothing outside the database was asked
    assert codes(verify_chain(extra_notes=[kept])) == {"tail_truncated"}


def test_an_exported_file_that_was_edited_is_found(checkpoints: Path) -> None:
    path = checkpoints / "000000000005.note"
    path.write_bytes(path.read_bytes().replace(b"\n5\n", b"\n4\n"))
    assert "checkpoint_signature" in codes(verify_chain())


def test_the_command_says_so_and_records_it(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    call_command("audit_verify", stdout=out)
    assert "The chain holds: 10 events, no gap, 2 checkpoints" in out.getvalue()
    status = chain_status()
    assert (status.verified_holds, status.verified_size) == (True, 10)
    assert "verification_failed" not in troubles()


def test_what_could_not_be_told_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise countersign_verify.Unusable("what was seen so far can't be kept in a temporary file: database or disk is full")

    monkeypatch.setattr(countersign_verify, "KEPT_IN_MEMORY_MAX", 1)
    monkeypatch.setattr(countersign_verify.TemporaryTable, "put", full)
    before = Event.objects.count()
    with pytest.raises(CommandError, match=r"could not be told: .* disk is full") as failed:
        call_command("audit_verify", "--processes", "1")
    assert (failed.value.returncode, Event.objects.count()) == (2, before)


def troubles() -> set[str]:
    """Return what monitoring is told at the instant of the last event."""
    return {trouble.code for trouble in log_health(now=Event.objects.latest("recorded_at").recorded_at).troubles}


def run(*arguments: str) -> tuple[int, dict[str, object]]:
    """Run the command; return its exit code and JSON result."""
    out = io.StringIO()
    code = 0
    try:
        call_command("audit_verify", "--json", *arguments, stdout=out)
    except SystemExit as leaving:
        code = int(str(leaving.code))
    return code, json.loads(out.getvalue())


def test_the_exit_code_tells() -> None:
    code, result = run("--no-record")
    assert (code, result["holds"], result["sealed"]) == (0, True, 10)
    owner("UPDATE audit_event SET company = 'OTHER' WHERE position = 2")
    code, result = run()
    assert (code, result["holds"]) == (1, False)
    assert isinstance(result["problems"], list)
    assert {problem["code"] for problem in result["problems"]} == {"column_edited"}
    assert "verification_failed" in troubles()


def test_archived_events_are_verified_by_the_leaves_that_stayed() -> None:
    """The live table has lost them, as when their partition was detached; seals and links are still there."""
    owner("DELETE FROM audit_event WHERE event_id IN (SELECT event_id FROM audit_seal WHERE sequence <= 4)")
    assert "event_missing" in codes(verify_chain())
    owner(
        "INSERT INTO audit_archive (id, first_sequence, last_sequence, root, partitions, file, sha256, archived_by, archived_at)"
        " VALUES (gen_random_uuid(), 1, 4, '', '[]', '', '', '', now())"
    )
    verification = verify_chain()
    assert verification.holds, verification.findings.problems
    assert any(text.startswith("4 events lie in archives") for text in verification.findings.limitations)
    owner("UPDATE audit_link SET leaf = sha256(leaf) WHERE event_id = (SELECT event_id FROM audit_seal WHERE sequence = 2)")
    assert {"entry_wrong", "root_differs"} <= codes(verify_chain())
