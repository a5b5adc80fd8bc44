"""Changing a draft of the matrix: every change is one transaction, leaves one event, and makes its person an author of the version."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Max

from approvals.events import PolicyEvent
from approvals.gate import row_text
from approvals.matrix.flaws import TEXT_MAX
from approvals.matrix.models import PolicyEditor
from approvals.models import Policy, PolicyRow
from approvals.routing import step_rules
from approvals.services.matrix import RowDraft, lock_policy, public_id_of, refusals_recorded, row_errors, row_of, subject_of
from approvals.states import PolicyState
from audit.records import Subject
from audit.services import record
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.errors import FieldError, NotVisible, StateConflict, ValidationFailed

ROW_PURPOSE = "countersign.policy.row/1"
PRIORITY_STEP = 10
# Above every priority that a row may have in the end: rows wait here while others take their places.
ASIDE = 10**9
ROWS_MAX = 500


def start_draft(*, title: str, copy_of: Policy | None, user: User, actor: Actor, now: datetime) -> Policy:
    """Make the next version stand as a draft: empty, or with the rows of another version, each still its writer's.

    Raises PermissionRefused without policy:edit, ValidationFailed without a title.
    """
    with refusals_recorded(actor, Subject("policy", "new"), now):
        require_permission(user, Permission.POLICY_EDIT)
        _require_title(title)
        try:
            with transaction.atomic():
                latest = Policy.objects.aggregate(latest=Max("version"))["latest"] or 0
                policy = Policy.objects.create(version=latest + 1, title=title.strip(), author=user, created_at=now)
                PolicyEditor.objects.create(policy=policy, user=user, first_edited_at=now)
                rows = list(copy_of.rows.all()) if copy_of else []
                for row in rows:
                    row.pk, row.policy = None, policy
                PolicyRow.objects.bulk_create(rows)
                outcome = {"version": policy.version, "rows": len(rows)} | ({"copy_of": copy_of.version} if copy_of else {})
                record(kind=PolicyEvent.CREATED, actor=actor, subject=subject_of(policy), now=now, outcome=outcome)
        except IntegrityError as error:
            raise StateConflict(detail="Somebody else made this version of the policy just now; try again.") from error
    return policy


def rename(*, policy_id: uuid.UUID, title: str, user: User, actor: Actor, now: datetime) -> Policy:
    """Give the draft another title."""

    def change(policy: Policy) -> dict[str, object]:
        _require_title(title)
        Policy.objects.filter(pk=policy.pk).update(title=title.strip())
        return {"change": "renamed"}

    return _edit(policy_id, change, user=user, actor=actor, now=now)


def save_row(*, policy_id: uuid.UUID, row_id: int | None, draft: RowDraft, seen: str, user: User, actor: Actor, now: datetime) -> Policy:
    """Write one row of the draft, a new one when `row_id` is None; `seen` is `row_digest` of the row as its editor saw it.

    Raises ValidationFailed naming each field, NotVisible, StateConflict when somebody else changed the row meanwhile.
    """

    def change(policy: Policy) -> dict[str, object]:
        former = _same_row(policy, row_id, seen) if row_id is not None else None
        others = policy.rows.exclude(pk=former.pk) if former is not None else policy.rows.all()
        errors = [FieldError(item.path.removeprefix("/rows/0"), item.message, item.acceptable) for item in row_errors([draft])]
        if others.filter(priority=draft.priority).exists():
            errors.append(FieldError("/priority", f"{draft.priority} is taken by another row", "a number of its own"))
        if row_id is None and others.count() >= ROWS_MAX:
            errors.append(FieldError("/priority", f"a policy has up to {ROWS_MAX} rows", ""))
        if errors:
            raise ValidationFailed(detail=f"{errors[0].path}: {errors[0].message}.", errors=tuple(errors))
        if former is not None:
            former.delete()
        row_of(policy, draft, author=user).save(force_insert=True)
        return {"change": "row_changed" if row_id is not None else "row_added", "row": draft.priority}

    return _edit(policy_id, change, user=user, actor=actor, now=now)


def remove_row(*, policy_id: uuid.UUID, row_id: int, seen: str, user: User, actor: Actor, now: datetime) -> Policy:
    """Take one row out of the draft."""

    def change(policy: Policy) -> dict[str, object]:
        row = _same_row(policy, row_id, seen)
        row.delete()
        return {"change": "row_removed", "row": row.priority}

    return _edit(policy_id, change, user=user, actor=actor, now=now)


def move_row(*, policy_id: uuid.UUID, row_id: int, is_up: bool, user: User, actor: Actor, now: datetime) -> Policy:
    """Let a row of the draft change places with its neighbour; the first and the last stay where there is none."""

    def change(policy: Policy) -> dict[str, object]:
        rows = list(policy.rows.all())
        index = next((place for place, row in enumerate(rows) if row.pk == row_id), None)
        if index is None:
            raise NotVisible(detail="There is no such row in this draft.")
        other = index - 1 if is_up else index + 1
        if 0 <= other < len(rows):
            first, second = rows[index], rows[other]
            policy.rows.filter(pk=first.pk).update(priority=ASIDE)
            policy.rows.filter(pk=second.pk).update(priority=first.priority)
            policy.rows.filter(pk=first.pk).update(priority=second.priority)
        return {"change": "row_moved", "row": rows[index].priority}

    return _edit(policy_id, change, user=user, actor=actor, now=now)


def renumber(*, policy_id: uuid.UUID, user: User, actor: Actor, now: datetime) -> Policy:
    """Number the rows of the draft 10, 20, 30 in the order they have."""

    def change(policy: Policy) -> dict[str, object]:
        rows = list(policy.rows.all())
        policy.rows.update(priority=F("priority") + ASIDE)
        for place, row in enumerate(rows, start=1):
            policy.rows.filter(pk=row.pk).update(priority=place * PRIORITY_STEP)
        return {"change": "renumbered", "rows": len(rows)}

    return _edit(policy_id, change, user=user, actor=actor, now=now)


def replace_rows(*, policy_id: uuid.UUID, rows: Sequence[RowDraft], user: User, actor: Actor, now: datetime) -> Policy:
    """Make these the rows of the draft; a row that stays exactly as it was keeps its writer.

    Raises ValidationFailed with /rows/<number>/<field> for each flaw; nothing is changed then.
    """

    def change(policy: Policy) -> dict[str, object]:
        errors = row_errors(rows)
        if not rows or len(rows) > ROWS_MAX:
            errors.append(FieldError("/rows", f"{len(rows)} rows", f"1 to {ROWS_MAX} rows"))
        if errors:
            raise ValidationFailed(detail=f"{errors[0].path}: {errors[0].message}.", errors=tuple(errors))
        known = {canonical_bytes(_content(row)): row.author for row in policy.rows.select_related("author")}
        policy.rows.all().delete()
        fresh = [row_of(policy, draft, author=user) for draft in rows]
        for row in fresh:
            row.author = known.get(canonical_bytes(_content(row)), user)
        PolicyRow.objects.bulk_create(fresh)
        return {"change": "imported", "rows": len(fresh)}

    return _edit(policy_id, change, user=user, actor=actor, now=now)


def record_export(*, policy: Policy, actor: Actor, now: datetime) -> None:
    """Leave an event that the rows of a version were handed out as a file."""
    record(kind=PolicyEvent.EXPORTED, actor=actor, subject=subject_of(policy), now=now, outcome={"version": policy.version})


def draft_of(row: PolicyRow) -> RowDraft:
    """Return the row as its editor works on it."""
    values = {field.name: getattr(row, field.name) for field in fields(RowDraft)}
    values |= {"steps": tuple(step_rules(row)), "flags_required": tuple(row.flags_required), "flags_forbidden": tuple(row.flags_forbidden)}
    return RowDraft(**values)


def row_digest(row: PolicyRow) -> str:
    """Return what an editor's form carries of the row it was made for."""
    return digest_of_bytes(ROW_PURPOSE, canonical_bytes(row_text(row)))


