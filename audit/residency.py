"""Evidence stays in its region, or leaves it for a reason that is on record."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.events import EvidenceEvent
from audit.keys import NAME_PATTERN, region
from audit.records import Subject
from audit.retention.errors import RegionRefused
from audit.retention.services.guards import REASON_LENGTH_MIN
from audit.services import record
from kernel.actors import Actor
from kernel.errors import FieldError, ValidationFailed


def allow_export(*, destination: str, reason: str, subject: Subject, actor: Actor, now: datetime) -> bool:
    """The export may go to the destination's region; returns whether it leaves the log's own, which is an event then.

    Call it before anything is handed over. Raises RegionRefused when it would leave without a reason, and ValidationFailed for a region
    that is none.
    """
    if not NAME_PATTERN.match(destination):
        raise ValidationFailed(detail=f"{destination!r} is no region.", errors=(FieldError("/region", "No region."),))
    if destination == region():
        return False
    text = reason.strip()
    if len(text) < REASON_LENGTH_MIN:
        raise RegionRefused(
            detail=f"This evidence is kept in {region()}. Taking it to {destination} needs a reason, which becomes part of the evidence.",
            data={"region": region(), "destination": destination},
        )
    with transaction.atomic():
        record(
            kind=EvidenceEvent.EXPORTED_ACROSS_REGIONS,
            actor=actor,
            subject=subject,
            now=now,
            outcome={"status": "exported", "from": region(), "to": destination},
            payload={"reason": text},
        )
    return True
