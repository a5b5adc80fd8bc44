"""What an event is made of: its subject, and the record whose canonical bytes are hashed and never erased.

Record `countersign.audit.event/1`. A member that would be empty is left out, so absent means empty. Nothing personal is in it
beyond opaque ids. In particular:

- the remote address is never hashed; it lies in the payload beside the event;
- a session key is a secret, so only its digest is kept; an idempotency key is text chosen by the caller, so likewise;
- readable content goes into the payload beside the event, of which the record holds a salted commitment only.

`recorded_at` is the database's clock and stands in the row, not in the bytes: the bytes exist before the database sees them.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit.verifier.countersign_verify import EVENT_SCHEMA, payload_commitment
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest
from kernel.clock import wire_time
from kernel.context import Origin

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: `kind` ("proposal", "agent", "commit", "policy"…) and its opaque `id`.

    `proposal` is the TypeID of the proposal the event belongs to, if any: it decides the per-subject link and the bundle.
    """

    kind: str
    id: str
    proposal: str = ""
    company: str = ""
    tool: str = ""
    connection: str = ""
    idempotency_key: str = ""
    revision: int = 0
    # The trace it began in; an event that comes without one of its own, in a task days later, belongs to this one.
    trace_id: str = ""

    @property
    def chain(self) -> str:
        """Return the name of the per-subject chain: the proposal, or the subject itself where there is none."""
        return self.proposal or f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be recorded; the arguments of `audit.services.record` as a value."""

    kind: str
    actor: Actor
    subject: Subject
    now: datetime
    outcome: Mapping[str, object] | None = None
    gate: Mapping[str, object] | None = None
    evidence: Sequence[Mapping[str, object]] = ()
    ai: Mapping[str, object] | None = None
    human: Mapping[str, object] | None = None
    action_digest: str = ""
    payload: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Where an event stands in its subject's chain: its position from 1, and the leaf of the one before it."""

    chain: str
    position: int
    previous: bytes | None


@dataclass(frozen=True, slots=True)
class SaltedPayload:
    """Readable content beside an event: canonical bytes, the salt, and the commitment that the event holds."""

    content: bytes
    salt: bytes = field(repr=False)

    @property
    def commitment(self) -> str:
        """Return `hmac-sha256:<hex>`, keyed with the salt."""
        return payload_commitment(self.salt, self.content)


def payload_beside(event: NewEvent, origin: Origin) -> SaltedPayload | None:
    """Return the payload that is stored beside the event, or None when there is nothing to store."""
    content: dict[str, object] = {}
    if event.payload:
        content["content"] = event.payload
    if origin.ip:
        content["origin"] = {"ip": origin.ip}
    if not content:
        return None
    return SaltedPayload(content=canonical_bytes(content), salt=secrets.token_bytes(SALT_BYTES))


def change_of(event: NewEvent, beside: SaltedPayload | None) -> dict[str, object]:
    """Return a digest of what was before and of what is after, where the payload has both or one.

    Keyed with the payload's salt, because what changes may be as short as a name: once the payload is shredded, nobody can try names.
    """
    if beside is None or not event.payload:
        return {}
    return {
        side: payload_commitment(beside.salt, canonical_bytes(event.payload[side])) for side in ("before", "after") if side in event.payload
    }


def record_bytes(
    event: NewEvent, *, event_id: str, chain_id: str, region: str, release: str, origin: Origin, link: Link, beside: SaltedPayload | None
) -> bytes:
    """Return the canonical bytes of the event's record: what is hashed, stored and verified for ever."""
    record = {
        "schema": EVENT_SCHEMA,
        "event_id": event_id,
        "chain_id": chain_id,
        "type": event.kind,
        "occurred_at": wire_time(event.now),
        "clock": "application",
        "region": region,
        "actor": _actor(event.actor),
        "origin": {
            "channel": origin.channel,
            "request_id": origin.request_id,
            "trace_id": origin.trace_id or event.subject.trace_id,
            "release": release,
        },
        "subject": _subject(event.subject),
        "link": {
            "chain": link.chain,
            "position": link.position,
            "previous": link.previous.hex() if link.previous is not None else "",
        },
        "gate": event.gate,
        "evidence": list(event.evidence),
        "ai": event.ai,
        "action_digest": event.action_digest,
        "change": change_of(event, beside),
        "outcome": event.outcome,
        "human": event.human,
        "payload_commitment": beside.commitment if beside else "",
    }
    for part in ("actor", "origin", "subject", "link"):
        record[part] = _without_empty(record[part])
    return canonical_bytes(_without_empty(record))


def event_mac(key: bytes, *, leaf: bytes, event_id: bytes) -> bytes:
    """Return HMAC-SHA256 over leaf ‖ event id: what a database owner without the application key cannot make."""
    return hmac.digest(key, leaf + event_id, "sha256")


def _actor(actor: Actor) -> dict[str, object]:
    return {
        "kind": actor.kind.value,
        "id": actor.id,
        "credential": actor.credential,
        "session": digest("countersign.session/1", actor.session) if actor.session else "",
        "authentication": list(actor.authentication),
        "mfa": actor.second_factor,
        "on_behalf_of": actor.on_behalf_of,
        "delegation": actor.delegation,
    }


def _subject(subject: Subject) -> dict[str, object]:
    key = subject.idempotency_key
    return {
        "kind": subject.kind,
        "id": subject.id,
        "proposal": subject.proposal,
        "revision": subject.revision or None,
        "tool": subject.tool,
        "connection": subject.connection,
        "company": subject.company,
        "idempotency_key": digest("countersign.idempotency_key/1", key) if key else "",
    }


def _without_empty(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"a record part must be an object, not {type(value).__name__}")
    return {key: item for key, item in value.items() if item not in (None, "", [], {}, ())}
