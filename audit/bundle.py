"""Evidence bundles: one zip for one proposal that opens and verifies without us.

Audit knows the events; what else belongs into a bundle comes from the apps that own it. Each registers a section once in
AppConfig.ready (audit/bundle_parts.py): `register_section("proposal", reader)`, where `reader(proposals)` takes TypeIDs of proposals and
returns what composes the members of one of them: path → exact bytes, or nothing when it has nothing. No secret ever goes in. The
members the verifier knows, all optional, each checked when it is there (digests are `sha256:<hex>` over purpose, NUL, bytes):

proposal/action.json               the stored canonical action; digest (countersign.action/1) = `action_digest` of the events
                                   proposal:proposed, approval:decided, approval:granted, commit:started, commit:succeeded
proposal/presentation-<hex>.json   the facts put on the approver's page; digest (countersign.presentation/1) = <hex> =
                                   `human.presentation_digest` of approval:decided
proposal/reads/<read id>.json      what the agent read; digest (countersign.read/1) = `evidence[].digest` where source = read id
proposal/proposal.json             anything readable
gate/route.json                    {automatic: bool, required_approvals: int, excluded: [id or {user, reason}], steps: […]}
gate/decisions.json                {decisions: [{id, user, decision, payload_digest, presentation_digest, decided_at}]}, the same
                                   decisions as the events approval:decided
erp/request.json                   the stored request: the action itself, or {key, tool, company, reference, action: {…}}
erp/receipt.json                   {document, status, …}; digest (countersign.receipt/1) = `outcome.receipt_digest` of
                                   commit:succeeded, document = `outcome.document`
erp/read_back.json                 {document, differences: […], …}; digest (countersign.read_back/1) =
                                   `outcome.read_back_digest`, as many differences as `outcome.differences` says

The archive is deterministic: the same events, sections and checkpoint give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

from django.db import transaction

from audit.bundle_parts import (
    Scope,
    compose_report,
    dictionary_of,
    section_members,
    section_names,
    table_bytes,
    tables_document,
    tables_for,
)
from audit.events import EvidenceEvent
from audit.exporting import cosignatures, cosigned_note, timestamp
from audit.keys import chain_id, log_origin, region, signing_key, verifying_key
from audit.models import Checkpoint, Event, EventPayload
from audit.payloads import Shredded, opened
from audit.proofs import stored_inclusion_paths, tlog_proof
from audit.records import Subject
from audit.sealer_process import request_seal
from audit.services import record
from audit.verifier import countersign_verify
from audit.verifier.countersign_verify import (
    BUNDLE_SCHEMA,
    MANIFEST_SCHEMA,
    MANIFEST_TYPE,
    TOMBSTONE_SCHEMA,
    TRUST_SCHEMA,
    Members,
    decode_base64,
    dsse_message,
    encode_base64,
    write_archive,
)
from kernel.actors import Actor
from kernel.canonical import canonical_bytes
from kernel.clock import wire_time
from kernel.errors import DomainError, NotVisible
from kernel.ids import Prefix, decode, encode

VERIFIER_DIRECTORY = Path(countersign_verify.__file__).parent
POLL_SECONDS = 0.1


class NotSealedYet(DomainError):
    """Some of the proposal's events are not covered by a signed checkpoint yet."""

    code = "not_sealed_yet"
    status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT
    title = "The evidence is not sealed yet"
    retryable = True


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """A finished bundle: the zip, its digest, and what it proves."""

    proposal: str
    archive: bytes
    sha256: str
    events: int
    checkpoint_size: int

    @property
    def file_name(self) -> str:
        """Return the name to save it under."""
        return f"countersign-{self.proposal}.zip"


def export_bundle(*, proposal: str, actor: Actor, now: datetime, wait_seconds: float = 0.0) -> EvidenceBundle:
    """Build the bundle and put its export on record.

    The export is recorded about the bundle, not in the proposal's own chain: exporting again gives the same bytes.
    Raises NotVisible when the proposal has no events and NotSealedYet when its last ones are not sealed and signed.
    """
    bundle = build_bundle(proposal, wait_seconds=wait_seconds)
    with transaction.atomic():
        record(
            kind=EvidenceEvent.BUNDLE_EXPORTED,
            actor=actor,
            subject=Subject(kind="bundle", id=proposal),
            now=now,
            outcome={"status": "exported", "sha256": bundle.sha256, "events": bundle.events, "size": bundle.checkpoint_size},
        )
    return bundle


