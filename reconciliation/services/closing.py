"""Closing a break without an entry: explained or written off, by one person up to a limit, by two above it."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from approvals.models import Exclusion
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.errors import StateConflict
from kernel.transitions import advance
from reconciliation.errors import ReasonMissing, SecondPersonExcluded, SecondPersonNeeded
from reconciliation.events import ReconciliationEvent
from reconciliation.models import Break
from reconciliation.queries import get_break_for, lock_break
from reconciliation.services.breaks import NOT_CLOSED
from reconciliation.services.subjects import subject_of_break
from reconciliation.states import BREAK_TRANSITIONS, BreakState

CLOSED = {
    BreakState.EXPLAINED: ReconciliationEvent.BREAK_EXPLAINED,
    BreakState.WRITTEN_OFF: ReconciliationEvent.BREAK_WRITTEN_OFF,
}


def explain_break(*, break_id: str, user: User, actor: Actor, now: datetime, explanation: str) -> Break:
    """The break is explained, a difference that is right and stays; above the limit it waits for a second person.

    Raises PermissionRefused, NotVisible, ReasonMissing, StateConflict.
    """
    return _close(break_id, BreakState.EXPLAINED, user=user, actor=actor, now=now, reason=explanation)


def write_off(*, break_id: str, user: User, actor: Actor, now: datetime, reason: str) -> Break:
    """The break is written off, a difference that is wrong and accepted; above the limit it waits for a second person.

    Raises as `explain_break` does.
    """
    return _close(break_id, BreakState.WRITTEN_OFF, user=user, actor=actor, now=now, reason=reason)


def second(*, break_id: str, user: User, actor: Actor, now: datetime) -> Break:
    """A second person agreed, and the break is closed as the first one wanted.

    Raises PermissionRefused, NotVisible, StateConflict when it does not wait for anybody, SecondPersonNeeded for the first person, and
    SecondPersonExcluded for one who may not decide on the proposal either.
    """
    require_permission(user, Permission.RECONCILIATION_RESOLVE)
    key = get_break_for(user, break_id, Permission.RECONCILIATION_RESOLVE).pk
    with transaction.atomic():
        locked = lock_break(key)
        _require_waiting(locked)
        require_other(locked, user)
        to = BreakState(locked.closing_as)
        advance(locked, to, transitions=BREAK_TRANSITIONS, closing_as="", seconded_by=user, closed_at=now)
        _record(CLOSED[to], locked, actor=actor, now=now, payload={"reason": locked.explanation}, first=locked.handled_by_id)
    return locked


def decline_closing(*, break_id: str, user: User, actor: Actor, now: datetime, reason: str) -> Break:
    """The break is open again: a second person does not agree, or the first one thought better of it.

    Raises PermissionRefused, NotVisible, ReasonMissing, StateConflict.
    """
    require_permission(user, Permission.RECONCILIATION_RESOLVE)
    key = get_break_for(user, break_id, Permission.RECONCILIATION_RESOLVE).pk
    if not reason.strip():
        raise ReasonMissing(detail="Say in a sentence why it cannot be closed like this; it becomes part of the evidence.")
    with transaction.atomic():
        locked = lock_break(key)
        _require_waiting(locked)
        advance(locked, BreakState.OPEN, transitions=BREAK_TRANSITIONS, explanation="", handled_by=None, **NOT_CLOSED)
        _record(ReconciliationEvent.BREAK_DECLINED, locked, actor=actor, now=now, payload={"reason": reason})
    return locked


def require_other(found: Break, user: User) -> None:
    """Raise unless this person may agree to what another one wants closed."""
    if found.handled_by_id == user.pk:
        raise SecondPersonNeeded(detail="You want it closed yourself: somebody else has to agree.")
    reasons = sorted(set(Exclusion.objects.filter(route=found.proposal_id, user=user).values_list("reason", flat=True)))
    if reasons:
        raise SecondPersonExcluded(
            detail=f"You may not decide on its proposal ({', '.join(reasons)}), so you cannot agree to closing its break either.",
            data={"reasons": reasons},
        )


def limit_minor(currency: str) -> int:
    """Return up to which amount one person may close a break; zero where no limit is set."""
    limits: dict[str, int] = settings.WRITE_OFF_LIMITS_MINOR
    return limits.get(currency, 0)


def needs_second(found: Break) -> bool:
    """Return whether closing this break takes two people."""
    return found.amount_minor > limit_minor(found.currency)


def _close(break_id: str, to: BreakState, *, user: User, actor: Actor, now: datetime, reason: str) -> Break:
    require_permission(user, Permission.RECONCILIATION_RESOLVE)
    key = get_break_for(user, break_id, Permission.RECONCILIATION_RESOLVE).pk
    if not reason.strip():
        raise ReasonMissing(detail="Say in a sentence why this difference may stay; it becomes part of the evidence.")
    with transaction.atomic():
        locked = lock_break(key)
        if locked.state != BreakState.OPEN:
            raise StateConflict(detail=f"{break_id} is {locked.get_state_display().lower()}.", data={"state": str(locked.state)})
        values = {"explanation": reason, "handled_by": user, "limit_minor": limit_minor(locked.currency)}
        payload: dict[str, object] = {"reason": reason}
        if needs_second(locked):
            advance(locked, BreakState.CLOSING, transitions=BREAK_TRANSITIONS, closing_as=to, **values)
            _record(ReconciliationEvent.BREAK_CLOSING, locked, actor=actor, now=now, payload=payload)
        else:
            advance(locked, to, transitions=BREAK_TRANSITIONS, closed_at=now, **values)
            _record(CLOSED[to], locked, actor=actor, now=now, payload=payload)
    return locked


def _require_waiting(found: Break) -> None:
    if found.state != BreakState.CLOSING:
        raise StateConflict(
            detail=f"{found.public_id} is {found.get_state_display().lower()}: there is nothing to agree to.",
            data={"state": str(found.state)},
        )


def _record(
    kind: ReconciliationEvent, found: Break, *, actor: Actor, now: datetime, payload: dict[str, object], first: int | None = None
) -> None:
    outcome: dict[str, object] = {"status": str(found.state), "break_kind": str(found.kind), "document": found.document}
    if found.closing_as:
        outcome["closing_as"] = found.closing_as
    if found.limit_minor is not None:
        outcome |= {"amount_minor": str(found.amount_minor), "limit_minor": str(found.limit_minor), "currency": found.currency}
    if first is not None:
        outcome["first_person"] = str(Actor.human(first).id)
    audit.services.record(kind=kind, actor=actor, subject=subject_of_break(found), now=now, outcome=outcome, payload=payload)
