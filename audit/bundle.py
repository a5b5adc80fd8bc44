"""Evidence bundles: one zip for one proposal that opens and verifies without us.

Audit knows the events; what else belongs into a bundle comes from the apps that own it. Each registers a section once in
AppConfig.ready: `register_section("proposal", builder)`, where `builder(proposal)` takes the proposal's TypeID and returns
member path → exact bytes, or nothing when it has nothing. No secret ever goes in. The members the verifier knows, all optional,
each checked when it is there (digests are `sha256:<hex>` over purpose, NUL, bytes):

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
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

from django.db import transaction

from audit.events import EvidenceEvent
from audit.keys import chain_id, log_origin, region, signing_key, verifying_key
from audit.models import Checkpoint, Event
from audit.proofs import inclusion_paths, stored_leaves, tlog_proof
from audit.records import Subject
from audit.sealer_process import request_seal
from audit.services import record
from audit.verifier import countersign_verify
from audit.verifier.countersign_verify import (
    BUNDLE_SCHEMA,
    MANIFEST_SCHEMA,
    MANIFEST_TYPE,
    MEMBER_PATTERN,
    TRUST_SCHEMA,
    dsse_message,
    encode_base64,
    write_archive,
)
from kernel.actors import Actor
from kernel.canonical import canonical_bytes
from kernel.errors import DomainError, NotVisible
from kernel.ids import Prefix, decode, encode

SectionBuilder = Callable[[str], Mapping[str, bytes]]

VERIFIER_DIRECTORY = Path(countersign_verify.__file__).parent
OWN_PREFIXES = ("checkpoints/", "keys/", "payloads/", "proofs/")
OWN_MEMBERS = frozenset(
    {"README.txt", "bundle.json", "data_dictionary.md", "events.jsonl", "manifest.dsse.json", "manifest.json", "verify.py"}
)
SECTION_NAME = re.compile(r"^[a-z][a-z_]*$")
POLL_SECONDS = 0.1

_sections: dict[str, SectionBuilder] = {}


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


def register_section(name: str, builder: SectionBuilder) -> None:
    """Make every bundle hold what `builder` returns; the same name registered again takes the place of the first."""
    if not SECTION_NAME.match(name):
        raise ValueError(f"{name!r} can't name a section")
    _sections[name] = builder


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
    rows, checkpoint = _sealed_rows(proposal, wait_seconds=wait_seconds)
    members = _section_members(proposal)
    members |= _event_members(rows, checkpoint)
    members["README.txt"] = (VERIFIER_DIRECTORY / "README.txt").read_bytes()
    members["data_dictionary.md"] = (VERIFIER_DIRECTORY / "data_dictionary.md").read_bytes()
    members["verify.py"] = Path(countersign_verify.__file__).read_bytes()
    members["keys/trust.json"] = canonical_bytes(
        {
            "schema": TRUST_SCHEMA,
            "origin": log_origin(),
            "keys": [{"vkey": verifying_key().text, "uses": ["checkpoint", "manifest"]}],
        }
    )
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
            "sections": sorted(_sections),
        }
    )
    manifest = manifest_of(members)
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


def manifest_of(members: Mapping[str, bytes]) -> bytes:
    """Return the canonical manifest: path, size and SHA-256 of each member."""
    listed = [
        {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for path, content in sorted(members.items())
    ]
    return canonical_bytes({"schema": MANIFEST_SCHEMA, "members": listed})


def signed_envelope(manifest: bytes) -> bytes:
    """Return the DSSE envelope over the manifest."""
    key = verifying_key()
    signature = signing_key().sign(dsse_message(MANIFEST_TYPE, manifest))
    return canonical_bytes(
        {
            "payloadType": MANIFEST_TYPE,
            "payload": encode_base64(manifest),
            "signatures": [{"keyid": f"{key.name}+{key.key_id.hex()}", "sig": encode_base64(signature)}],
        }
    )


def _sealed_rows(proposal: str, *, wait_seconds: float) -> tuple[list[Event], Checkpoint]:
    deadline = monotonic() + wait_seconds
    is_seal_requested = False
    while True:
        rows = list(Event.objects.filter(chain=proposal).select_related("seal", "payload").order_by("position"))
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


def _section_members(proposal: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for name in sorted(_sections):
        for path, content in _sections[name](proposal).items():
            if not MEMBER_PATTERN.match(path) or path.startswith(OWN_PREFIXES) or path in OWN_MEMBERS or path in members:
                raise ValueError(f"the section {name} may not add a member {path!r}")
            members[path] = bytes(content)
    return members


def _event_members(rows: Sequence[Event], checkpoint: Checkpoint) -> dict[str, bytes]:
    note = checkpoint.note.encode("utf-8")
    paths = inclusion_paths([row.seal.sequence - 1 for row in rows], size=checkpoint.size, leaves=stored_leaves(checkpoint.size))
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
            members[f"payloads/{event_id}.json"] = bytes(beside.content)
            members[f"payloads/{event_id}.salt"] = bytes(beside.salt).hex().encode("ascii")
    members["events.jsonl"] = b"".join(lines)
    return members
