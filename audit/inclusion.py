"""Inclusion receipts: one small file that shows anybody, without us, that a proposal's events stand in a signed tree.

A receipt holds the bytes of each event of the proposal, the path of each into the tree of one checkpoint, and that checkpoint with the
lines of its witnesses. It shows nothing that the events' bytes don't: no payload, no page, no name. The one-file verifier accepts it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.bundle import sealed_rows
from audit.events import EvidenceEvent
from audit.exporting import cosigned_note
from audit.keys import chain_id, verifying_key
from audit.proofs import stored_inclusion_paths
from audit.records import Subject
from audit.services import record
from audit.verifier.countersign_verify import INCLUSION_SCHEMA, encode_base64
from kernel.actors import Actor
from kernel.canonical import canonical_bytes
from kernel.ids import Prefix, decode, encode


def inclusion_receipt(proposal: str, *, wait_seconds: float = 0.0) -> bytes:
    """Return the receipt of one proposal; raises NotVisible when it has no events, NotSealedYet when they are not signed in time."""
    decode(Prefix.PROPOSAL, proposal)
    rows, checkpoint = sealed_rows(proposal, wait_seconds=wait_seconds)
    paths = stored_inclusion_paths([row.seal.sequence - 1 for row in rows], size=checkpoint.size)
    return canonical_bytes(
        {
            "schema": INCLUSION_SCHEMA,
            "proposal": proposal,
            "chain_id": chain_id(),
            "vkey": verifying_key().text,
            "checkpoint": cosigned_note(checkpoint).decode("utf-8"),
            "events": [
                {
                    "sequence": row.seal.sequence,
                    "event_id": encode(Prefix.EVENT, row.event_id),
                    "bytes": encode_base64(bytes(row.bytes)),
                    "path": [encode_base64(node) for node in paths[row.seal.sequence - 1]],
                }
                for row in rows
            ],
        }
    )


def issue_inclusion_receipt(*, proposal: str, actor: Actor, now: datetime, wait_seconds: float = 0.0) -> bytes:
    """Return the receipt, its issue recorded; raises as `inclusion_receipt` does."""
    receipt = inclusion_receipt(proposal, wait_seconds=wait_seconds)
    with transaction.atomic():
        record(
            kind=EvidenceEvent.INCLUSION_ISSUED,
            actor=actor,
            subject=Subject(kind="inclusion", id=proposal),
            now=now,
            outcome={"status": "issued", "bytes": len(receipt)},
        )
    return receipt
