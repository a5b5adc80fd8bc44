"""The bundle of a period is whole, verifies in pieces, goes on where it stopped, and names every change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker, Settings

import audit.bundle_parts
from audit.bundle import manifest_of, signed_envelope
from audit.bundle_parts import Column, Scope, Table, register_section, register_table
from audit.keys import verifying_key
from audit.period_bundle import EmptyPeriod, MadeBundle, make_period_bundle, plan_period
from audit.records import Subject
from audit.verifier import countersign_verify
from audit.verifier.countersign_verify import (
    Findings,
    Malformed,
    Members,
    decode_base64,
    encode_base64,
    read_archive,
    verify_path,
    write_archive,
)
from audit.workshop import Workshop
from kernel.canonical import canonical_bytes
from tests.builders.audit import CommittedProposal, committed_proposal, recorded_many, seal_and_sign

pytestmark = pytest.mark.django_db

SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
Everything = dict[str, bytes]


def quiet(step: str, done: int, total: int) -> None:
    """Take no notice of progress."""


def planned(companies: frozenset[str] | None = None) -> Scope:
    """Return the plan of everything that is recorded."""
    return plan_period(since=SINCE, until=UNTIL, companies=companies, visible={})


def approvals_of(proposals: list[CommittedProposal]) -> Table:
    """Return a table with one row for each decision."""
    columns = (Column("proposal", "which"), Column("amount", "how much", is_exact=True), Column("currency", "of what"))
    rows = [(proposal.id, "12.50", "EUR") for proposal in proposals]
    return Table("approvals.csv", "Decisions", columns, lambda _: rows, totals=(("amount", "currency"),), of_kind="approval:decided")


class Made:
    """One period bundle, shared by the tests of this module; its members as bytes."""

    def __init__(self, archive: Path, made: MadeBundle, proposals: list[CommittedProposal]) -> None:
        self.archive, self.made, self.proposals = archive, made, proposals
        self.findings, _ = verify_path(archive, pinned=[verifying_key()])
        with archive.open("rb") as file:
            members = read_archive(Findings(), file)
            self.members: Everything = {path: members[path] for path in members}


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Return the bundle of a period with three committed proposals between other events."""
    from django.db import transaction
    from django.test import override_settings

    directory = tmp_path_factory.mktemp("period")
    with (
        django_db_blocker.unblock(),
        pytest.MonkeyPatch.context() as patch,
        override_settings(AUDIT_CHECKPOINT_DIR=directory / "checkpoints"),
        transaction.atomic(),
    ):
        for name, empty in (("_sections", {}), ("_tables", {}), ("_reporters", [])):
            patch.setattr(audit.bundle_parts, name, empty)
        recorded_many(3)
        proposals = [committed_proposal() for _ in range(3)]
        recorded_many(2, subject=Subject(kind="sample", id="other", company="OTHER"))
        for company in ("ACME", "OTHER", "ACME"):
            recorded_many(1, subject=Subject(kind="sample", id="of_both", company=company))
        seal_and_sign()
        recorded_many(2)
        seal_and_sign()
        register_section("path", lambda _: lambda proposal: next((one.members for one in proposals if one.id == proposal), {}))
        register_table(approvals_of(proposals))
        archive = directory / "period.zip"
        yield Made(archive, make_period_bundle(Workshop(directory / "work"), planned, archive, progress=quiet), proposals)
        transaction.set_rollback(True)


def verify(members: Everything, tmp_path: Path) -> Findings:
    """Return what is found in changed members whose manifest fits and is signed by us: our own mistake, or our own fraud."""
    content = {path: value for path, value in members.items() if path not in {"manifest.json", "manifest.dsse.json"}}
    manifest = manifest_of(Members.of(content))
    path = tmp_path / "changed.zip"
    path.write_bytes(write_archive({**content, "manifest.json": manifest, "manifest.dsse.json": signed_envelope(manifest)}))
    return verify_path(path, pinned=[verifying_key()])[0]


def codes(findings: Findings) -> set[str]:
    """Return the codes of the problems found."""
    return {problem.code for problem in findings.problems}


def test_the_bundle_of_a_period_verifies(made: Made) -> None:
    assert made.findings.problems == []
    assert made.findings.limitations == []
    header = json.loads(made.members["bundle.json"])
    assert (header["events"], header["withheld"], made.made.events) == (28, 0, 28)
    assert header["first_sequence"] == 1
    assert header["checkpoint"]["size"] == header["last_sequence"] == 28


