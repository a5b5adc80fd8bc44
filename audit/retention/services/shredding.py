"""Carrying out an approved list: keys are destroyed, tombstones stand, the chain is verified, and a certificate says so.

Batches of their own transactions, so that a list of a million can be interrupted and taken up again: what is done is what has no key
any more. A tombstone is an event in the very chain of the events it names (one for each proposal or subject and batch), so that a bundle
of that proposal carries it.
"""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.db import connection, transaction

from audit.bundle import signed_envelope
from audit.events import RetentionEvent
from audit.keys import chain_id, region
from audit.models import Event
from audit.records import NewEvent, Subject
from audit.retention.models import Disposal
from audit.retention.queries import IS_HELD, get_disposal
from audit.retention.services.disposals import subject_of
from audit.retention.states import DISPOSAL_TRANSITIONS, DisposalState
from audit.services import record, record_many
from audit.verification import Verification, verify_chain
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.clock import wire_time
from kernel.errors import StateConflict
from kernel.ids import Prefix, encode
from kernel.transitions import advance

ACTOR = Actor.system("retention")
CERTIFICATE_SCHEMA = "countersign.disposal/1"
CERTIFICATE_TYPE = "application/vnd.countersign.disposal+json"
BATCH_SIZE = 500

OPEN_ITEMS = f"""
SELECT e.event_id, e.chain FROM audit_disposalitem i
JOIN audit_payloadkey k ON k.event_id = i.event_id JOIN audit_event e ON e.event_id = i.event_id
WHERE i.disposal_id = %s AND i.exempt = '' AND k.shredded_at IS NULL AND NOT {IS_HELD}
ORDER BY e.chain, e.event_id LIMIT %s
"""  # noqa: S608  constants only
SHRED = """
UPDATE audit_payloadkey k SET shredded_at = clock_timestamp(), disposal_id = %s, tombstone_id = wanted.tombstone_id
FROM unnest(%s::uuid[], %s::uuid[]) AS wanted (event_id, tombstone_id) WHERE k.event_id = wanted.event_id
"""
RESULT = """
SELECT i.event_id, i.exempt, i.kept_until, k.shredded_at, k.tombstone_id
FROM audit_disposalitem i LEFT JOIN audit_payloadkey k ON k.event_id = i.event_id AND k.disposal_id = i.disposal_id
WHERE i.disposal_id = %s ORDER BY i.event_id
"""


def carry_out(*, disposal_id: str, now: datetime) -> Disposal:
    """Every payload on the list that no hold keeps is unreadable for good, the chain was verified afterwards, and both are on record.

    Called by the task that the second approval wakes; taken up again where it was interrupted. Raises StateConflict when the list is
    not approved.
    """
    disposal = get_disposal(disposal_id)
    if disposal.state != DisposalState.APPROVED:
        raise StateConflict(
            detail=f"The list {disposal_id} is {disposal.get_state_display().lower()}.", data={"state": str(disposal.state)}
        )
    while _shred_batch(disposal, now):
        pass
    verification = verify_chain()
    with transaction.atomic():
        locked = Disposal.objects.select_for_update().get(pk=disposal.pk)
        certificate = canonical_bytes(_certificate(locked, verification, now))
        done = _shredded_count(locked)
        advance(
            locked,
            DisposalState.COMPLETED,
            transitions=DISPOSAL_TRANSITIONS,
            shredded=done,
            held_back=locked.listed - done,
            completed_at=now,
            certificate=certificate,
        )
        record(
            kind=RetentionEvent.COMPLETED,
            actor=ACTOR,
            subject=subject_of(locked),
            now=now,
            outcome={
                "status": "completed",
                "shredded": done,
                "held_back": locked.held_back,
                "exempt": locked.exempt,
                "verification": "holds" if verification.holds else "does_not_hold",
                "size": verification.sealed,
                "root": verification.root,
            },
            evidence=[{"role": "certificate", "source": locked.public_id, "digest": digest_of_bytes(CERTIFICATE_SCHEMA, certificate)}],
        )
    return locked


def signed_certificate(disposal: Disposal) -> bytes:
    """Return the certificate in its DSSE envelope, signed with the log's key."""
    return signed_envelope(bytes(disposal.certificate or b""), payload_type=CERTIFICATE_TYPE)


def _shred_batch(disposal: Disposal, now: datetime) -> bool:
    """Destroy the next keys and say so in one transaction; return whether there were any."""
    with transaction.atomic():
        # Behind this lock nobody else carries out the same list; a hold that is placed meanwhile is seen by the trigger.
        Disposal.objects.select_for_update().get(pk=disposal.pk)
        with connection.cursor() as cursor:
            cursor.execute(OPEN_ITEMS, [disposal.pk, BATCH_SIZE])
            rows: list[tuple[UUID, str]] = cursor.fetchall()
        if not rows:
            return False
        groups = [(chain, [event_id for event_id, _ in members]) for chain, members in groupby(rows, key=lambda row: row[1])]
        first = Event.objects.in_bulk([event_ids[0] for _, event_ids in groups])
        tombstones = record_many([_tombstone(disposal, first[event_ids[0]], event_ids, now) for _, event_ids in groups])
        pairs = [(key, stone.event_id) for stone, (_, keys) in zip(tombstones, groups, strict=True) for key in keys]
        with connection.cursor() as cursor:
            cursor.execute(SHRED, [disposal.pk, [key for key, _ in pairs], [stone for _, stone in pairs]])
    return True


def _tombstone(disposal: Disposal, event: Event, event_ids: list[UUID], now: datetime) -> NewEvent:
    subject = Subject(kind=event.subject_kind, id=event.subject_id, proposal=event.proposal, company=event.company, tool=event.tool)
    return NewEvent(
        kind=RetentionEvent.SHREDDED,
        actor=ACTOR,
        subject=subject,
        now=now,
        outcome={
            "status": "shredded",
            "disposal": disposal.public_id,
            "purpose": disposal.purpose,
            "events": [encode(Prefix.EVENT, event_id) for event_id in event_ids],
        },
    )


def _shredded_count(disposal: Disposal) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_payloadkey WHERE disposal_id = %s AND shredded_at IS NOT NULL", [disposal.pk])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _certificate(disposal: Disposal, verification: Verification, now: datetime) -> dict[str, object]:
    with connection.cursor() as cursor:
        cursor.execute(RESULT, [disposal.pk])
        rows = cursor.fetchall()
    results = []
    for event_id, exempt, kept_until, shredded_at, tombstone_id in rows:
        result: dict[str, object] = {"event": encode(Prefix.EVENT, event_id)}
        if shredded_at is not None:
            result |= {"result": "shredded", "at": wire_time(shredded_at), "tombstone": encode(Prefix.EVENT, tombstone_id)}
        else:
            result |= {"result": "kept", "because": exempt or "hold", "kept_until": wire_time(kept_until)}
        results.append(result)
    return {
        "schema": CERTIFICATE_SCHEMA,
        "disposal": disposal.public_id,
        "purpose": disposal.purpose,
        "person": disposal.person,
        "chain_id": chain_id(),
        "region": region(),
        "prepared": {"by": disposal.prepared_by, "at": wire_time(disposal.prepared_at), "list_digest": disposal.list_digest},
        "approved": [
            {"by": approval.person, "at": wire_time(approval.approved_at)} for approval in disposal.approvals.order_by("approved_at", "id")
        ],
        "completed_at": wire_time(now),
        "results": results,
        "chain": {"holds": verification.holds, "size": verification.sealed, "root": verification.root},
    }
