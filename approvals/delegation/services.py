"""Delegating, and ending a delegation early: one function per mutation."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import transaction

from approvals.delegation.events import DelegationEvent
from approvals.delegation.models import LENGTH_MAX, Delegation
from approvals.queries.authority import deciding_companies
from approvals.refusals import refusals_recorded
from audit.records import Subject
from audit.services import record
from gateway.catalogue import write_tools
from identity.permissions import Permission, require_permission
from identity.queries import memberships_of
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import FieldError, NotVisible, StateConflict, ValidationFailed
from kernel.ids import Prefix, encode, new_id
from kernel.money import Money
from kernel.queue import wake

NOTE_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Scope:
    """What is delegated: companies, groups and tools (empty: all that the delegator has), and up to which amount (None: their limit)."""

    companies: Sequence[str]
    groups: Sequence[str] = ()
    tools: Sequence[str] = ()
    limit: Money | None = None


def delegate(
    *,
    user: User,
    to_user_id: int,
    scope: Scope,
    starts_at: datetime,
    ends_at: datetime,
    actor: Actor,
    now: datetime,
    note: str = "",
) -> Delegation:
    """From `starts_at` to `ends_at` the other person may decide what the user could decide, within the scope; pending things included.

    Nothing is handed on that was delegated to the user: a delegation gives no membership, so there are no chains.
    Raises PermissionRefused for somebody who decides on nothing, ValidationFailed naming each field that could not stand.
    """
    key = new_id()
    with refusals_recorded(DelegationEvent.REFUSED, actor=actor, subject=_subject(key), now=now):
        require_permission(user, Permission.PROPOSAL_DECIDE)
        target = get_user_model().objects.filter(pk=to_user_id, is_active=True).first()
        flaws = [*_flaws_of_scope(user, scope), *_flaws_of_person(user, target, scope), *_flaws_of_dates(starts_at, ends_at, now)]
        if len(note) > NOTE_LENGTH_MAX:
            flaws.append(FieldError("/note", f"{len(note)} characters", f"up to {NOTE_LENGTH_MAX} characters"))
        if flaws or target is None:
            raise ValidationFailed(detail=f"{flaws[0].message}.", errors=tuple(flaws))
        with transaction.atomic():
            made = Delegation.objects.create(
                id=key,
                delegator=user,
                delegate=target,
                companies=sorted(set(scope.companies)),
                groups=sorted(set(scope.groups)),
                tools=sorted(set(scope.tools)),
                limit_minor=scope.limit.minor if scope.limit else None,
                limit_currency=scope.limit.currency if scope.limit else "",
                starts_at=max(starts_at, now),
                ends_at=ends_at,
                note=note.strip(),
                created_at=now,
            )
            _record(DelegationEvent.MADE, made, actor, now)
            wake("turn")
    return made


def end_delegation(*, user: User, delegation_id: uuid.UUID, actor: Actor, now: datetime) -> Delegation:
    """The delegation is over: what still waits is the delegator's again; decisions made by it stand.

    Delegator and delegate may both end it. Raises NotVisible for anybody else, StateConflict when it is over already.
    """
    with refusals_recorded(DelegationEvent.REFUSED, actor=actor, subject=_subject(delegation_id), now=now), transaction.atomic():
        found = Delegation.objects.select_for_update().filter(pk=delegation_id).first()
        if found is None or user.pk not in {found.delegator_id, found.delegate_id}:
            raise NotVisible(detail="There is no such delegation of yours.")
        if found.ended_at is not None or found.ends_at <= now:
            raise StateConflict(detail="This delegation is over already.")
        Delegation.objects.filter(pk=found.pk).update(ended_at=now, ended_by=user)
        found.ended_at, found.ended_by = now, user
        _record(DelegationEvent.ENDED, found, actor, now)
        wake("turn")
    return found


def _flaws_of_scope(user: User, scope: Scope) -> list[FieldError]:
    flaws = []
    own = deciding_companies(user)
    memberships = list(memberships_of(user))
    groups = {item.group.code for item in memberships if own.intersection(item.companies)}
    if not scope.companies or not set(scope.companies) <= own:
        flaws.append(FieldError("/companies", "these are not companies in which you decide", ", ".join(sorted(own)) or "none"))
    if not groups:
        flaws.append(FieldError("/groups", "you are in no group, so there is nothing to delegate", "an approval group of yours"))
    if not set(scope.groups) <= groups:
        flaws.append(FieldError("/groups", "these are not groups of yours", ", ".join(sorted(groups))))
    tools = {tool.name for tool in write_tools()}
    if not set(scope.tools) <= tools:
        flaws.append(FieldError("/tools", "these are not writes of the catalogue", ", ".join(sorted(tools))))
    if scope.limit is not None and scope.limit.minor < 0:
        flaws.append(FieldError("/limit", "the amount is negative", "an amount from 0"))
    return flaws


def _flaws_of_person(user: User, target: User | None, scope: Scope) -> list[FieldError]:
    if target is None or target == user:
        return [FieldError("/to", "choose another person", "an approver of the same companies")]
    missing = sorted(set(scope.companies) - deciding_companies(target))
    if missing:
        name = target.get_full_name() or target.get_username()
        return [FieldError("/to", f"{name} is no approver in {', '.join(missing)}", "an approver of all these companies")]
    return []


def _flaws_of_dates(starts_at: datetime, ends_at: datetime, now: datetime) -> list[FieldError]:
    begins = max(starts_at, now)
    if ends_at <= begins:
        return [FieldError("/ends_at", "the end lies before the beginning, or in the past", f"after {wire_time(begins)}")]
    if ends_at - begins > LENGTH_MAX:
        return [FieldError("/ends_at", f"more than {LENGTH_MAX.days} days", f"up to {wire_time(begins + LENGTH_MAX)}")]
    return []


def _subject(key: uuid.UUID) -> Subject:
    return Subject(kind="delegation", id=encode(Prefix.DELEGATION, key))


def _record(kind: DelegationEvent, made: Delegation, actor: Actor, now: datetime) -> None:
    record(
        kind=kind,
        actor=actor,
        subject=_subject(made.pk),
        now=now,
        outcome={
            "delegator": str(made.delegator_id),
            "delegate": str(made.delegate_id),
            "companies": made.companies,
            "groups": made.groups,
            "tools": made.tools,
            "limit_minor": made.limit_minor,
            "limit_currency": made.limit_currency,
            "starts_at": wire_time(made.starts_at),
            "ends_at": wire_time(made.ended_at or made.ends_at),
        },
        payload={"note": made.note} if made.note else None,
    )
