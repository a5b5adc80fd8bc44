"""That nothing went missing in silence: each shredded payload has a tombstone, an event of its own that names it."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from audit.events import RetentionEvent
from audit.models import Event
from audit.queries import record_of
from audit.verifier.countersign_verify import Findings, record_part
from kernel.ids import Prefix, encode

ROWS_PER_FETCH = 5_000
SHREDDED = "SELECT event_id, tombstone_id FROM audit_payloadkey WHERE shredded_at IS NOT NULL ORDER BY tombstone_id"
WITHOUT_KEY = """
SELECT p.event_id FROM audit_eventpayload p LEFT JOIN audit_payloadkey k ON k.event_id = p.event_id WHERE k.event_id IS NULL
"""


def check_shredded(findings: Findings) -> None:
    """Check that what is shredded was shredded on record, and that no key is simply gone."""
    with findings.check("What was shredded has its tombstone") as detail:
        count, tombstone_id, named = 0, None, frozenset[str]()
        with connection.chunked_cursor() as cursor:
            cursor.execute(SHREDDED)
            while rows := cursor.fetchmany(ROWS_PER_FETCH):
                for event_id, stone_id in rows:
                    count += 1
                    if stone_id != tombstone_id:
                        tombstone_id, named = stone_id, _named_by(stone_id)
                    text = encode(Prefix.EVENT, event_id)
                    findings.expect(
                        text in named, "shredded_unrecorded", text, f"The payload of {text} was shredded, and no event of the log says so."
                    )
        with connection.cursor() as cursor:
            cursor.execute(WITHOUT_KEY)
            for (event_id,) in cursor.fetchall():
                text = encode(Prefix.EVENT, event_id)
                findings.problem("payload_key_missing", text, f"The key of the payload of {text} is gone, without having been shredded.")
        detail.append(f"{count} shredded")


def _named_by(tombstone_id: UUID) -> frozenset[str]:
    row = Event.objects.filter(pk=tombstone_id, kind=RetentionEvent.SHREDDED).first()
    return frozenset(record_part(record_of(row), "outcome", "events") or ()) if row else frozenset()
