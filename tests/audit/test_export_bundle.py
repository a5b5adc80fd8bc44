"""A bundle verifies anywhere, and stops verifying when anything in it is changed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.management import CommandError, call_command
from pytest_django import Settings

import audit.bundle_parts
from audit.bundle import EvidenceBundle, NotSealedYet, build_bundle, export_bundle, manifest_of, signed_envelope
from audit.bundle_parts import register_section
from audit.keys import verifying_key
from audit.models import Event
from audit.verifier import countersign_verify
from audit.verifier.countersign_verify import Findings, Unusable, VerifyingKey, verify_path, write_archive
from kernel.actors import Actor
from kernel.canonical import canonical_bytes
from kernel.errors import InvalidIdentifier, NotVisible
from tests.builders.audit import INSTANT, CommittedProposal, about, committed_proposal, proposal_id, recorded, recorded_many, seal_and_sign

pytestmark = pytest.mark.django_db

VERIFIER = Path(countersign_verify.__file__)
Members = dict[str, bytes]


@pytest.fixture(autouse=True)
def _no_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.bundle_parts, "_sections", {})
    monkeypatch.setattr(audit.bundle_parts, "_tables", {})
    monkeypatch.setattr(audit.bundle_parts, "_reporters", [])


def bundle_of(proposal: CommittedProposal) -> EvidenceBundle:
    """Return the bundle of a proposal that is sealed between other events."""
    recorded_many(3)
    seal_and_sign()
    register_section("path", lambda _: proposal.section)
    return build_bundle(proposal.id)


@pytest.fixture
def bundle() -> EvidenceBundle:
    """Return the bundle of a proposal that went all the way."""
    recorded_many(2)
    return bundle_of(committed_proposal())


def members_of(bundle: EvidenceBundle) -> Members:
    """Return the members of the archive."""
    with zipfile.ZipFile(io.BytesIO(bundle.archive)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def verify(content: bytes, tmp_path: Path, *, pinned: tuple[VerifyingKey, ...] | None = None) -> Findings:
    """Return what the verifier finds in an archive."""
    path = tmp_path / "bundle.zip"
    path.write_bytes(content)
    return verify_path(path, pinned=(verifying_key(),) if pinned is None else pinned)[0]


def codes(findings: Findings) -> set[str]:
    """Return the codes of the problems found."""
    return {problem.code for problem in findings.problems}


def resigned(members: Members) -> bytes:
    """Return the archive of changed members, with a manifest that fits and the real signature: our own mistake, or our own fraud."""
    content = {path: value for path, value in members.items() if path not in {"manifest.json", "manifest.dsse.json"}}
    manifest = manifest_of(countersign_verify.Members.of(content))
    return write_archive({**content, "manifest.json": manifest, "manifest.dsse.json": signed_envelope(manifest)})


def test_a_bundle_verifies_with_the_pinned_key(bundle: EvidenceBundle, tmp_path: Path) -> None:
    findings = verify(bundle.archive, tmp_path)
    assert findings.holds, findings.problems
    assert findings.limitations == []
    assert len(findings.checks) == 13
    assert all(holds for _, holds, _ in findings.checks)


def test_without_a_pinned_key_it_is_integrity_only(bundle: EvidenceBundle, tmp_path: Path) -> None:
    findings = verify(bundle.archive, tmp_path, pinned=())
    assert findings.holds
    assert findings.limitations[-1].startswith("Integrity only: the key came from the bundle.")


def test_the_same_evidence_gives_the_same_bytes(bundle: EvidenceBundle) -> None:
    exported = export_bundle(proposal=bundle.proposal, actor=Actor.human(7), now=INSTANT)
    assert exported.archive == bundle.archive
    seal_and_sign()
    recorded_many(3)
    seal_and_sign()
    assert build_bundle(bundle.proposal).archive == bundle.archive


def test_an_export_is_on_record_outside_the_proposals_own_chain(bundle: EvidenceBundle) -> None:
    export_bundle(proposal=bundle.proposal, actor=Actor.human(7), now=INSTANT)
    event = Event.objects.get(kind="evidence:bundle_exported")
    assert (event.subject_id, event.actor_id, event.chain) == (bundle.proposal, "7", f"bundle:{bundle.proposal}")


def test_every_flipped_byte_is_noticed(bundle: EvidenceBundle, tmp_path: Path) -> None:
    for number, position in enumerate(range(0, len(bundle.archive), max(1, len(bundle.archive) // 60))):
        changed = bytearray(bundle.archive)
        changed[position] ^= 1 << number % 8
        with suppress(Unusable):
            assert not verify(bytes(changed), tmp_path).holds, f"byte {position}"


def test_a_member_that_cannot_be_read_is_named_once(bundle: EvidenceBundle, tmp_path: Path) -> None:
    changed = bytearray(bundle.archive)
    changed[bundle.archive.index(members_of(bundle)["events.jsonl"])] ^= 1
    findings = verify(bytes(changed), tmp_path)
    assert [problem.code for problem in findings.problems if problem.where == "events.jsonl"] == ["member_unreadable"]


def test_a_flipped_byte_in_each_kind_of_member_is_noticed(bundle: EvidenceBundle, tmp_path: Path) -> None:
    members = members_of(bundle)
    for path, content in members.items():
        for position in (0, len(content) - 1):
            changed = bytearray(content)
            changed[position] ^= 1
            findings = verify(write_archive({**members, path: bytes(changed)}), tmp_path)
            assert not findings.holds, f"{path} at {position}"


def test_a_flipped_byte_is_noticed_even_when_the_manifest_is_signed_again(bundle: EvidenceBundle, tmp_path: Path) -> None:
    """What the manifest no longer catches, the chain, the proofs, the commitments and the digests do."""
    members = members_of(bundle)
    described = {"README.txt", "data_dictionary.md", "verify.py", "manifest.json", "manifest.dsse.json", "keys/trust.json"}
    for path, content in members.items():
        if path in described:  # described, not claimed: only the manifest stands for these
            continue
        for position in (len(content) // 3, len(content) - 1):
            changed = bytearray(content)
            changed[position] ^= 1
            findings = verify(resigned({**members, path: bytes(changed)}), tmp_path)
            assert not findings.holds, f"{path} at {position}"


def drop_last_event(members: Members) -> Members:
    lines = members["events.jsonl"].splitlines(keepends=True)
    last = json.loads(lines[-1])
    del members[f"proofs/{last['sequence']:012d}.tlog-proof"]
    return {**members, "events.jsonl": b"".join(lines[:-1])}


def drop_middle_event(members: Members) -> Members:
    lines = members["events.jsonl"].splitlines(keepends=True)
    header = json.loads(members["bundle.json"])
    middle = json.loads(lines[1])
    del members[f"proofs/{middle['sequence']:012d}.tlog-proof"]
    changed = canonical_bytes({**header, "events": header["events"] - 1})
    return {**members, "events.jsonl": b"".join(lines[:1] + lines[2:]), "bundle.json": changed}


def reorder_events(members: Members) -> Members:
    lines = members["events.jsonl"].splitlines(keepends=True)
    return {**members, "events.jsonl": b"".join([lines[0], lines[2], lines[1], *lines[3:]])}


def swap_payload(members: Members) -> Members:
    path = next(path for path in members if path.startswith("payloads/") and path.endswith(".json"))
    return {**members, path: b'{"content":{"rationale":"stock is high"}}'}


def swap_proof(members: Members) -> Members:
    first, second = sorted(path for path in members if path.startswith("proofs/"))[:2]
    return {**members, first: members[second].replace(b"index 3", b"index 2")}


def drop_proof(members: Members) -> Members:
    del members[min(path for path in members if path.startswith("proofs/"))]
    return members


def claim_shredded(members: Members) -> Members:
    """A payload is said to be shredded, by an event that does not exist."""
    path = next(path for path in sorted(members) if path.startswith("payloads/") and path.endswith(".json"))
    event_id = path.removeprefix("payloads/").removesuffix(".json")
    kept = {name: content for name, content in members.items() if not name.startswith(f"payloads/{event_id}.")}
    facts = {"schema": "countersign.tombstone/1", "event_id": event_id, "tombstone": "evt_00000000000000000000000000"}
    return {**kept, f"tombstones/{event_id}.json": canonical_bytes(facts)}


def extra_payload(members: Members) -> Members:
    return {**members, "payloads/evt_x.json": b"{}"}


def another_action(members: Members) -> Members:
    return {**members, "proposal/action.json": members["proposal/action.json"].replace(b"V-1", b"V-2")}


def another_page(members: Members) -> Members:
    path = next(path for path in members if path.startswith("proposal/presentation-"))
    return {**members, path: members[path].replace(b"4 pumps", b"5 pumps")}


def another_read(members: Members) -> Members:
    path = next(path for path in members if path.startswith("proposal/reads/"))
    return {**members, path: members[path].replace(b"5000", b"9000")}


def another_decision(members: Members) -> Members:
    return {**members, "gate/decisions.json": members["gate/decisions.json"].replace(b'"user":"7"', b'"user":"8"')}


def signed_after_all(members: Members) -> Members:
    decisions = members["gate/decisions.json"].replace(b'"decision":"approve"', b'"decision":"approve","signed":true')
    return {**members, "gate/decisions.json": decisions}


def _in_route(members: Members, before: bytes, after: bytes) -> Members:
    assert before in members["gate/route.json"]
    return {**members, "gate/route.json": members["gate/route.json"].replace(before, after)}


def passed_by_rule(members: Members) -> Members:
    return _in_route(members, b'"automatic":false', b'"automatic":true')


def fewer_approvals(members: Members) -> Members:
    return _in_route(members, b'"required_approvals":1', b'"required_approvals":0')


def another_route(members: Members) -> Members:
    return {**members, "gate/route_as_found.json": members["gate/route_as_found.json"].replace(b"{", b'{"a":1,')}


def nobody_excluded(members: Members) -> Members:
    return _in_route(members, b'"user":"11"', b'"user":"12"')


def another_document(members: Members) -> Members:
    return {**members, "erp/receipt.json": members["erp/receipt.json"].replace(b"000001", b"000002")}


def one_more_difference(members: Members) -> Members:
    return {**members, "erp/read_back.json": members["erp/read_back.json"].replace(b"[]", b'["vendor"]')}


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (drop_last_event, "event_count"),
        (drop_middle_event, "link_broken"),
        (reorder_events, "event_order"),
        (swap_payload, "payload_swapped"),
        (swap_proof, "proof_wrong"),
        (drop_proof, "malformed"),
        (claim_shredded, "shredded_unrecorded"),
        (extra_payload, "payload_extra"),
        (another_action, "action_swapped"),
        (another_page, "page_forged"),
        (another_read, "read_forged"),
        (another_decision, "decisions_differ"),
        (signed_after_all, "decisions_differ"),
        (passed_by_rule, "route_differs"),
        (fewer_approvals, "route_differs"),
        (nobody_excluded, "route_differs"),
        (another_route, "route_differs"),
        (another_document, "document_differs"),
        (one_more_difference, "differences_hidden"),
    ],
)
def test_an_attack_by_whoever_can_sign_is_named(
    attack: Callable[[Members], Members], code: str, bundle: EvidenceBundle, tmp_path: Path
) -> None:
    changed = attack(members_of(bundle))
    assert code in codes(verify(resigned(changed), tmp_path))
    findings = verify(write_archive(changed), tmp_path)
    assert codes(findings) & {"member_altered", "member_missing", "member_extra"}


def test_an_excluded_approver_is_named(tmp_path: Path) -> None:
    findings = verify(bundle_of(committed_proposal(approver="11")).archive, tmp_path)
    assert codes(findings) == {"approver_excluded"}


def test_a_commit_before_its_approval_is_named(tmp_path: Path) -> None:
    assert codes(verify(bundle_of(committed_proposal(is_approved_first=False)).archive, tmp_path)) == {"approval_late"}


def test_another_request_than_the_approved_action_is_named(tmp_path: Path) -> None:
    sent = {"schema": "countersign.action/1", "tool": "create_purchase_order", "params": {"vendor": "V-9"}}
    assert codes(verify(bundle_of(committed_proposal(sent=sent)).archive, tmp_path)) == {"request_differs"}


def test_the_approved_action_inside_a_larger_request_is_recognised(tmp_path: Path) -> None:
    sent = {"tool": "create_purchase_order", "params": {"vendor": "V-1"}, "schema": "countersign.action/1"}
    assert verify(bundle_of(committed_proposal(sent=sent)).archive, tmp_path).holds


def test_a_difference_on_record_is_a_note_and_a_hidden_one_a_problem(tmp_path: Path) -> None:
    findings = verify(bundle_of(committed_proposal(differences=("vendor",))).archive, tmp_path)
    assert findings.holds
    assert findings.limitations == ["What landed differs from what was approved in 1 fields, as the log reports."]
    findings = verify(bundle_of(committed_proposal(differences=("vendor",), reported_differences=())).archive, tmp_path)
    assert codes(findings) == {"differences_hidden"}


def test_a_bundle_signed_with_another_key_fails_against_the_pinned_one(bundle: EvidenceBundle, tmp_path: Path, settings: Settings) -> None:
    pinned = verifying_key()
    other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    settings.AUDIT_SIGNING_KEY = other.decode("ascii")
    forged = resigned(members_of(bundle))
    assert "manifest_signature" in codes(verify(forged, tmp_path, pinned=(pinned,)))
    assert "manifest_signature" in codes(verify(forged, tmp_path, pinned=()))  # the trust file names the old key
    assert {"manifest_signature", "signed_by_another_key"} <= codes(verify(bundle.archive, tmp_path, pinned=(verifying_key(),)))


def append(archive: bytes, name: str, content: bytes, *, kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as target:
        target.writestr(zipfile.ZipInfo(name), content, compress_type=kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("notes.txt", "member_extra"),
        ("../evil.txt", "member_path"),
        ("/etc/passwd", "member_path"),
        ("proposal/../../evil.txt", "member_path"),
        ("C:evil.txt", "member_path"),
        ("proposal\\evil.txt", "member_path"),
        (".hidden", "member_path"),
        ("proposal/", "member_path"),
    ],
)
def test_zip_tricks_with_names_are_named(bundle: EvidenceBundle, tmp_path: Path, name: str, code: str) -> None:
    assert code in codes(verify(append(bundle.archive, name, b"x"), tmp_path))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_member_is_named(bundle: EvidenceBundle, tmp_path: Path) -> None:
    assert "member_duplicate" in codes(verify(append(bundle.archive, "README.txt", b"other"), tmp_path))


def test_a_compressed_member_is_named(bundle: EvidenceBundle, tmp_path: Path) -> None:
    bomb = append(bundle.archive, "bomb.txt", bytes(10_000_000), kind=zipfile.ZIP_DEFLATED)
    assert "member_packed" in codes(verify(bomb, tmp_path))


def test_too_many_members_are_unusable(bundle: EvidenceBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countersign_verify, "MEMBERS_MAX", 5)
    with pytest.raises(Unusable, match="more than 5 members"):
        verify(bundle.archive, tmp_path)


def test_bytes_beside_the_members_are_noticed(bundle: EvidenceBundle, tmp_path: Path) -> None:
    assert codes(verify(b"prefix" + bundle.archive, tmp_path)) == {"archive_altered"}


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with no site packages, no environment and no path but the script's own."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", *map(str, arguments)], check=False, capture_output=True, text=True, cwd=cwd, timeout=60
    )


def test_the_verifier_runs_on_the_standard_library_alone(bundle: EvidenceBundle, tmp_path: Path) -> None:
    path = tmp_path / bundle.file_name
    path.write_bytes(bundle.archive)
    done = run(VERIFIER, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Everything holds." in done.stdout
    assert "Integrity only" in done.stdout
    done = run(VERIFIER, path, "--key", verifying_key().text, "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["holds"], result["trust"], result["proposal"]) == (0, True, "pinned", bundle.proposal)
    other = VerifyingKey.named("countersign/other/log", bytes(verifying_key().public))
    assert run(VERIFIER, path, "--key", other.text).returncode == 1
    path.write_bytes(bundle.archive[:-200] + bytes([bundle.archive[-200] ^ 1]) + bundle.archive[-199:])
    assert run(VERIFIER, path).returncode != 0


def test_an_unpacked_bundle_verifies_itself_and_notices_changes(bundle: EvidenceBundle, tmp_path: Path) -> None:
    directory = tmp_path / "unpacked"
    with zipfile.ZipFile(io.BytesIO(bundle.archive)) as archive:
        archive.extractall(directory)
    done = run("verify.py", cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "key.vkey").write_text(verifying_key().text + "\n", encoding="utf-8")
    assert run("verify.py", "--key", tmp_path / "key.vkey", cwd=directory).returncode == 0
    extra = directory / "proposal" / "extra.txt"
    extra.write_text("x", encoding="utf-8")
    done = run(VERIFIER, directory)
    assert done.returncode == 1
    assert "member_extra" in done.stdout
    extra.unlink()
    (directory / "link").symlink_to("README.txt")
    assert run(VERIFIER, directory).returncode == 1
    (directory / "link").unlink()
    action = directory / "proposal" / "action.json"
    action.write_bytes(action.read_bytes().replace(b"V-1", b"V-2"))
    assert run(VERIFIER, directory).returncode == 1


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_unusable_or_fails(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    assert run(VERIFIER, path).returncode in {1, 2}
    assert run(VERIFIER, tmp_path / "absent.zip").returncode == 2
    assert run(VERIFIER, tmp_path).returncode == 2
    assert run(VERIFIER, path, "--key", "nonsense").returncode == 2


def test_events_that_are_not_sealed_yet_are_refused() -> None:
    proposal = committed_proposal()
    with pytest.raises(NotSealedYet, match="6 of 6 events"):
        build_bundle(proposal.id)
    from tests.builders.audit import seal_all

    seal_all()
    with pytest.raises(NotSealedYet, match="not in a signed checkpoint"):
        build_bundle(proposal.id, wait_seconds=0.15)
    assert not Event.objects.filter(kind="evidence:bundle_exported").exists()


def test_a_proposal_without_events_and_an_id_of_another_kind_are_refused() -> None:
    with pytest.raises(NotVisible):
        build_bundle(proposal_id())
    with pytest.raises(InvalidIdentifier):
        build_bundle("agent_01h455vb4pex5vsknk084sn02q")


@pytest.mark.parametrize("path", ["events.jsonl", "keys/x", "../x", "proofs/1", "a//b", ""])
def test_a_section_may_not_take_the_place_of_the_evidence(path: str) -> None:
    proposal = committed_proposal()
    seal_and_sign()
    register_section("path", lambda _: lambda _: {path: b"x"})
    with pytest.raises(ValueError, match="may not add"):
        build_bundle(proposal.id)


def test_a_proposal_that_was_never_committed_has_a_bundle_too(tmp_path: Path) -> None:
    proposal = committed_proposal()  # registers the kinds
    from django.db import transaction

    from audit.records import NewEvent
    from audit.services import record_many

    other = proposal_id()
    with transaction.atomic():
        record_many([NewEvent("proposal:proposed", Actor.system("t"), about(other), INSTANT, action_digest="sha256:00")])
    seal_and_sign()
    findings = verify(build_bundle(other).archive, tmp_path)
    assert findings.holds, findings.problems
    assert "The proposal was not committed." in findings.limitations
    assert proposal.id != other


def test_the_command_writes_the_newest_committed_proposal(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No proposal has been committed"):
        call_command("evidence_bundle", "--latest", "--wait", "0")
    committed_proposal()
    newest = committed_proposal()
    recorded()
    seal_and_sign()
    register_section("path", lambda _: newest.section)
    output, out = tmp_path / "latest.zip", io.StringIO()
    call_command("evidence_bundle", "--latest", "--output", str(output), stdout=out)
    assert newest.id in out.getvalue()
    findings, bundle = verify_path(output, pinned=[verifying_key()])
    assert findings.holds
    assert bundle.header["proposal"] == newest.id
    call_command("evidence_bundle", newest.id, "--output", str(tmp_path / "same.zip"), stdout=out)
    assert (tmp_path / "same.zip").read_bytes() == output.read_bytes()
    with pytest.raises(CommandError, match="Name one proposal"):
        call_command("evidence_bundle")