def next_priority(policy: Policy) -> int:
    """Return the number of a row that comes after all others."""
    last = policy.rows.aggregate(last=Max("priority"))["last"] or 0
    return int(last) // PRIORITY_STEP * PRIORITY_STEP + PRIORITY_STEP


def _content(row: PolicyRow) -> dict[str, object]:
    return {name: value for name, value in row_text(row).items() if name != "author"}


def _same_row(policy: Policy, row_id: int, seen: str) -> PolicyRow:
    row = policy.rows.filter(pk=row_id).first()
    if row is None:
        raise StateConflict(detail="This row is no longer in the draft: somebody changed or removed it meanwhile. Look at the draft first.")
    if row_digest(row) != seen:
        raise StateConflict(detail="Somebody else changed this row since you opened it. Look at it again; nothing of yours was kept.")
    return row


def _require_title(title: str) -> None:
    if not title.strip() or len(title.strip()) > TEXT_MAX:
        raise ValidationFailed(
            detail="A version needs a title.", errors=(FieldError("/title", "empty or too long", f"1 to {TEXT_MAX} characters"),)
        )


def _edit(policy_id: uuid.UUID, change: Callable[[Policy], dict[str, object]], *, user: User, actor: Actor, now: datetime) -> Policy:
    """Make one change of a draft: locked, checked, recorded, and its person remembered as one of the authors."""
    with refusals_recorded(actor, Subject("policy", public_id_of(policy_id)), now):
        require_permission(user, Permission.POLICY_EDIT)
        with transaction.atomic():
            policy = lock_policy(policy_id)
            if policy.state != PolicyState.DRAFT:
                label = PolicyState(policy.state).label.lower()
                detail = f"Version {policy.version} is {label}: only a draft can be changed."
                raise StateConflict(detail=detail, data={"state": policy.state})
            outcome = change(policy)
            PolicyEditor.objects.get_or_create(policy=policy, user=user, defaults={"first_edited_at": now})
            record(
                kind=PolicyEvent.EDITED, actor=actor, subject=subject_of(policy), now=now, outcome={"version": policy.version, **outcome}
            )
    policy.refresh_from_db()
    return policy
