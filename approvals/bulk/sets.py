"""What a set of proposals is, as bytes: the sorted digests and amounts that one decision is over, and what a passkey signs of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from approvals.bulk.models import Bulk, BulkItem
from approvals.bulk.policies import Kind
from approvals.bulk.states import ItemState
from approvals.services.signing import as_kept
from approvals.states import DecisionKind
from audit.bundle_parts import grouped
from audit.verifier.countersign_verify import BULK_PURPOSE
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.clock import wire_time
from kernel.ids import Prefix, encode
from kernel.money import Money

SETS_SCHEMA = "countersign.gate.bulks/1"


@dataclass(frozen=True, slots=True)
class SetItem:
    """One proposal of a set, with the digests it was shown with and its amount."""

    proposal: str
    payload_digest: str
    presentation_digest: str
    amount: Money


def bytes_of_set(kind: Kind, items: Iterable[SetItem]) -> bytes:
    """Return the canonical bytes of a set: its items sorted by their digests, their number, their sum in each currency."""
    ordered = sorted(items, key=lambda item: (item.payload_digest, item.presentation_digest, item.proposal))
    return canonical_bytes(
        {
            "schema": BULK_PURPOSE,
            "decision": str(DecisionKind.APPROVE),
            "tool": kind.tool,
            "group": kind.group,
            "step": kind.step,
            "count": len(ordered),
            "sums": sums_of(item.amount for item in ordered),
            "items": [
                {
                    "proposal": item.proposal,
                    "payload_digest": item.payload_digest,
                    "presentation_digest": item.presentation_digest,
                    "amount_minor": item.amount.minor,
                    "currency": item.amount.currency,
                }
                for item in ordered
            ],
        }
    )


def digest_of_set(kind: Kind, items: Iterable[SetItem]) -> str:
    """Return the digest that a bulk decision is over."""
    return digest_of_bytes(BULK_PURPOSE, bytes_of_set(kind, items))


def sums_of(amounts: Iterable[Money]) -> dict[str, int]:
    """Return the sum in each currency, in its minor units."""
    sums: Counter[str] = Counter()
    for amount in amounts:
        sums[amount.currency] += amount.minor
    return dict(sums)


def stored_set(bulk: Bulk, items: Iterable[BulkItem]) -> bytes:
    """Return the bytes of a set that was fixed, made of its rows; they have its digest unless somebody changed the rows."""
    kind = Kind(bulk.tool, bulk.group.code, bulk.position)
    return bytes_of_set(
        kind,
        [SetItem(encode(Prefix.PROPOSAL, item.proposal_id), item.payload_digest, item.presentation.digest, item.amount) for item in items],
    )


def statement_of(bulk: Bulk) -> dict[str, object]:
    """Return what a passkey signs for the whole set: its digest, how many there are, how much in each currency."""
    amounts = [item.amount for item in bulk.items.all()]
    return {
        "bulk": bulk.public_id,
        "decision": str(DecisionKind.APPROVE),
        "set_digest": bulk.set_digest,
        "count": len(amounts),
        "sums": sums_of(amounts),
        "user": str(bulk.user_id),
    }


class ApprovedSets:
    """The sets in which some proposals were approved; each is read and written down once, however many of its proposals ask for it."""

    def __init__(self, keys: Sequence[UUID]) -> None:
        """Read about these proposals."""
        found = BulkItem.objects.filter(proposal_id__in=keys, state=ItemState.APPROVED).select_related("bulk__group", "bulk__signature")
        self._bulks = grouped(found.order_by("bulk__confirmed_at", "bulk"), lambda row: row.proposal_id)
        items = BulkItem.objects.filter(bulk__in={row.bulk_id for rows in self._bulks.values() for row in rows})
        self._items = grouped(items.select_related("presentation").defer("presentation__stored_bytes"), lambda row: row.bulk_id)
        self._written: dict[UUID, dict[str, object]] = {}

    def members(self, key: UUID) -> Mapping[str, bytes]:
        """Return the member of a proposal's bundle with each set that it was approved in, and the signature over it; empty for none."""
        listed = [self._written_down(row.bulk) for row in self._bulks.get(key, ())]
        return {"gate/bulks.json": canonical_bytes({"schema": SETS_SCHEMA, "bulks": listed})} if listed else {}

    def _written_down(self, bulk: Bulk) -> dict[str, object]:
        if bulk.pk not in self._written:
            self._written[bulk.pk] = {
                "bulk": bulk.public_id,
                "user": str(bulk.user_id),
                "prepared_at": wire_time(bulk.prepared_at),
                "confirmed_at": wire_time(bulk.confirmed_at) if bulk.confirmed_at else "",
                "set_digest": bulk.set_digest,
                "set": stored_set(bulk, self._items[bulk.pk]).decode("utf-8"),
                "signature": as_kept(bulk.signature) if bulk.signature else None,
            }
        return self._written[bulk.pk]
