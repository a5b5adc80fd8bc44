"""Verifying the whole chain from the database, with the same core as the stand-alone verifier.

One pass over seals and events, shared by several processes; what is exported outside the database is read first, so that a truncated
tail is found. The application's mac can only be checked here, where its key is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from audit.chain_pass import checked_blocks, processes_for
from audit.events import LogEvent
from audit.keys import chain_id, checkpoint_directory, log_origin, mac_key, verifying_key, witness_keys
from audit.models import Checkpoint as CheckpointRow
from audit.models import Export
from audit.models import Frontier as FrontierRow
from audit.payload_keys import wrapping_ring
from audit.retention.models import Archive
from audit.retention.proof import check_shredded
from audit.row_check import ARCHIVED, Checker
from audit.sealer import EVENT_COLUMNS, IS_UNSEALED, SealingRefused, StoredEvent, refuse_forged
from audit.ties import check_ties
from audit.verifier.countersign_verify import (
    ChainVerifier,
    Checkpoint,
    Claim,
    Findings,
    Malformed,
)

ROWS_PER_FETCH = 1_000

UNSEALED = f"SELECT {EVENT_COLUMNS} FROM audit_event e WHERE {IS_UNSEALED}"  # noqa: S608  constants only

Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying the whole chain found."""

    findings: Findings
    sealed: int
    unsealed: int
    roots_checked: int
    checkpoints: int
    root: str

    @property
    def holds(self) -> bool:
        """Tell whether everything holds."""
        return self.findings.holds

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            **self.findings.as_dict(),
            "chain_id": chain_id(),
            "sealed": self.sealed,
            "unsealed": self.unsealed,
            "checkpoints": self.checkpoints,
            "roots_checked": self.roots_checked,
            "root": self.root,
        }


def verify_chain(
    *, extra_notes: Sequence[Path] = (), progress: Progress | None = None, processes: int = 0, with_ties: bool = False
) -> Verification:
    """Return what holds and what does not, over every sealed and unsealed event and every checkpoint.

    `extra_notes` are checkpoints that somebody kept: the chain must still contain them. `processes` share the work; 0 decides by the
    number of events. Several of them need a transaction of our own, because they can only see what is committed. `with_ties` also
    compares what other apps keep beside the log with it.
    """
    findings = Findings()
    # Files first: a checkpoint exported while we read must not look like a truncated tail.
    exported = _read_notes(findings, _exported_files(), "Exported checkpoints are signed")
    given = _read_notes(findings, extra_notes, "Given checkpoints are signed")
    is_own_transaction = not connection.in_atomic_block
    with transaction.atomic():
        if is_own_transaction:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        stored = _stored_checkpoints(findings, exported)
        seen = _witnessed(findings, {checkpoint.size: checkpoint for _, checkpoint in stored})
        wanted = processes or processes_for(sealed_count())
        verifier = ChainVerifier(findings, chain_id=chain_id(), roots=_claims([*stored, *exported], given), seen=seen)
        count = _verify_rows(verifier, processes=wanted if is_own_transaction else 1, progress=progress)
        check_shredded(findings)
        unsealed = _check_unsealed(findings)
        if with_ties:
            check_ties(findings)
    return Verification(
        findings=findings,
        sealed=count,
        unsealed=unsealed,
        roots_checked=verifier.roots_checked,
        checkpoints=len(stored),
        root=verifier.frontier.root().hex(),
    )


def _verify_rows(verifier: ChainVerifier, *, processes: int, progress: Progress | None) -> int:
    """Check every sealed row, by itself and against those before it; return how many there are."""
    count, archived = 0, 0
    archived_to = Archive.objects.aggregate(last=Max("last_sequence"))["last"] or 0
    checker = Checker(chain_id(), mac_key(), wrapping_ring(), archived_to)
    with verifier.findings.check("Every event is intact, in its place and linked") as detail:
        for block in checked_blocks(checker, processes=processes):
            for row in block:
                verifier.join(row)
            count += len(block)
            if archived < archived_to:
                archived += sum(row.kind == ARCHIVED for row in block)
            if progress is not None:
                progress(len(block))
        verifier.finish()
        detail.append(f"{count} sealed events, {verifier.roots_checked} roots")
    if archived:
        verifier.findings.limitations.append(f"{archived} events lie in archives, which verify by themselves; here stand their leaves.")
    return count


def _claims(own: Sequence[tuple[str, Checkpoint]], given: Sequence[tuple[str, Checkpoint]]) -> dict[int, list[Claim]]:
    """Return the roots that this chain must have: its own checkpoints', the stored tree's, and those that somebody was shown."""
    claims: dict[int, list[Claim]] = {}
    for source, checkpoint in own:
        claims.setdefault(checkpoint.size, []).append(Claim(source, checkpoint.root))
    for source, checkpoint in given:
        claims.setdefault(checkpoint.size, []).append(Claim(source, checkpoint.root, "log_forked"))
    row = FrontierRow.objects.order_by("-size").first()
    if row is not None:
        claims.setdefault(row.size, []).append(Claim(f"the tree of size {row.size}", bytes(row.root)))
    return claims


def _exported_files() -> list[Path]:
    """Return the notes in the signer's directory and in those beside it, as far as they can be read here."""
    directories = [checkpoint_directory(), *(Path(path) for path in getattr(settings, "AUDIT_EXPORT_DIRECTORIES", ()))]
    return [path for directory in directories for path in sorted(directory.glob("[0-9]*.note"))]


