"""Claiming, forwarding, returning, snoozing, looking: one function per mutation.

A claim says who takes care; it gives nobody a right and takes none away. So whoever goes on holiday with a claim blocks nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from approvals.errors import refusal_of
from approvals.models import RouteStep
from approvals.queries.authority import standing_of
from approvals.refusals import refusals_recorded, subject_of_sent
from approvals.work.errors import AlreadyClaimed, NotClaimed
from approvals.work.events import WorkEvent
from approvals.work.models import Claim, Looking, Snooze
from approvals.work.states import ClaimEnd
from audit.services import record
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import FieldError, StateConflict, ValidationFailed
from kernel.queue import wake
from kernel.verdicts import Denied
from proposals.models import Proposal
from proposals.queries import get_proposal_for_person, lock_proposal
from proposals.states import ProposalState
from proposals.subjects import subject_of

NOTE_LENGTH_MAX = 500
# How far apart two signs of the same person on the same page are written down.
LOOKING_STEP = timedelta(seconds=15)
LOOKING_KEPT = timedelta(days=1)
LOOKS = """
INSERT INTO approvals_looking AS looking (proposal_id, user_id, seen_at) VALUES (%s, %s, %s)
ON CONFLICT (proposal_id, user_id) DO UPDATE SET seen_at = excluded.seen_at WHERE looking.seen_at < %s
"""


def claim(*, user: User, proposal_id: str, actor: Actor, now: datetime) -> Claim:
    """The person takes care of the open step; others still see it, under My group.

    Raises NotVisible, what `approvals.policies.may_decide` denies, and AlreadyClaimed when every place is taken.
    """
    with refusals_recorded(WorkEvent.REFUSED, actor=actor, subject=subject_of_sent(proposal_id), now=now):
        key = get_proposal_for_person(user, proposal_id).pk
        with transaction.atomic():
            proposal = lock_proposal(key)
            step = _step_for(user, proposal, now)
            made = _take(step, user=user, given_by=user, note="", now=now)
            _record(WorkEvent.CLAIMED, proposal, step, actor=actor, now=now)
    return made


def forward(*, user: User, proposal_id: str, to_user_id: int, actor: Actor, now: datetime, note: str = "") -> Claim:
    """Another person, who may decide now, takes care of the step; what the forwarding person had claimed ends.

    Raises NotVisible, ValidationFailed for somebody who may not decide (with the reason) or for oneself, what `may_decide` denies
    the forwarding person, and AlreadyClaimed when every place is taken by others.
    """
    with refusals_recorded(WorkEvent.REFUSED, actor=actor, subject=subject_of_sent(proposal_id), now=now):
        key = get_proposal_for_person(user, proposal_id).pk
        with transaction.atomic():
            proposal = lock_proposal(key)
            step = _step_for(user, proposal, now)
            target = _target(user, proposal, to_user_id, now)
            _end(step, user, ClaimEnd.FORWARDED, now)
            made = _take(step, user=target, given_by=user, note=_checked_note(note), now=now)
            _record(WorkEvent.FORWARDED, proposal, step, actor=actor, now=now, to=str(target.pk), note=made.note)
            wake("turn")
    return made


def return_to_group(*, user: User, proposal_id: str, actor: Actor, now: datetime) -> None:
    """The person no longer takes care of the step: everybody of the group has it under Mine now again.

    Raises NotVisible and NotClaimed. Nobody needs a right for this: giving something back is always allowed.
    """
    with refusals_recorded(WorkEvent.REFUSED, actor=actor, subject=subject_of_sent(proposal_id), now=now):
        key = get_proposal_for_person(user, proposal_id).pk
        with transaction.atomic():
            proposal = lock_proposal(key)
            step = RouteStep.objects.filter(route_id=proposal.pk, state="open").first()
            if step is None or not _end(step, user, ClaimEnd.RETURNED, now):
                raise NotClaimed(detail="You have not claimed this proposal, so there is nothing to return.")
            _record(WorkEvent.RETURNED, proposal, step, actor=actor, now=now)


def snooze(*, user: User, proposal_id: str, until: datetime, actor: Actor, now: datetime) -> Snooze:
    """The proposal is not under the person's Mine now until then; it is due when it was due.

    Raises NotVisible, what `may_decide` denies, ValidationFailed unless `until` lies ahead and before the proposal expires.
    """
    with refusals_recorded(WorkEvent.REFUSED, actor=actor, subject=subject_of_sent(proposal_id), now=now):
        key = get_proposal_for_person(user, proposal_id).pk
        with transaction.atomic():
            proposal = lock_proposal(key)
            step = _step_for(user, proposal, now)
            if not now < until < proposal.expires_at:
                acceptable = f"after now and before {wire_time(proposal.expires_at)}, when it expires"
                raise ValidationFailed(
                    detail="Choose a time ahead, before the proposal expires.", errors=(FieldError("/until", wire_time(until), acceptable),)
                )
            made, _ = Snooze.objects.update_or_create(proposal=proposal, user=user, defaults={"until": until, "snoozed_at": now})
            _record(WorkEvent.SNOOZED, proposal, step, actor=actor, now=now, until=wire_time(until))
    return made


def wake_up(*, user: User, proposal_id: str, actor: Actor, now: datetime) -> None:
    """The proposal is back under Mine now; raises NotVisible, and StateConflict when it was not snoozed."""
    with refusals_recorded(WorkEvent.REFUSED, actor=actor, subject=subject_of_sent(proposal_id), now=now):
        key = get_proposal_for_person(user, proposal_id).pk
        with transaction.atomic():
            proposal = lock_proposal(key)
            deleted, _ = Snooze.objects.filter(proposal=proposal, user=user).delete()
            if not deleted:
                raise StateConflict(detail="You have not snoozed this proposal.")
            _record(WorkEvent.WOKEN, proposal, None, actor=actor, now=now)


def note_looking(*, user: User, proposal: Proposal, now: datetime) -> None:
    """The person is known to have the proposal on screen; nothing to prove, so no event, and at most one write in fifteen seconds."""
    if proposal.state != ProposalState.PENDING:
        return
    with connection.cursor() as cursor:
        cursor.execute(LOOKS, [proposal.pk, user.pk, now, now - LOOKING_STEP])


def forget_looking(*, now: datetime) -> int:
    """Who looked yesterday is forgotten; returns how many signs there were."""
    deleted, _ = Looking.objects.filter(seen_at__lt=now - LOOKING_KEPT).delete()
    return deleted


def _step_for(user: User, proposal: Proposal, now: datetime) -> RouteStep:
    """Return the open step that this person may decide on now; raises what `may_decide` denies."""
    standing = standing_of(user, proposal, now)
    if isinstance(standing.verdict, Denied):
        raise refusal_of(standing.verdict)
    assert standing.step is not None
    return standing.step


def _target(user: User, proposal: Proposal, to_user_id: int, now: datetime) -> User:
    target = get_user_model().objects.filter(pk=to_user_id, is_active=True).first()
    if target is None or target == user:
        raise ValidationFailed(
            detail="Choose another person of the group.", errors=(FieldError("/to", str(to_user_id), "another person who may decide"),)
        )
    verdict = standing_of(target, proposal, now).verdict
    if isinstance(verdict, Denied):
        # The verdict speaks to the person themselves, and of their limits; whoever forwards only learns that it is so.
        message = f"{target.get_full_name() or target.get_username()} may not decide on this proposal ({verdict.code})."
        raise ValidationFailed(detail=message, errors=(FieldError("/to", message, "another person who may decide"),))
    return target


def _take(step: RouteStep, *, user: User, given_by: User, note: str, now: datetime) -> Claim:
    live = {item.place: item.user_id for item in Claim.objects.filter(step=step, ended_at__isnull=True)}
    if user.pk in live.values():
        whose = "You take" if user == given_by else f"{user.get_full_name() or user.get_username()} takes"
        raise AlreadyClaimed(detail=f"{whose} care of this proposal already.")
    free = next((place for place in range(1, step.min_approvals + 1) if place not in live), None)
    if free is None:
        raise AlreadyClaimed(detail="As many people as this step needs take care of it already; one of them returns or forwards it.")
    try:
        with transaction.atomic():
            return Claim.objects.create(step=step, place=free, user=user, given_by=given_by, note=note, claimed_at=now)
    except IntegrityError as error:
        raise AlreadyClaimed(detail="Somebody claimed this proposal at the same moment.") from error


def _end(step: RouteStep, user: User, because: ClaimEnd, now: datetime) -> bool:
    return Claim.objects.filter(step=step, user=user, ended_at__isnull=True).update(ended_at=now, ended_because=because) == 1


def _checked_note(note: str) -> str:
    text = note.strip()
    if len(text) > NOTE_LENGTH_MAX:
        found = f"{len(text)} characters"
        raise ValidationFailed(detail="The note is too long.", errors=(FieldError("/note", found, f"up to {NOTE_LENGTH_MAX} characters"),))
    return text


def _record(
    kind: WorkEvent, proposal: Proposal, step: RouteStep | None, *, actor: Actor, now: datetime, note: str = "", **facts: str
) -> None:
    human: dict[str, object] = {"step": step.position} if step else {}
    record(
        kind=kind,
        actor=actor,
        subject=subject_of(proposal),
        now=now,
        human={**human, **facts} or None,
        payload={"note": note} if note else None,
    )