def build_bundle(proposal: str, *, wait_seconds: float = 0.0) -> EvidenceBundle:
    """Return the bundle of one proposal; waits up to `wait_seconds` for its events to be sealed and signed."""
    decode(Prefix.PROPOSAL, proposal)
    rows, checkpoint = sealed_rows(proposal, wait_seconds=wait_seconds)
    scope = Scope(
        first_sequence=rows[0].seal.sequence,
        last_sequence=rows[-1].seal.sequence,
        checkpoint_size=checkpoint.size,
        as_of=checkpoint.signed_at,
        proposal=proposal,
    )
    members = dict(section_members([proposal]))[proposal]
    members |= _event_members(rows, checkpoint)
    members |= outside_members([checkpoint.size])
    members["keys/trust.json"] = trust_document()
    members["bundle.json"] = canonical_bytes(
        {
            "schema": BUNDLE_SCHEMA,
            "proposal": proposal,
            "chain_id": chain_id(),
            "origin": log_origin(),
            "region": region(),
            "events": len(rows),
            "first_sequence": rows[0].seal.sequence,
            "last_sequence": rows[-1].seal.sequence,
            "checkpoint": {"size": checkpoint.size, "root": bytes(checkpoint.root).hex()},
            "sections": section_names(),
        }
    )
    described = []
    for table in tables_for(scope):
        members[table.path], stated = table_bytes(table, scope)
        described.append(stated)
    report = compose_report(scope, Members.of({**members, "tables.json": tables_document(described)}), described)
    members |= report.members
    members |= standing_members([*described, *report.tables])
    manifest = manifest_of(Members.of(members))
    members["manifest.json"] = manifest
    members["manifest.dsse.json"] = signed_envelope(manifest)
    archive = write_archive(members)
    return EvidenceBundle(
        proposal=proposal,
        archive=archive,
        sha256=f"sha256:{hashlib.sha256(archive).hexdigest()}",
        events=len(rows),
        checkpoint_size=checkpoint.size,
    )


def trust_document() -> bytes:
    """Return keys/trust.json: the public key, for convenience."""
    keys = [{"vkey": verifying_key().text, "uses": ["checkpoint", "manifest"]}]
    return canonical_bytes({"schema": TRUST_SCHEMA, "origin": log_origin(), "keys": keys})


def outside_members(sizes: Iterable[int]) -> dict[str, bytes]:
    """Return what others said about these checkpoints: the notes as witnesses cosigned them, and time-stamps."""
    members = {}
    for checkpoint in Checkpoint.objects.filter(size__in=list(sizes)):
        if cosignatures(checkpoint.size):
            members[f"witness/{checkpoint.size:012d}.note"] = cosigned_note(checkpoint)
        if stamp := timestamp(checkpoint.size):
            members[f"tsa/{checkpoint.size:012d}.tsr"] = stamp
    return members


def standing_members(described: Sequence[Mapping[str, object]]) -> dict[str, bytes]:
    """Return what every bundle ends with: how to read and verify it, and what its tables state."""
    return {
        "README.txt": (VERIFIER_DIRECTORY / "README.txt").read_bytes(),
        "data_dictionary.md": (VERIFIER_DIRECTORY / "data_dictionary.md").read_bytes() + dictionary_of(described),
        "tables.json": tables_document(sorted(described, key=lambda item: str(item["path"]))),
        "verify.py": Path(countersign_verify.__file__).read_bytes(),
    }


def manifest_of(members: Members) -> bytes:
    """Return the canonical manifest: path, size and SHA-256 of each member."""
    listed = []
    for path in sorted(members):
        size, digest = members.measure(path)
        listed.append({"path": path, "bytes": size, "sha256": digest})
    return canonical_bytes({"schema": MANIFEST_SCHEMA, "members": listed})


