"""Checking sealed rows fast, in whichever process: what is exactly as it should be passes; everything else goes the slow way.

The fast way asks at least what `check_row` of the stand-alone verifier asks, and only whether all of it holds. A row that fails any
of it is checked again by `check_row`, which names what is wrong; so both have one result. No Django in here: workers start quickly.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from audit.payload_keys import WrappingRing
from audit.payloads import PayloadUnreadable, SealedPayload, open_payload
from audit.records import SaltedPayload
from audit.verifier.countersign_verify import EVENT_SCHEMA, ChainRow, Findings, Malformed, RowResult, check_row, entry_hash
from kernel.ids import Prefix, encode_number

# What is checked, in the order of the chain. Identifiers, instants and links come as the record spells them.
ROWS = """
SELECT s.sequence, s.entry, s.previous, uuid_send(s.event_id), e.bytes, e.leaf, e.mac,
    e.kind, to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.actor_kind, e.actor_id,
    e.subject_kind, e.subject_id, e.proposal, e.company, e.tool, e.chain, e.position, encode(e.previous_leaf, 'hex'),
    p.salt, p.content, k.wrapped, k.wrapping_key, k.shredded_at IS NOT NULL
FROM audit_seal s
LEFT JOIN audit_event e ON e.event_id = s.event_id
LEFT JOIN audit_eventpayload p ON p.event_id = s.event_id
LEFT JOIN audit_payloadkey k ON k.event_id = s.event_id
WHERE s.sequence > %s AND s.sequence <= %s
ORDER BY s.sequence
"""
EVENT_PREFIX = Prefix.EVENT.value
# Stands for the kind of an event that is not here.
ARCHIVED = "(archived)"
HMAC_BLOCK_BYTES = 64
# The same for what was archived: the leaf and the place stay when the event goes.
ARCHIVED_ROWS = """
SELECT s.sequence, l.leaf, l.chain, l.position FROM audit_seal s JOIN audit_link l ON l.event_id = s.event_id
WHERE s.sequence > %s AND s.sequence <= %s AND NOT EXISTS (SELECT FROM audit_event e WHERE e.event_id = s.event_id)
"""
COLUMN_NAMES = (
    "kind", "occurred_at", "actor_kind", "actor_id", "subject_kind", "subject_id", "proposal", "company", "tool", "chain",
)  # fmt: skip


def _refuse(literal: str) -> Any:
    raise Malformed(f"the number {literal} is not an integer")


# Without a hook for objects it runs in C. That no key stands twice in an object shows when they are counted.
_scan = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse).raw_decode


def _key_count(value: dict[str, Any]) -> int:
    """Return how many keys an object and everything in it has."""
    count = len(value)
    for item in value.values():
        if type(item) is dict:
            count += _key_count(item)
        elif type(item) is list:
            for part in item:
                if type(part) is dict:
                    count += _key_count(part)
                elif type(part) is list:
                    return -1  # an array in an array is not what records are made of: the slow way looks at it
    return count


class Checker:
    """What is needed to check rows: the chain's name, the application's key, the keys of payloads."""

    def __init__(self, chain_id: str, mac_key: bytes, ring: WrappingRing, archived_to: int = 0) -> None:
        """Prepare what every row needs. Events up to `archived_to` may be gone: they lie in archives that verify by themselves."""
        self.chain_id = chain_id
        self.archived_to = archived_to
        self._mac_key = mac_key
        self._ring = ring
        # HMAC (RFC 2104) with its two beginnings made once: a third of the time of asking the library for each row.
        padded = (mac_key if len(mac_key) <= HMAC_BLOCK_BYTES else hashlib.sha256(mac_key).digest()).ljust(HMAC_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def __reduce__(self) -> tuple[type[Checker], tuple[str, bytes, WrappingRing, int]]:
        """Hand the checker to another process."""
        return Checker, (self.chain_id, self._mac_key, self._ring, self.archived_to)

    def check(self, row: Sequence[Any]) -> RowResult:
        """Return the result of one row of ROWS."""
        return self._passed(row) or check_row(self._slow(row), self.chain_id)

    def is_archived(self, row: Sequence[Any]) -> bool:
        """Tell whether the row's event may rightly be gone."""
        return row[4] is None and int(row[0]) <= self.archived_to

    def check_archived(self, row: Sequence[Any], leaf: bytes, chain: str, position: int) -> RowResult:
        """Return the result of a row whose event is archived: its entry over the leaf that stayed, and its place."""
        sequence, entry, previous = row[:3]
        found = Findings()
        found.expect(
            entry_hash(sequence, previous, leaf) == entry,
            "entry_wrong",
            f"sequence {sequence}",
            f"The entry at sequence {sequence} is not the digest of its place and the archived event.",
        )
        return RowResult(sequence, entry, previous, "", leaf, ARCHIVED, "", chain, position, None, tuple(found.problems))

    def _passed(self, row: Sequence[Any]) -> RowResult | None:
        """Return the result of a row with which nothing is wrong; None when something may be."""
        sequence, entry, previous, key, stored, leaf, mac, *columns = row
        if stored is None or hashlib.sha256(b"\x00" + stored).digest() != leaf:
            return None
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(leaf + key)
        outer.update(inner.digest())
        if outer.digest() != mac:
            return None
        if hashlib.sha256(b"\x01" + sequence.to_bytes(8, "big") + previous + leaf).digest() != entry:
            return None
        try:
            text = stored.decode("utf-8")
            record, end = _scan(text)
            # A quote before a colon ends a key, unless it is escaped within text.
            if end != len(text) or _key_count(record) != stored.count(b'":') - stored.count(b'\\":'):
                return None
            event_id, actor, subject, link = record["event_id"], record["actor"], record["subject"], record["link"]
            said = (
                record["type"], record["occurred_at"], actor["kind"], actor["id"], subject["kind"], subject["id"],
                subject.get("proposal", ""), subject.get("company", ""), subject.get("tool", ""),
                link["chain"], link["position"], link.get("previous"),
            )  # fmt: skip
            if record["schema"] != EVENT_SCHEMA or record["chain_id"] != self.chain_id:
                return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if said != tuple(columns[:12]) or event_id != encode_number(EVENT_PREFIX, int.from_bytes(key, "big")):
            return None
        if not self._is_payload_right(key, record.get("payload_commitment", ""), columns[12:]):
            return None
        return RowResult(sequence, entry, previous, event_id, leaf, said[0], said[1], said[9], said[10], said[11] or "", ())

    def _is_payload_right(self, key: bytes, commitment: str, beside: Sequence[Any]) -> bool:
        salt, content, wrapped, wrapping_key, is_shredded = beside
        if is_shredded or content is None:
            return bool(is_shredded) or (not commitment and salt is None)
        if wrapped is None:
            return False
        try:
            payload = open_payload(UUID(bytes=key), SealedPayload(content, wrapped, wrapping_key), self._ring)
        except PayloadUnreadable:
            return False
        return payload.commitment == commitment

    def _slow(self, row: Sequence[Any]) -> ChainRow:
        sequence, entry, previous, key, stored, leaf, mac, *columns = row
        event_id = encode_number(EVENT_PREFIX, int.from_bytes(key, "big"))
        if stored is None:
            return ChainRow(sequence=sequence, entry=entry, previous=previous, event_id="", stored=None)
        payload = self._opened(key, columns[12:])
        spelled = dict(zip(COLUMN_NAMES, columns, strict=False)) | {"position": str(columns[10]), "previous_leaf": columns[11] or ""}
        return ChainRow(
            sequence=sequence,
            entry=entry,
            previous=previous,
            event_id=event_id,
            stored=stored,
            leaf=leaf,
            mac=mac,
            expected_mac=hmac.digest(self._mac_key, leaf + key, "sha256"),
            columns=spelled,
            salt=payload.salt if payload else None,
            payload=payload.content if payload else None,
            is_payload_shredded=bool(columns[16]),
        )

    def _opened(self, key: bytes, beside: Sequence[Any]) -> SaltedPayload | None:
        """Return the payload; None when there is none, and an empty one, which no event committed to, when it can't be opened."""
        salt, content, wrapped, wrapping_key, _ = beside
        if content is None or wrapped is None:
            return None if salt is None else SaltedPayload(content=b"", salt=b"")
        try:
            return open_payload(UUID(bytes=key), SealedPayload(content, wrapped, wrapping_key), self._ring)
        except PayloadUnreadable:
            return SaltedPayload(content=b"", salt=b"")
