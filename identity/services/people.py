"""People's rights: roles and approval groups, given by an administrator, never to oneself."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection, transaction

from audit.records import Subject
from audit.services import record
from identity.errors import DutiesConflict, LastAdministrator, OwnRights
from identity.events import IdentityEvent
from identity.models import ApprovalGroup, ApprovalGroupMember, Role, RoleAssignment
from identity.permissions import Permission, require_permission
from identity.queries import companies_as, person, roles_of
from identity.services.guards import (
    acting_person,
    created,
    field_error,
    records_refusal,
    remember_change,
    require_companies,
)
from kernel.actors import Actor
from kernel.errors import NotVisible, StateConflict
from kernel.money import CURRENCY_PATTERN, MINOR_LIMIT

CODE_PATTERN = re.compile(r"^[a-z][a-z0-9-]{0,49}$")
COMPANY_PATTERN = re.compile(r"^[A-Z0-9][A-Z0-9_-]{0,11}$")

# An audit ends; who goes on is appointed again.
AUDITOR_TERM_MAX = timedelta(days=731)
# Who gives rights may not use them to decide; who examines the gate has no part in it.
KEPT_APART = frozenset(
    {frozenset({Role.ADMINISTRATOR, Role.APPROVER})} | {frozenset({Role.AUDITOR, other}) for other in Role if other is not Role.AUDITOR}
)


def appoint_first_administrator(*, user_id: int, companies: list[str], now: datetime) -> RoleAssignment:
    """The installation has its first administrator, who gives everybody else their roles; refused once there is one."""
    with transaction.atomic():
        user = _somebody(user_id)
        # Two set-ups at once would find no administrator both; the lock makes the second one wait and see.
        _lock_administrators()
        if RoleAssignment.objects.filter(role=Role.ADMINISTRATOR).exists():
            raise StateConflict(detail="There is an administrator already; roles are theirs to give.")
        covered = _require_company_codes(companies)
        assignment = RoleAssignment(user=user, role=Role.ADMINISTRATOR, companies=covered, created_at=now)
        created(assignment, user=user, now=now)
        _open_admin_pages(user, is_open=True)
        record(
            kind=IdentityEvent.USER_ROLE_ASSIGNED,
            actor=Actor.system("set-up"),
            subject=Subject("user", str(user.pk)),
            now=now,
            outcome={"role": Role.ADMINISTRATOR.value, "companies": covered},
        )
        return assignment


@records_refusal(IdentityEvent.USER_REFUSED)
def assign_role(
    *, user_id: int, role: Role, companies: list[str], actor: Actor, now: datetime, expires_on: date | None = None
) -> RoleAssignment:
    """The person has the role in exactly these companies, an auditor until the last day said; what was assigned before is replaced."""
    with transaction.atomic():
        _require_end(role, expires_on, now)
        administrator, user = _administrator_and_somebody(user_id, actor)
        covered = require_companies(
            companies, companies_as(administrator, Role.ADMINISTRATOR), path="/companies", whose="the companies you administer"
        )
        for held in roles_of(user) - {role}:
            if frozenset({held, role}) in KEPT_APART:
                raise DutiesConflict(
                    detail=f"{Role(role).label} and {held.label} are never the same person.", data={"held": held.value, "asked": str(role)}
                )
        assignment = RoleAssignment.objects.select_for_update().filter(user=user, role=role).first()
        before: list[str] = []
        if assignment is None:
            assignment = RoleAssignment(user=user, role=role, companies=covered, expires_on=expires_on, created_at=now)
            created(assignment, user=administrator, now=now)
        else:
            before = assignment.companies
            RoleAssignment.objects.filter(pk=assignment.pk).update(companies=covered, expires_on=expires_on)
            assignment.companies, assignment.expires_on = covered, expires_on
            remember_change([assignment], user=administrator, now=now)
        if role == Role.ADMINISTRATOR:
            _open_admin_pages(user, is_open=True)
        record(
            kind=IdentityEvent.USER_ROLE_ASSIGNED,
            actor=actor,
            subject=Subject("user", str(user.pk)),
            now=now,
            outcome={
                "role": str(role),
                "companies": covered,
                "before": before,
                **({"expires_on": expires_on.isoformat()} if expires_on else {}),
            },
        )
        return assignment


def _require_end(role: Role, expires_on: date | None, now: datetime) -> None:
    """Refuse an end that is over or too far, and an end for anybody but an auditor."""
    if expires_on is None:
        return
    if role != Role.AUDITOR:
        raise field_error("/expires_on", "Only an auditor's role ends by itself.", "nothing, for this role")
    today = now.astimezone(UTC).date()
    last = today + AUDITOR_TERM_MAX
    if not today <= expires_on <= last:
        raise field_error("/expires_on", f"{expires_on} is over or too far.", f"a day from {today} to {last}")


@records_refusal(IdentityEvent.USER_REFUSED)
def revoke_role(*, user_id: int, role: Role, actor: Actor, now: datetime) -> None:
    """The person no longer has the role; its history stays."""
    with transaction.atomic():
        administrator, user = _administrator_and_somebody(user_id, actor)
        _lock_administrators()
        assignment = RoleAssignment.objects.filter(user=user, role=role).first()
        if assignment is None:
            raise StateConflict(detail=f"{user} is no {Role(role).label.lower()}.", data={"role": str(role)})
        is_last = not RoleAssignment.objects.filter(role=role, user__is_active=True).exclude(user=user).exists()
        if role == Role.ADMINISTRATOR and is_last:
            raise LastAdministrator(detail="Appoint another administrator first.")
        covered = assignment.companies
        _removed(assignment, user=administrator, now=now)
        if role == Role.ADMINISTRATOR:
            _open_admin_pages(user, is_open=False)
        record(
            kind=IdentityEvent.USER_ROLE_REVOKED,
            actor=actor,
            subject=Subject("user", str(user.pk)),
            now=now,
            outcome={"role": str(role), "companies": covered},
        )


@records_refusal(IdentityEvent.USER_REFUSED)
def create_group(*, code: str, title: str, actor: Actor, now: datetime) -> ApprovalGroup:
    """The approval group exists, without members."""
    with transaction.atomic():
        require_permission(acting_person(actor), Permission.USER_MANAGE)
        if not CODE_PATTERN.match(code) or ApprovalGroup.objects.filter(code=code).exists():
            raise field_error(
                "/code", f"{code[:50]!r} is not a code, or is taken.", "an unused code of lower-case letters, digits and dashes"
            )
        group = ApprovalGroup.objects.create(code=code, title=title.strip() or code)
        record(kind=IdentityEvent.USER_GROUP_CREATED, actor=actor, subject=Subject("group", code), now=now, outcome={"group": code})
        return group


@records_refusal(IdentityEvent.USER_REFUSED)
def add_group_member(
    *,
    group_code: str,
    user_id: int,
    companies: list[str],
    actor: Actor,
    now: datetime,
    limit_minor: int | None = None,
    limit_currency: str = "",
) -> ApprovalGroupMember:
    """The approver may decide where the group is asked, in these companies, up to the limit (no limit when left out)."""
    with transaction.atomic():
        administrator, user = _administrator_and_somebody(user_id, actor)
        group = _group(group_code)
        if Role.APPROVER not in roles_of(user):
            raise field_error("/user", f"{user} is no approver.", "a person with the role approver")
        covered = require_companies(
            companies, companies_as(user, Role.APPROVER), path="/companies", whose="the companies this person approves in"
        )
        has_limit = limit_minor is not None
        if has_limit != bool(limit_currency) or (limit_minor is not None and not 0 <= limit_minor < MINOR_LIMIT):
            raise field_error("/limit_minor", "A limit is an amount with its currency.", "both, or neither for no limit")
        if limit_currency and not CURRENCY_PATTERN.match(limit_currency):
            raise field_error("/limit_currency", f"{limit_currency[:8]!r} is not a currency.", "an ISO 4217 code such as EUR")
        if ApprovalGroupMember.objects.filter(group=group, user=user).exists():
            raise StateConflict(detail=f"{user} is in {group.title} already.")
        member = ApprovalGroupMember(group=group, user=user, companies=covered, limit_minor=limit_minor, limit_currency=limit_currency)
        created(member, user=administrator, now=now)
        record(
            kind=IdentityEvent.USER_GROUP_JOINED,
            actor=actor,
            subject=Subject("user", str(user.pk)),
            now=now,
            outcome={"group": group.code, "companies": covered, "limit_minor": limit_minor, "limit_currency": limit_currency},
        )
        return member


@records_refusal(IdentityEvent.USER_REFUSED)
def remove_group_member(*, group_code: str, user_id: int, actor: Actor, now: datetime) -> None:
    """The person no longer decides where the group is asked; decisions already made stay."""
    with transaction.atomic():
        administrator, user = _administrator_and_somebody(user_id, actor)
        member = ApprovalGroupMember.objects.filter(group=_group(group_code), user=user).first()
        if member is None:
            raise StateConflict(detail=f"{user} is not in {group_code}.")
        _removed(member, user=administrator, now=now)
        record(
            kind=IdentityEvent.USER_GROUP_LEFT,
            actor=actor,
            subject=Subject("user", str(user.pk)),
            now=now,
            outcome={"group": group_code},
        )


@records_refusal(IdentityEvent.USER_REFUSED)
def record_account_change(*, user_id: int, is_new: bool, fields: list[str], actor: Actor, now: datetime) -> None:
    """The log says that an administrator made or changed this account, and which of its fields; called by the admin pages."""
    with transaction.atomic():
        require_permission(acting_person(actor), Permission.USER_MANAGE)
        record(
            kind=IdentityEvent.USER_CREATED if is_new else IdentityEvent.USER_CHANGED,
            actor=actor,
            subject=Subject("user", str(user_id)),
            now=now,
            outcome={"fields": sorted(fields)},
        )


def _administrator_and_somebody(user_id: int, actor: Actor) -> tuple[User, User]:
    administrator = acting_person(actor)
    require_permission(administrator, Permission.USER_MANAGE)
    user = _somebody(user_id)
    if user.pk == administrator.pk:
        raise OwnRights(detail="Another administrator gives and takes your rights.")
    return administrator, user


def _somebody(user_id: int) -> User:
    user = person(user_id)
    if user is None:
        raise NotVisible(detail="There is no such person with an active account.")
    return user


def _group(code: str) -> ApprovalGroup:
    group = ApprovalGroup.objects.filter(code=code).first()
    if group is None:
        raise NotVisible(detail="There is no such approval group.")
    return group


def _require_company_codes(companies: list[str]) -> list[str]:
    if not companies or not all(COMPANY_PATTERN.match(company) for company in companies):
        raise field_error("/companies", "At least one company code is needed.", "codes such as DE01")
    return sorted(set(companies))


def _removed(row: RoleAssignment | ApprovalGroupMember, *, user: User, now: datetime) -> None:
    row._history_user, row._history_date = user, now  # type: ignore[union-attr]  # noqa: SLF001  simple-history's way in
    row.delete()


def _open_admin_pages(user: User, *, is_open: bool) -> None:
    """Django's admin pages ask for `is_staff` at their door; it follows the role administrator."""
    user.is_staff = is_open
    User.objects.filter(pk=user.pk).update(is_staff=is_open)


def _lock_administrators() -> None:
    """Let one count of administrators happen at a time, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('identity.administrators', 0))")