def signed_envelope(manifest: bytes, *, payload_type: str = MANIFEST_TYPE) -> bytes:
    """Return the DSSE envelope over the manifest, or over another document of the log's."""
    key = verifying_key()
    signature = signing_key().sign(dsse_message(payload_type, manifest))
    return canonical_bytes(
        {
            "payloadType": payload_type,
            "payload": encode_base64(manifest),
            "signatures": [{"keyid": f"{key.name}+{key.key_id.hex()}", "sig": encode_base64(signature)}],
        }
    )


def sealed_rows(proposal: str, *, wait_seconds: float) -> tuple[list[Event], Checkpoint]:
    """Return a proposal's events and the first checkpoint that covers them; raises NotVisible and NotSealedYet."""
    deadline = monotonic() + wait_seconds
    is_seal_requested = False
    while True:
        rows = list(Event.objects.filter(chain=proposal).select_related("seal", "payload__key").order_by("position"))
        if not rows:
            raise NotVisible(detail=f"There are no audit events of {proposal}.")
        unsealed = sum(not hasattr(row, "seal") for row in rows)
        if not unsealed:
            # The first checkpoint that covers the last event, so that the same events give the same bundle.
            last = max(row.seal.sequence for row in rows)
            checkpoint = Checkpoint.objects.filter(size__gte=last).order_by("size").first()
            if checkpoint is not None:
                return rows, checkpoint
        if monotonic() >= deadline:
            raise NotSealedYet(
                detail=(
                    f"{unsealed} of {len(rows)} events of {proposal} are not sealed yet."
                    if unsealed
                    else f"The last events of {proposal} are not in a signed checkpoint yet."
                )
                + " Is the sealer running?",
                data={"events": len(rows), "unsealed": unsealed},
            )
        if not is_seal_requested:
            request_seal()
            is_seal_requested = True
        sleep(POLL_SECONDS)


def payload_note(event_id: str, beside: EventPayload) -> tuple[dict[str, object], bool]:
    """Return what a bundle says of one payload, content and salt or that it was shredded, when and by which event; and whether it was."""
    found = opened(beside)
    if isinstance(found, Shredded):
        note: dict[str, object] = {
            "schema": TOMBSTONE_SCHEMA,
            "event_id": event_id,
            "shredded_at": wire_time(found.shredded_at),
            "disposal": found.disposal,
            "tombstone": found.tombstone,
        }
        return note, True
    return {"event_id": event_id, "content": encode_base64(found.content), "salt": found.salt.hex()}, False


def payload_members(event_id: str, beside: EventPayload) -> dict[str, bytes]:
    """Return the members of one payload in the bundle of a proposal: content and salt, or the note that it was shredded."""
    note, is_shredded = payload_note(event_id, beside)
    if is_shredded:
        return {f"tombstones/{event_id}.json": canonical_bytes(note)}
    return {
        f"payloads/{event_id}.json": decode_base64(str(note["content"])),
        f"payloads/{event_id}.salt": str(note["salt"]).encode("ascii"),
    }


def _event_members(rows: Sequence[Event], checkpoint: Checkpoint) -> dict[str, bytes]:
    note = checkpoint.note.encode("utf-8")
    paths = stored_inclusion_paths([row.seal.sequence - 1 for row in rows], size=checkpoint.size)
    members = {f"checkpoints/{checkpoint.size:012d}.note": note}
    lines = []
    for row in rows:
        seal = row.seal
        event_id = encode(Prefix.EVENT, row.event_id)
        lines.append(
            canonical_bytes(
                {
                    "sequence": seal.sequence,
                    "event_id": event_id,
                    "previous_entry": bytes(seal.previous).hex(),
                    "entry": bytes(seal.entry).hex(),
                    "leaf": bytes(row.leaf).hex(),
                    "bytes": encode_base64(bytes(row.bytes)),
                }
            )
            + b"\n"
        )
        index = seal.sequence - 1
        members[f"proofs/{seal.sequence:012d}.tlog-proof"] = tlog_proof(index=index, path=paths[index], note=note)
        beside = getattr(row, "payload", None)
        if beside is not None:
            members |= payload_members(event_id, beside)
    members["events.jsonl"] = b"".join(lines)
    return members