def _witnessed(findings: Findings, stored: Mapping[int, Checkpoint]) -> dict[int, int]:
    """Return when witnesses saw the chain, by size, having checked what they signed."""
    keys = {f"witness:{key.name}"[:100]: key for key in witness_keys()}
    seen: dict[int, int] = {}
    rows = Export.objects.filter(exporter__in=keys, is_done=True).order_by("size")
    if not keys:
        return seen
    with findings.check("Witnesses have cosigned what is stored") as detail:
        count = 0
        for row in rows.iterator(chunk_size=ROWS_PER_FETCH):
            count += 1
            source, checkpoint = f"the cosignature of {row.exporter} at {row.size}", stored.get(row.size)
            try:
                note = Checkpoint.parse(checkpoint.body + b"\n" + bytes(row.answer)) if checkpoint else None
            except Malformed:
                note = None
            at = note.cosigned_at(keys[row.exporter], is_signed_fast) if note else None
            if at is None:
                findings.problem("cosignature_wrong", source, f"{source} is not over the stored checkpoint of that size.")
            else:
                seen[row.size] = max(at, seen.get(row.size, 0))
        detail.append(f"{count} cosignatures")
    return seen


def record_verification(verification: Verification, *, now: datetime) -> None:
    """Record the result of a verification in the log."""
    from audit.sealer_process import record_about_log

    record_about_log(
        LogEvent.VERIFIED,
        now=now,
        status="holds" if verification.holds else "does_not_hold",
        size=verification.sealed,
        root=verification.root,
        problems=sorted({problem.code for problem in verification.findings.problems}),
    )


def sealed_count() -> int:
    """Return how many events are sealed, for a progress bar."""
    row = FrontierRow.objects.order_by("-size").first()
    return row.size if row else 0


def is_signed_fast(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 signature verifies, by OpenSSL: two hundred times the speed of the stand-alone verifier's own."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read_notes(findings: Findings, paths: Sequence[Path], name: str) -> list[tuple[str, Checkpoint]]:
    found: list[tuple[str, Checkpoint]] = []
    if not paths:
        return found
    with findings.check(name) as detail:
        for path in paths:
            try:
                checkpoint = Checkpoint.parse(path.read_bytes())
            except (Malformed, OSError) as error:
                findings.problem("note_unreadable", path.name, f"The checkpoint file {path.name} can't be read: {error}.")
                continue
            if _is_ours(findings, path.name, checkpoint):
                found.append((path.name, checkpoint))
        detail.append(f"{len(found)} of {len(paths)}")
    return found


def _is_ours(findings: Findings, source: str, checkpoint: Checkpoint) -> bool:
    key = verifying_key()
    is_signed = checkpoint.is_signed_by(key, is_signed_fast)
    if not is_signed and checkpoint.is_signed_by_another(key):
        findings.problem("signed_by_another_key", source, f"{source} is signed in the name of this log, but by another key.")
    else:
        findings.expect(is_signed, "checkpoint_signature", source, f"{source} is not signed by this log's key.")
    findings.expect(
        checkpoint.origin == log_origin(), "checkpoint_origin", source, f"{source} is of the log {checkpoint.origin}, not of this one."
    )
    return is_signed and checkpoint.origin == log_origin()


def _stored_checkpoints(findings: Findings, exported: Sequence[tuple[str, Checkpoint]]) -> list[tuple[str, Checkpoint]]:
    found: list[tuple[str, Checkpoint]] = []
    with findings.check("Stored checkpoints are signed and were exported") as detail:
        sizes = {checkpoint.size for _, checkpoint in exported}
        not_exported = 0
        for row in CheckpointRow.objects.order_by("size").iterator(chunk_size=ROWS_PER_FETCH):
            source = f"the checkpoint of size {row.size}"
            try:
                checkpoint = Checkpoint.parse(row.note.encode("utf-8"))
            except Malformed as error:
                findings.problem("note_unreadable", source, f"The note of {source} can't be read: {error}.")
                continue
            findings.expect(
                checkpoint.size == row.size and checkpoint.root == bytes(row.root),
                "checkpoint_edited", source, f"The row of {source} does not say what its signed note says.",
            )  # fmt: skip
            not_exported += row.size not in sizes
            if _is_ours(findings, source, checkpoint):
                found.append((source, checkpoint))
        known = {checkpoint.size for _, checkpoint in found}
        newest = max(known, default=0)
        for size in sorted(sizes - known):
            if size < newest:
                findings.problem("checkpoint_deleted", f"{size:012d}.note", f"The checkpoint of size {size} was exported but is gone here.")
        if not_exported:
            findings.limitations.append(f"{not_exported} stored checkpoints are not in the export directory.")
        detail.append(f"{len(found)} checkpoints")
    return found


def _check_unsealed(findings: Findings) -> int:
    key, chain = mac_key(), chain_id()
    count = 0
    with findings.check("Events that wait to be sealed are the application's own") as detail:
        with connection.chunked_cursor() as cursor:
            cursor.execute(UNSEALED)
            while rows := cursor.fetchmany(ROWS_PER_FETCH):
                for row in rows:
                    count += 1
                    try:
                        refuse_forged(StoredEvent.from_row(row), key, chain)
                    except SealingRefused as refusal:
                        findings.problem(refusal.code, "unsealed", str(refusal))
        detail.append(f"{count} waiting")
    if count:
        findings.limitations.append(f"{count} events are recorded but not sealed yet.")
    return count
