"""Recording: an event joins the business transaction, or it does not happen.

Three statements in two messages, however many events: advisory locks on the subjects (in sorted order), the last link of each
subject; one insert of events and payloads. No lock is shared between subjects, so recording never becomes a bottleneck; the gapless
sequence is assigned later, by the sealer.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from audit.keys import chain_id, mac_key, region, release
from audit.kinds import require_kind
from audit.models import Event
from audit.payload_keys import wrapping_ring
from audit.payloads import SCHEME, SealedPayload, seal_payload
from audit.records import Link, NewEvent, Subject, event_mac, payload_beside, record_bytes
from audit.verifier.countersign_verify import leaf_hash
from kernel.actors import Actor
from kernel.canonical import canonical_bytes
from kernel.context import Origin, current_origin
from kernel.errors import DomainError, NotCanonical
from kernel.ids import Prefix, encode, new_id
from kernel.together import Reply, under_way, write

# Each subject of a batch holds one entry of PostgreSQL's lock table until the transaction ends.
ENTRIES_MAX = 1_000

LOCK_CHAINS = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"

LAST_LINKS = """
SELECT wanted.chain, last.position, last.leaf
FROM unnest(%s::text[]) AS wanted (chain)
CROSS JOIN LATERAL (
    SELECT position, leaf FROM audit_link WHERE audit_link.chain = wanted.chain ORDER BY position DESC LIMIT 1
) AS last
"""

INSERT_EVENTS = f"""
WITH incoming AS (
    SELECT * FROM unnest(
        %s::uuid[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[],
        %s::bytea[], %s::bytea[], %s::text[]
    ) AS rows (
        event_id, kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company,
        tool, chain, position, previous_leaf, bytes, leaf, mac, content, wrapped, wrapping_key
    )
), recorded AS (
    INSERT INTO audit_event (
        event_id, kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company,
        tool, chain, position, previous_leaf, bytes, leaf, mac
    )
    SELECT event_id, kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company,
           tool, chain, position, previous_leaf, bytes, leaf, mac
    FROM incoming
    RETURNING event_id, recorded_at, transaction
), beside AS (
    INSERT INTO audit_eventpayload (event_id, salt, content, key_id)
    SELECT event_id, '', content, '{SCHEME}' FROM incoming WHERE content IS NOT NULL
), keys AS (
    INSERT INTO audit_payloadkey (event_id, wrapped, wrapping_key)
    SELECT event_id, wrapped, wrapping_key FROM incoming WHERE content IS NOT NULL
)
SELECT event_id, recorded_at, transaction FROM recorded
"""  # noqa: S608  a constant only


def record(
    *,
    kind: str,
    actor: Actor,
    subject: Subject,
    now: datetime,
    outcome: Mapping[str, object] | None = None,
    gate: Mapping[str, object] | None = None,
    evidence: Sequence[Mapping[str, object]] = (),
    ai: Mapping[str, object] | None = None,
    human: Mapping[str, object] | None = None,
    action_digest: str = "",
    payload: Mapping[str, object] | None = None,
) -> Event:
    """Record the event in the caller's transaction, linked to the one before it on the same subject.

    `gate` says which gate allowed it, `evidence` which data it used, `outcome` what came of it. All of these are hashed and
    never erased: opaque ids, codes, digests and instants only. What people read goes into `payload`, kept beside the event.

    Raises UnknownKind for an unregistered kind, NotCanonical for a float, and TransactionManagementError outside
    `transaction.atomic()`.
    """
    entry = NewEvent(
        kind=kind,
        actor=actor,
        subject=subject,
        now=now,
        outcome=outcome,
        gate=gate,
        evidence=evidence,
        ai=ai,
        human=human,
        action_digest=action_digest,
        payload=payload,
    )
    return record_many([entry])[0]


def record_denial(*, kind: str, actor: Actor, subject: Subject, now: datetime, error: DomainError) -> Event:
    """Record the refusal in a transaction of its own, after the refused one has rolled back.

    The error's code is hashed; its sentence and data, which may name people, lie beside. Raises RuntimeError when called
    inside a transaction: the record would vanish with it.
    """
    beside: dict[str, object] = {"detail": error.detail, "errors": [item.as_dict() for item in error.errors]}
    try:
        canonical_bytes(error.data)
    except NotCanonical:
        beside["data"] = "left out: it has no canonical form"  # a refusal is recorded whatever the caller sent
    else:
        beside["data"] = dict(error.data)
    with transaction.atomic(durable=True):
        return record(
            kind=kind,
            actor=actor,
            subject=subject,
            now=now,
            outcome={"status": "refused", "code": error.code},
            payload=beside,
        )


def record_many(entries: Sequence[NewEvent], *, new_chains: Collection[str] = ()) -> list[Event]:
    """Record all events in the caller's transaction, in the given order; two messages in all.

    `new_chains` names chains of subjects that this very transaction has made: nobody else can know them, so there is neither an
    end to read nor anybody to lock out, and one statement is left. Were one of them not new, its second first event would meet the
    unique constraint. At most 1,000 entries. Raises as `record` does; nothing is written then.
    """
    if not entries:
        return []
    if len(entries) > ENTRIES_MAX:
        raise ValueError(f"{len(entries)} events in one call; at most {ENTRIES_MAX}")
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an audit event is recorded inside the business transaction")
    for entry in entries:
        require_kind(entry.kind)
    known = {entry.subject.chain for entry in entries}.difference(new_chains)
    links = _last_links(known) if known else {}
    drafts = _drafts(entries, links=links, origin=current_origin())
    _insert(drafts)
    return [draft.event for draft in drafts]


def chain_lock_key(chain: str) -> int:
    """Return the advisory lock key of one per-subject chain: 64 bits of its SHA-256."""
    value = hashlib.sha256(b"countersign.audit.chain\0" + chain.encode("utf-8")).digest()[:8]
    return int.from_bytes(value, "big", signed=True)


@dataclass(frozen=True, slots=True)
class _Draft:
    event: Event
    beside: SealedPayload | None


def _last_links(chains: set[str]) -> dict[str, tuple[int, bytes]]:
    """Lock the chains, then read their ends: two statements of one message, because a snapshot taken before the wait would be stale."""
    keys = sorted(chain_lock_key(chain) for chain in chains)
    # Behind what was gathered, since an event among it may be the end of one of them.
    together = under_way()
    together.ask(LOCK_CHAINS, [keys])
    last = together.ask(LAST_LINKS.strip(), [sorted(chains)])
    together.send()
    return {chain: (position, bytes(leaf)) for chain, position, leaf in last.rows}


def _drafts(entries: Sequence[NewEvent], *, links: dict[str, tuple[int, bytes]], origin: Origin) -> list[_Draft]:
    drafts = []
    key, chain_name, region_name, release_name = mac_key(), chain_id(), region(), release()
    wrapping_key = wrapping_ring().current
    for entry in entries:
        chain = entry.subject.chain
        position, previous = links.get(chain, (0, None))
        event_id = new_id()
        beside = payload_beside(entry, origin)
        stored = record_bytes(
            entry,
            event_id=encode(Prefix.EVENT, event_id),
            chain_id=chain_name,
            region=region_name,
            release=release_name,
            origin=origin,
            link=Link(chain=chain, position=position + 1, previous=previous),
            beside=beside,
        )
        leaf = leaf_hash(stored)
        links[chain] = (position + 1, leaf)
        event = Event(
            event_id=event_id,
            kind=str(entry.kind),
            occurred_at=entry.now,
            actor_kind=entry.actor.kind.value,
            actor_id=entry.actor.id,
            subject_kind=entry.subject.kind,
            subject_id=entry.subject.id,
            proposal=entry.subject.proposal,
            company=entry.subject.company,
            tool=entry.subject.tool,
            chain=chain,
            position=position + 1,
            previous_leaf=previous,
            bytes=stored,
            leaf=leaf,
            mac=event_mac(key, leaf=leaf, event_id=event_id.bytes),
        )
        drafts.append(_Draft(event=event, beside=seal_payload(event_id, beside, wrapping_key) if beside else None))
    return drafts


EVENT_COLUMNS = (
    "event_id", "kind", "occurred_at", "actor_kind", "actor_id", "subject_kind", "subject_id", "proposal", "company",
    "tool", "chain", "position", "previous_leaf", "bytes", "leaf", "mac",
)  # fmt: skip


def _insert(drafts: Sequence[_Draft]) -> None:
    columns: list[list[object]] = [[getattr(draft.event, name) for draft in drafts] for name in EVENT_COLUMNS]
    columns += [[getattr(draft.beside, name, None) for draft in drafts] for name in ("content", "wrapped", "wrapping_key")]

    def complete(asked: Reply) -> None:
        stored: dict[uuid.UUID, tuple[datetime, int]] = {row[0]: (row[1], row[2]) for row in asked.rows}
        for draft in drafts:
            draft.event.recorded_at, draft.event.transaction = stored[draft.event.event_id]
            draft.event._state.adding = False
            draft.event._state.db = "default"

    write(INSERT_EVENTS.strip(), columns, then=complete)
