"""Whose work a break is: one person takes it, and may give it back."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.errors import StateConflict
from reconciliation.events import ReconciliationEvent
from reconciliation.models import Break
from reconciliation.queries import get_break_for, lock_break
from reconciliation.services.subjects import subject_of_break
from reconciliation.states import UNRESOLVED


def take_break(*, break_id: str, user: User, actor: Actor, now: datetime) -> Break:
    """The break is this person's work; whoever had it before no longer has it. Taking it twice changes nothing.

    Raises PermissionRefused, NotVisible, and StateConflict for a break that asks for no work any more.
    """
    return _assigned(break_id, user, user=user, actor=actor, now=now)


def release_break(*, break_id: str, user: User, actor: Actor, now: datetime) -> Break:
    """The break is nobody's work; raises as `take_break` does."""
    return _assigned(break_id, None, user=user, actor=actor, now=now)


def _assigned(break_id: str, owner: User | None, *, user: User, actor: Actor, now: datetime) -> Break:
    require_permission(user, Permission.RECONCILIATION_RESOLVE)
    key = get_break_for(user, break_id, Permission.RECONCILIATION_RESOLVE).pk
    with transaction.atomic():
        locked = lock_break(key)
        if locked.state not in UNRESOLVED:
            raise StateConflict(detail=f"{break_id} is {locked.get_state_display().lower()}.", data={"state": str(locked.state)})
        if locked.owner == owner:
            return locked
        locked.owner = owner
        locked.save(update_fields=["owner"])
        audit.services.record(
            kind=ReconciliationEvent.BREAK_ASSIGNED,
            actor=actor,
            subject=subject_of_break(locked),
            now=now,
            outcome={"status": str(locked.state), "owner": str(Actor.human(owner.pk).id) if owner else ""},
        )
    return locked