def test_what_lies_on_disk_is_verified_like_what_is_in_memory(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = sorted(proposal.id for proposal in made.proposals)[:2]
    lines = [json.loads(line) for line in made.members["documents.jsonl"].splitlines() if first.encode() not in line]
    action = next(line for line in lines if line["proposal"] == second and line["path"] == "proposal/action.json")
    action["bytes"] = encode_base64(b'{"amount":"1.00"}')
    forged = {**made.members, "documents.jsonl": b"".join(canonical_bytes(line) + b"\n" for line in lines)}
    expected = verify(forged, tmp_path)
    monkeypatch.setattr(countersign_verify, "KEPT_IN_MEMORY_MAX", 1)
    assert verify_path(made.archive, pinned=[verifying_key()])[0].as_dict() == made.findings.as_dict()
    assert verify(forged, tmp_path).as_dict() == expected.as_dict()
    assert codes(expected) == {"action_swapped", "request_differs"}
    assert "In 1 proposals: Nothing but events of it is in the bundle." in expected.limitations


def test_the_same_period_gives_the_same_bytes_and_goes_on_where_it_stopped(made: Made, tmp_path: Path, settings: Settings) -> None:
    first = make_period_bundle(Workshop(tmp_path / "again"), planned, tmp_path / "again.zip", progress=quiet)
    assert (tmp_path / "again.zip").read_bytes() == made.archive.read_bytes()
    assert first.sha256 == made.made.sha256


def test_a_killed_worker_is_followed_by_one_that_goes_on(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.period_bundle.EVENTS_PER_PIECE", 5)
    monkeypatch.setattr("audit.period_bundle.PROPOSALS_PER_PIECE", 1)
    seen: list[tuple[str, int]] = []

    def die_often(step: str, done: int, total: int) -> None:
        if (step, done) not in seen:
            seen.append((step, done))
            raise KeyboardInterrupt

    for _ in range(40):
        workshop = Workshop(tmp_path / "work")
        (tmp_path / "work" / "members").mkdir(exist_ok=True)
        try:
            make_period_bundle(workshop, planned, tmp_path / "killed.zip", progress=die_often)
        except KeyboardInterrupt:
            with (tmp_path / "work" / "members" / "events.jsonl").open("ab") as file:
                file.write(b"half a line that a dying worker left")
            continue
        break
    assert len(seen) > 8
    assert (tmp_path / "killed.zip").read_bytes() == made.archive.read_bytes()


def test_what_one_may_not_see_is_withheld_and_still_counted(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One subject has events of two companies: the one between is withheld, and the one behind it names its leaf."""
    scope = planned(frozenset({"ACME"}))
    make_period_bundle(Workshop(tmp_path / "work"), lambda: scope, tmp_path / "part.zip", progress=quiet)
    findings, bundle = verify_path(tmp_path / "part.zip", pinned=[verifying_key()])
    assert findings.problems == []
    assert (bundle.header["events"], bundle.header["withheld"]) == (28, 3)
    lines = bundle_lines(tmp_path / "part.zip")
    assert [sorted(line) for line in lines if "bytes" not in line] == [["entry", "leaf", "previous_entry", "sequence"]] * 3
    monkeypatch.setattr(countersign_verify, "KEPT_IN_MEMORY_MAX", 1)
    assert verify_path(tmp_path / "part.zip", pinned=[verifying_key()])[0].problems == []


def bundle_lines(path: Path) -> list[dict[str, object]]:
    with path.open("rb") as file:
        members = read_archive(Findings(), file)
        return [json.loads(line) for _, line in members.lines("events.jsonl")]


def lines_of(members: Everything, path: str) -> list[bytes]:
    return members[path].splitlines(keepends=True)


def drop_last_event(members: Everything) -> None:
    members["events.jsonl"] = b"".join(lines_of(members, "events.jsonl")[:-1])


def drop_middle_event(members: Everything) -> None:
    lines = lines_of(members, "events.jsonl")
    members["events.jsonl"] = b"".join(lines[:5] + lines[6:])


def reorder_events(members: Everything) -> None:
    lines = lines_of(members, "events.jsonl")
    members["events.jsonl"] = b"".join([lines[1], lines[0], *lines[2:]])


def edit_event(members: Everything) -> None:
    lines = lines_of(members, "events.jsonl")
    event = json.loads(lines[4])
    event["bytes"] = encode_base64(decode_base64(event["bytes"]).replace(b"ACME", b"EVIL"))
    members["events.jsonl"] = b"".join([*lines[:4], canonical_bytes(event) + b"\n", *lines[5:]])


def withhold_event(members: Everything) -> None:
    lines = lines_of(members, "events.jsonl")
    event = json.loads(lines[-1])
    del event["bytes"], event["event_id"]
    members["events.jsonl"] = b"".join([*lines[:-1], canonical_bytes(event) + b"\n"])


def swap_payload(members: Everything) -> None:
    members["payloads/payloads.jsonl"] = members["payloads/payloads.jsonl"].replace(b'"salt":"', b'"salt":"00', 1)


def drop_payload(members: Everything) -> None:
    members["payloads/payloads.jsonl"] = b"".join(lines_of(members, "payloads/payloads.jsonl")[1:])


def another_range_proof(members: Everything) -> None:
    proof = json.loads(members["proofs/range.json"])
    members["proofs/range.json"] = canonical_bytes({**proof, "after": ["00" * 32]})


def another_action(members: Everything) -> None:
    change_document(members, "proposal/action.json", b"V-1", b"V-2")


def another_request(members: Everything) -> None:
    change_document(members, "erp/request.json", b"V-1", b"V-2")


def change_document(members: Everything, path: str, old: bytes, new: bytes) -> None:
    lines = [json.loads(line) for line in lines_of(members, "documents.jsonl")]
    changed = next(line for line in lines if line["path"] == path)
    changed["bytes"] = encode_base64(decode_base64(changed["bytes"]).replace(old, new))
    members["documents.jsonl"] = b"".join(canonical_bytes(line) + b"\n" for line in lines)


def drop_row(members: Everything) -> None:
    members["approvals.csv"] = b"".join(lines_of(members, "approvals.csv")[:-1])


def drop_row_and_say_so(members: Everything) -> None:
    drop_row(members)
    members["tables.json"] = members["tables.json"].replace(b'"rows":3', b'"rows":2').replace(b"37.50", b"25.00")


def another_sum(members: Everything) -> None:
    members["approvals.csv"] = members["approvals.csv"].replace(b"12.50", b"12.51", 1)


def extra_table(members: Everything) -> None:
    members["more.csv"] = b"a\r\n"


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (drop_last_event, "event_count"),
        (drop_middle_event, "sequence_gap"),
        (reorder_events, "sequence_gap"),
        (edit_event, "event_edited"),
        (withhold_event, "event_count"),
        (swap_payload, "payload_swapped"),
        (drop_payload, "payload_missing"),
        (another_range_proof, "range_unproved"),
        (another_action, "action_swapped"),
        (another_request, "request_differs"),
        (drop_row, "table_rows"),
        (drop_row_and_say_so, "table_events"),
        (another_sum, "table_totals"),
        (extra_table, "table_unlisted"),
    ],
)
def test_an_attack_by_whoever_can_sign_is_named(made: Made, tmp_path: Path, attack: object, code: str) -> None:
    members = dict(made.members)
    attack(members)  # type: ignore[operator]
    assert members != made.members
    assert code in codes(verify(members, tmp_path))


def blurred_event(members: Everything) -> None:
    lines = lines_of(members, "events.jsonl")
    with_payload = json.loads(lines_of(members, "payloads/payloads.jsonl")[0])["event_id"].encode()
    place = next(number for number, line in enumerate(lines) if with_payload in line)
    event = json.loads(lines[place])
    event["bytes"] = encode_base64(b"?" + decode_base64(event["bytes"])[1:])
    lines[place] = canonical_bytes(event) + b"\n"
    members["events.jsonl"] = b"".join(lines)


def line_about_nothing(members: Everything) -> None:
    lines = lines_of(members, "payloads/payloads.jsonl")
    odd = canonical_bytes({**json.loads(lines[0]), "event_id": "evt_nothing"}) + b"\n"
    members["payloads/payloads.jsonl"] = b"".join([odd, *lines])


@pytest.mark.parametrize(
    ("attack", "named"), [(blurred_event, {"event_edited", "event_malformed"}), (line_about_nothing, {"payload_extra"})]
)
def test_what_stands_behind_a_damaged_line_is_not_blamed(made: Made, tmp_path: Path, attack: object, named: set[str]) -> None:
    members = dict(made.members)
    attack(members)  # type: ignore[operator]
    found = [problem.code for problem in verify(members, tmp_path).problems if problem.code.startswith(("event_", "payload_"))]
    assert sorted(found) == sorted(named)


def test_a_damaged_member_is_named_once_and_read_on_to_the_payload_that_is_meant(made: Made, tmp_path: Path) -> None:
    content = bytearray(made.archive.read_bytes())
    payloads = made.members["payloads/payloads.jsonl"]
    place = content.index(payloads) + payloads.index(b'"salt":"') + 8
    content[place] = ord("0") if content[place] != ord("0") else ord("1")
    (tmp_path / "damaged.zip").write_bytes(content)
    findings, _ = verify_path(tmp_path / "damaged.zip", pinned=[verifying_key()])
    assert [problem.code for problem in findings.problems] == ["member_unreadable", "payload_swapped"]
    assert findings.checks[0][:2] == ("Members match the manifest", False)


def test_an_empty_period_is_refused(made: Made) -> None:
    with pytest.raises(EmptyPeriod):
        plan_period(since=datetime(2001, 1, 1, tzinfo=UTC), until=datetime(2002, 1, 1, tzinfo=UTC), companies=None, visible={})


def test_a_member_too_large_to_be_read_whole_is_there_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year's events.jsonl is far larger than what is read at once."""
    monkeypatch.setattr(countersign_verify, "MEMBER_BYTES_MAX", 10)
    members = Members.of({"events.jsonl": b"x" * 11 + b"\n"})
    assert "events.jsonl" in members
    assert "other" not in members
    assert members.measure("events.jsonl")[0] == 12
    with pytest.raises(Malformed):
        members["events.jsonl"]
