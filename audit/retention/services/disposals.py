"""Lists of payloads to be destroyed: made, approved by two people, or declined by one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

from django.db import connection, transaction

from audit.events import RetentionEvent
from audit.models import Event
from audit.records import Subject
from audit.retention.errors import NothingToDispose, SecondPersonNeeded
from audit.retention.models import Disposal, DisposalApproval, DisposalItem, Purpose
from audit.retention.queries import Candidate, expired, get_disposal, payloads_about
from audit.retention.services.guards import records_refusal, require_companies, require_reason
from audit.retention.states import DISPOSAL_TRANSITIONS, DisposalState
from audit.services import chain_lock_key, record
from kernel.actors import Actor, ActorKind
from kernel.errors import FieldError, PermissionRefused, StateConflict, ValidationFailed
from kernel.ids import Prefix, encode, new_id
from kernel.queue import wake
from kernel.transitions import advance

SYSTEM = Actor.system("retention")
WAKE = "disposal_approved"
PEOPLE_NEEDED = 2
ITEMS_PER_INSERT = 2_000
# One list is read by two people, carried out in one run and told in one certificate.
ITEMS_MAX = 1_000_000


@records_refusal(RetentionEvent.REFUSED)
def list_expired(*, actor: Actor, now: datetime) -> Disposal:
    """Every payload past its retention that no hold keeps is on a list of its own, which waits for two people.

    Raises NothingToDispose, and StateConflict while another such list is open.
    """
    with transaction.atomic():
        open_list = Disposal.objects.filter(purpose=Purpose.EXPIRY, state__in=[DisposalState.LISTED, DisposalState.APPROVED]).first()
        if open_list is not None:
            raise StateConflict(detail=f"The list {open_list.public_id} is open: approve or decline it first.")
        rows = [candidate for candidate, is_held in expired(now) if not is_held][:ITEMS_MAX]
        if not rows:
            raise NothingToDispose(detail="No payload is past its retention, or holds keep all that are.")
        return _listed(Purpose.EXPIRY, rows, person="", reason="", actor=actor, now=now)


def list_due(*, now: datetime) -> Disposal | None:
    """Whatever is past its retention is on a list, made once a day (UTC) without anybody asking; it waits for two people like any other.

    Returns the list, or None where there is none to make: nothing is due, a list is open, or this day was looked at. Two callers at once
    make one list: the day is looked at under the lock of its own chain, and one event a day says what was found.
    """
    subject = Subject(kind="retention", id="expiry")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [chain_lock_key(subject.chain)])
        looked = Event.objects.filter(chain=subject.chain).order_by("-position").values_list("occurred_at", flat=True).first()
        if looked is not None and looked.astimezone(UTC).date() >= now.astimezone(UTC).date():
            return None
        is_open = Disposal.objects.filter(purpose=Purpose.EXPIRY, state__in=[DisposalState.LISTED, DisposalState.APPROVED]).exists()
        due = (candidate for candidate, is_held in expired(now) if not is_held)
        rows = [] if is_open else list(islice(due, ITEMS_MAX))
        made = _listed(Purpose.EXPIRY, rows, person="", reason="", actor=SYSTEM, now=now) if rows else None
        found = {"status": "listed" if made else "open" if is_open else "nothing", "listed": len(rows)}
        record(kind=RetentionEvent.LOOKED_FOR_EXPIRED, actor=SYSTEM, subject=subject, now=now, outcome=found)
    return made


@records_refusal(RetentionEvent.REFUSED)
def list_erasure(*, person: str, reason: str, actor: Actor, now: datetime) -> Disposal:
    """Everything readable about one person (by opaque id) is on a list: what is to be destroyed, and what is exempt and why.

    Raises ValidationFailed for an empty id or reason, and NothingToDispose when nothing readable is about the person.
    """
    key, text = person.strip(), require_reason(reason)
    if not key.isascii() or not key.isalnum():
        raise ValidationFailed(detail="Name the person by their number.", errors=(FieldError("/person", "Name the person."),))
    with transaction.atomic():
        rows = [candidate for candidate in payloads_about(key, now) if candidate.exempt != "shredded_before"]
        if not rows:
            raise NothingToDispose(detail=f"Nothing readable is recorded about person {key}.")
        return _listed(Purpose.ERASURE, rows, person=key, reason=text, actor=actor, now=now)


@records_refusal(RetentionEvent.REFUSED)
def approve(*, disposal_id: str, list_digest: str, companies: frozenset[str], actor: Actor, now: datetime) -> Disposal:
    """One more person has approved exactly this list; with the second one it is carried out.

    Raises SecondPersonNeeded for somebody who approved it before, StateConflict when it is not waiting or is another list,
    OutsideYourCompanies, and PermissionRefused for anybody but a person.
    """
    if actor.kind is not ActorKind.HUMAN:
        raise PermissionRefused(detail="Only people approve the destruction of evidence.")
    with transaction.atomic():
        disposal = Disposal.objects.select_for_update().get(pk=get_disposal(disposal_id).pk)
        if disposal.state != DisposalState.LISTED:
            raise StateConflict(
                detail=f"The list {disposal_id} is {disposal.get_state_display().lower()}.", data={"state": str(disposal.state)}
            )
        if list_digest != disposal.list_digest:
            raise StateConflict(detail="This is not the list that you were shown: open it again.")
        require_companies(disposal.companies, companies)
        before = set(disposal.approvals.values_list("person", flat=True))
        if actor.id in before:
            raise SecondPersonNeeded(detail="You have approved this list; another person has to do so as well.")
        DisposalApproval.objects.create(disposal=disposal, person=actor.id, list_digest=list_digest, approved_at=now)
        people = len(before) + 1
        if people >= PEOPLE_NEEDED:
            advance(disposal, DisposalState.APPROVED, transitions=DISPOSAL_TRANSITIONS)
        record(
            kind=RetentionEvent.APPROVED,
            actor=actor,
            subject=subject_of(disposal),
            now=now,
            outcome={"status": str(disposal.state), "people": people, "listed": disposal.listed, "list_digest": list_digest},
        )
        if disposal.state == DisposalState.APPROVED:
            wake(WAKE, disposal.public_id)
    return disposal


@records_refusal(RetentionEvent.REFUSED)
def decline(*, disposal_id: str, reason: str, companies: frozenset[str], actor: Actor, now: datetime) -> Disposal:
    """Nothing on the list is destroyed, and nobody can approve it any more; raises as `approve` does."""
    text = require_reason(reason)
    with transaction.atomic():
        disposal = Disposal.objects.select_for_update().get(pk=get_disposal(disposal_id).pk)
        if disposal.state != DisposalState.LISTED:
            raise StateConflict(
                detail=f"The list {disposal_id} is {disposal.get_state_display().lower()}.", data={"state": str(disposal.state)}
            )
        require_companies(disposal.companies, companies)
        advance(disposal, DisposalState.DECLINED, transitions=DISPOSAL_TRANSITIONS, declined_by=actor.id)
        record(
            kind=RetentionEvent.DECLINED,
            actor=actor,
            subject=subject_of(disposal),
            now=now,
            outcome={"status": "declined", "listed": disposal.listed},
            payload={"reason": text},
        )
    return disposal


def subject_of(disposal: Disposal) -> Subject:
    """Return what events about a list are about."""
    return Subject("disposal", disposal.public_id)


def digest_of_list(event_ids: Sequence[UUID]) -> str:
    """Return the digest that names a list: SHA-256 over the TypeIDs in order, a line each."""
    hasher = hashlib.sha256(b"countersign.disposal/1\0")
    for event_id in event_ids:
        hasher.update(encode(Prefix.EVENT, event_id).encode("ascii") + b"\n")
    return f"sha256:{hasher.hexdigest()}"


def _listed(purpose: Purpose, rows: Sequence[Candidate], *, person: str, reason: str, actor: Actor, now: datetime) -> Disposal:
    going = [row.event_id for row in rows if not row.exempt]
    disposal = Disposal.objects.create(
        purpose=purpose,
        person=person,
        reason=reason,
        prepared_by=actor.id,
        prepared_at=now,
        listed=len(going),
        exempt=len(rows) - len(going),
        list_digest=digest_of_list(going),
        companies=sorted({row.company for row in rows if row.company and not row.exempt}),
    )
    for start in range(0, len(rows), ITEMS_PER_INSERT):
        DisposalItem.objects.bulk_create(
            DisposalItem(id=new_id(), disposal=disposal, event_id=row.event_id, kept_until=row.kept_until, exempt=row.exempt)
            for row in rows[start : start + ITEMS_PER_INSERT]
        )
    record(
        kind=RetentionEvent.LISTED if purpose == Purpose.EXPIRY else RetentionEvent.ERASURE_LISTED,
        actor=actor,
        subject=subject_of(disposal),
        now=now,
        outcome={
            "status": "listed",
            "listed": disposal.listed,
            "exempt": disposal.exempt,
            "list_digest": disposal.list_digest,
            "person": person,
        },
        payload={"reason": reason} if reason else None,
    )
    return disposal
