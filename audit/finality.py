"""Final only with a sealed receipt: what weighs most does not count before the chain has it.

An event that was recorded but not sealed yet can still be cut off by whoever owns the database: no checkpoint covers it. So a decision
above the step-up amount, a policy that was activated and a compensating entry are *recorded* first and *final* with their sealed receipt:
the event's place in the chain and the digest of that place, which nobody can know before it is sealed. The commit engine sends nothing
that leans on an event without one, and says in `commit:started` on which receipts it leaned: `gate.sealed`. Events that have to be waited
for say so themselves (`final` = `sealed`), which is how a verifier finds a receipt that is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from audit.models import Event, Seal
from audit.queries import record_of
from audit.verifier.countersign_verify import FINAL_WITH_SEAL, Findings, record_part
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode

STARTED, GRANTED, LANDED = "commit:started", "approval:granted", "commit:succeeded"
ROWS_PER_FETCH = 500

# The link outlives an event that went into an archive; only what is sealed gets there, so an archived chain counts by its last event.
RECEIPTS = """
SELECT DISTINCT ON (wanted.chain, wanted.kind) wanted.chain, wanted.kind, link.event_id, seal.sequence, seal.entry
FROM unnest(%s::text[], %s::text[]) AS wanted (chain, kind)
JOIN audit_link AS link ON link.chain = wanted.chain
JOIN audit_seal AS seal ON seal.event_id = link.event_id
LEFT JOIN audit_event AS event ON event.event_id = link.event_id
WHERE event.kind = wanted.kind OR event.event_id IS NULL
ORDER BY wanted.chain, wanted.kind, link.position DESC
"""


class Fact(NamedTuple):
    """An event by the subject's chain it stands in and its kind; the latest one counts."""

    chain: str
    kind: str


@dataclass(frozen=True, slots=True)
class SealedReceipt:
    """The place of a sealed event in the chain, and the digest of that place in hexadecimal."""

    event_id: str
    sequence: int
    entry: str

    def as_dict(self) -> dict[str, object]:
        """Return the receipt as `gate.sealed` of an event lists it, and as agents get it."""
        return {"event": self.event_id, "sequence": self.sequence, "entry": self.entry}


def sealed_receipts(wanted: Collection[Fact]) -> dict[Fact, SealedReceipt]:
    """Return the receipt of each of these that is sealed; one that is missing is not final. One statement."""
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(RECEIPTS, [[fact.chain for fact in wanted], [fact.kind for fact in wanted]])
        return {
            Fact(chain, kind): SealedReceipt(encode(Prefix.EVENT, event_id), sequence, bytes(entry).hex())
            for chain, kind, event_id, sequence, entry in cursor.fetchall()
        }


def check_finality(findings: Findings, detail: list[str]) -> None:
    """Check that every receipt a commit leaned on is the place of that event in the chain, before the commit's own."""
    count = 0
    for events in _batches():
        leaned = [(event, receipt) for event in events for receipt in _receipts_of(event)]
        places = _places([str(receipt.get("event")) for _, receipt in leaned] + [encode(Prefix.EVENT, event.event_id) for event in events])
        for event, receipt in leaned:
            count += 1
            own = places.get(encode(Prefix.EVENT, event.event_id))
            named = (receipt.get("sequence"), receipt.get("entry"))
            found = places.get(str(receipt.get("event")))
            findings.expect(
                named == found and (own is None or (found is not None and found[0] < own[0])),
                "receipt_differs",
                encode(Prefix.EVENT, event.event_id),
                f"{event.chain} was sent on a sealed receipt of {receipt.get('event')} that is not its place in the chain.",
            )
    detail.append(f"{count} receipts")


def _batches() -> Iterator[Sequence[Event]]:
    rows = Event.objects.filter(kind=STARTED).order_by("event_id").iterator(chunk_size=ROWS_PER_FETCH)
    batch: list[Event] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_PER_FETCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _receipts_of(event: Event) -> list[Mapping[str, Any]]:
    found = record_part(record_of(event), "gate", "sealed")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _places(event_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    keys = {}
    for text in event_ids:
        try:
            keys[decode(Prefix.EVENT, text)] = text
        except InvalidIdentifier:
            continue
    rows = Seal.objects.filter(event_id__in=keys).values_list("event_id", "sequence", "entry")
    return {keys[key]: (sequence, bytes(entry).hex()) for key, sequence, entry in rows}


__all__ = ["FINAL_WITH_SEAL", "GRANTED", "LANDED", "Fact", "SealedReceipt", "check_finality", "sealed_receipts"]
