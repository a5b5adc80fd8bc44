"""Legal holds: while one is in force, nothing it covers can be destroyed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.events import HoldEvent
from audit.records import Subject
from audit.retention.models import HoldScope, LegalHold
from audit.retention.queries import get_hold
from audit.retention.services.guards import records_refusal, require_companies, require_reason
from audit.retention.states import HOLD_TRANSITIONS, HoldState
from audit.services import record
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import FieldError, StateConflict, ValidationFailed
from kernel.transitions import advance

MATTER_LENGTH_MAX = 200


@records_refusal(HoldEvent.REFUSED)
def place_hold(
    *,
    matter: str,
    scope: str,
    value: str,
    reason: str,
    companies: frozenset[str],
    actor: Actor,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> LegalHold:
    """Nothing the hold covers can be destroyed from now on, whatever its class says and whoever approved what before.

    `companies` are those in which the actor decides on retention. Raises ValidationFailed and OutsideYourCompanies.
    """
    name, text = matter.strip(), require_reason(reason)
    if not name or len(name) > MATTER_LENGTH_MAX:
        raise ValidationFailed(detail="Name the matter the hold belongs to.", errors=(FieldError("/matter", "Name the matter."),))
    if scope not in HoldScope.values or (scope == HoldScope.EVERYTHING) != (not value.strip()):
        raise ValidationFailed(
            detail="Say what the hold covers: everything, or one company, proposal, agent or person by its id.",
            errors=(FieldError("/scope", "Say what the hold covers."),),
        )
    if since and until and since >= until:
        raise ValidationFailed(detail="The period ends before it begins.", errors=(FieldError("/until", "Ends before it begins."),))
    if scope == HoldScope.COMPANY:
        require_companies([value.strip()], companies)
    with transaction.atomic():
        hold = LegalHold.objects.create(
            matter=name, scope=scope, value=value.strip(), since=since, until=until, reason=text, placed_by=actor.id, placed_at=now
        )
        record(
            kind=HoldEvent.PLACED,
            actor=actor,
            subject=_subject(hold),
            now=now,
            outcome={
                "status": "placed",
                "scope": hold.scope,
                "value": hold.value,
                "since": wire_time(since) if since else "",
                "until": wire_time(until) if until else "",
            },
            payload={"matter": name, "reason": text},
        )
    return hold


@records_refusal(HoldEvent.REFUSED)
def release_hold(*, hold_id: str, reason: str, companies: frozenset[str], actor: Actor, now: datetime) -> LegalHold:
    """The hold keeps nothing any more; what its classes keep stays.

    Raises NotVisible, StateConflict for one that was released, ValidationFailed without a reason, OutsideYourCompanies.
    """
    text = require_reason(reason)
    with transaction.atomic():
        hold = LegalHold.objects.select_for_update().get(pk=get_hold(hold_id).pk)
        if hold.state != HoldState.PLACED:
            raise StateConflict(detail=f"The hold {hold.public_id} was released.", data={"state": str(hold.state)})
        if hold.scope == HoldScope.COMPANY:
            require_companies([hold.value], companies)
        advance(hold, HoldState.RELEASED, transitions=HOLD_TRANSITIONS, released_by=actor.id, released_at=now, release_reason=text)
        record(
            kind=HoldEvent.RELEASED, actor=actor, subject=_subject(hold), now=now, outcome={"status": "released"}, payload={"reason": text}
        )
    return hold


def _subject(hold: LegalHold) -> Subject:
    return Subject("hold", hold.public_id, company=hold.value if hold.scope == HoldScope.COMPANY else "")
