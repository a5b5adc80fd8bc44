"""How long a class is kept."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.events import RetentionEvent
from audit.keys import chain_id
from audit.records import Subject
from audit.retention.classes import DAYS_MAX, FLOOR_DAYS, RetentionClass
from audit.retention.errors import RetentionTooShort
from audit.retention.models import RetentionRule
from audit.retention.queries import days_by_class
from audit.retention.services.guards import records_refusal, require_reason
from audit.services import record
from kernel.actors import Actor
from kernel.errors import FieldError, ValidationFailed


@records_refusal(RetentionEvent.REFUSED)
def set_rule(*, retention_class: str, days: int, reason: str, actor: Actor, now: datetime) -> RetentionRule:
    """The class is kept for this many days from now on, for what is recorded already as well.

    A longer time protects at once. A shorter one destroys nothing by itself: two people still have to approve a list. Raises
    RetentionTooShort below 183 days, ValidationFailed for an unknown class, no change, or without a reason.
    """
    if retention_class not in RetentionClass.values:
        raise ValidationFailed(detail=f"{retention_class!r} is no class of retention.", errors=(FieldError("/class", "Unknown class."),))
    if days < FLOOR_DAYS:
        raise RetentionTooShort(
            detail=f"{days} days are too short: nothing is kept for less than {FLOOR_DAYS} days.",
            errors=(FieldError("/days", "Too short.", f"{FLOOR_DAYS} or more"),),
            data={"days": days, "floor_days": FLOOR_DAYS},
        )
    if days > DAYS_MAX:
        raise ValidationFailed(detail=f"{days} days are too long.", errors=(FieldError("/days", "Too long.", f"up to {DAYS_MAX}"),))
    text = require_reason(reason)
    name = RetentionClass(retention_class)
    with transaction.atomic():
        before = days_by_class()[name]
        if before == days:
            raise ValidationFailed(detail=f"It is {days} days already.", errors=(FieldError("/days", "Nothing would change."),))
        rule = RetentionRule.objects.create(retention_class=name, days=days, reason=text, set_by=actor.id, set_at=now)
        record(
            kind=RetentionEvent.RULE_SET,
            actor=actor,
            subject=Subject("retention", chain_id()),
            now=now,
            outcome={"status": "set", "class": name.value, "before_days": before, "days": days},
            payload={"reason": text},
        )
    return rule
