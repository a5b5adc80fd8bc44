"""The authority matrix as versions: written as a draft, reviewed, activated by a second person, retired by the next one."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Max

from approvals.errors import OwnPolicy, PolicyChanged, StepUpRequired
from approvals.events import PolicyEvent
from approvals.gate import row_text
from approvals.matrix.flaws import flaws
from approvals.matrix.models import PolicyEditor
from approvals.models import Policy, PolicyRow
from approvals.routing import StepRule
from approvals.services.step_up import require_factor
from approvals.states import POLICY_TRANSITIONS, PolicyState, RollingKey
from audit.finality import FINAL_WITH_SEAL
from audit.records import Subject
from audit.services import record, record_denial
from identity.models import ApprovalGroup
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.errors import DomainError, FieldError, NotVisible, StateConflict, ValidationFailed
from kernel.transitions import advance

POLICY_PURPOSE = "countersign.policy/1"


@dataclass(frozen=True, slots=True)
class RowDraft:
    """One line of the matrix as its author writes it; amounts in minor units, both ends of the band inclusive."""

    priority: int
    title: str
    tool: str
    currency: str
    steps: tuple[StepRule, ...] = ()
    company: str = ""
    cost_centre: str = ""
    from_minor: int = 0
    up_to_minor: int | None = None
    rolling_days: int = 0
    is_automatic: bool = False
    account: str = ""
    counterparty: str = ""
    flags_required: tuple[str, ...] = ()
    flags_forbidden: tuple[str, ...] = ()
    rolling_by: str = RollingKey.COUNTERPARTY.value
    bulk_up_to_minor: int | None = None
    step_up_from_minor: int | None = None
    vendor_class: str = ""


def create_policy(*, title: str, rows: Sequence[RowDraft], user: User, actor: Actor, now: datetime) -> Policy:
    """Make a draft with these rows the next version; nothing routes by it yet.

    Raises PermissionRefused without policy:edit, ValidationFailed naming each row that could not stand.
    """
    with refusals_recorded(actor, Subject("policy", "new"), now):
        require_permission(user, Permission.POLICY_EDIT)
        require_sound(title, rows)
        try:
            with transaction.atomic():
                latest = Policy.objects.aggregate(latest=Max("version"))["latest"] or 0
                policy = Policy.objects.create(version=latest + 1, title=title, author=user, created_at=now)
                PolicyEditor.objects.create(policy=policy, user=user, first_edited_at=now)
                PolicyRow.objects.bulk_create(row_of(policy, row, author=user) for row in rows)
                record(
                    kind=PolicyEvent.CREATED,
                    actor=actor,
                    subject=subject_of(policy),
                    now=now,
                    outcome={"version": policy.version, "rows": len(rows)},
                )
        except IntegrityError as error:
            raise StateConflict(detail="Somebody else made this version of the policy just now; try again.") from error
    return policy


def submit_policy(*, policy_id: uuid.UUID, user: User, actor: Actor, now: datetime) -> Policy:
    """Put the draft into review: its text is fixed as bytes, and its digest is what a second person will activate."""
    with refusals_recorded(actor, Subject("policy", public_id_of(policy_id)), now):
        require_permission(user, Permission.POLICY_EDIT)
        with transaction.atomic():
            policy = lock_policy(policy_id)
            if not policy.rows.exists():
                raise ValidationFailed(detail="A policy without rows would route nothing; add a row first.")
            text = policy_bytes(policy)
            advance(
                policy,
                PolicyState.REVIEW,
                transitions=POLICY_TRANSITIONS,
                text_bytes=text,
                digest=digest_of_bytes(POLICY_PURPOSE, text),
            )
            _record(PolicyEvent.SUBMITTED, policy, actor, now)
    return policy


def return_policy(*, policy_id: uuid.UUID, user: User, actor: Actor, now: datetime) -> Policy:
    """Make the policy in review a draft again, its text open for changes."""
    with refusals_recorded(actor, Subject("policy", public_id_of(policy_id)), now):
        require_permission(user, Permission.POLICY_EDIT)
        with transaction.atomic():
            policy = lock_policy(policy_id)
            advance(policy, PolicyState.DRAFT, transitions=POLICY_TRANSITIONS, text_bytes=b"", digest="")
            _record(PolicyEvent.RETURNED, policy, actor, now)
    return policy


def activate_policy(
    *, policy_id: uuid.UUID, user: User, actor: Actor, now: datetime, factors: Sequence[Mapping[str, object]] = ()
) -> Policy:
    """Make the reviewed policy route from now on and retire the former one; routes already given stay as they are.

    Raises PermissionRefused without policy:activate, OwnPolicy for its author, PolicyChanged when its rows are not the reviewed
    ones, StateConflict when it is not in review or another policy was activated at the same moment. Whoever comes through the
    console needs a strong second factor newer than their first press (`factors`): StepUpRequired. A command has no session.
    """
    with refusals_recorded(actor, Subject("policy", public_id_of(policy_id)), now):
        require_permission(user, Permission.POLICY_ACTIVATE)
        try:
            with transaction.atomic():
                policy = lock_policy(policy_id)
                if has_written(policy, user):
                    raise OwnPolicy(detail=own_policy_sentence(policy))
                if policy.state == PolicyState.REVIEW and bytes(policy.text_bytes) != policy_bytes(policy):
                    raise PolicyChanged(detail="The rows are not those that were submitted; return the policy and submit it again.")
                factor = _second_factor(policy, user, actor, factors, now)
                _retire_active(policy, actor, now)
                advance(policy, PolicyState.ACTIVE, transitions=POLICY_TRANSITIONS, activated_by=user, activated_at=now)
                _record(PolicyEvent.ACTIVATED, policy, actor, now, factor)
        except IntegrityError as error:
            raise StateConflict(detail="Another policy was activated at the same moment; look at it first.") from error
    return policy


def has_written(policy: Policy, user: User) -> bool:
    """Return whether the person is the author of this version or changed it while it was a draft."""
    return policy.author_id == user.pk or policy.editors.filter(user=user).exists()


def own_policy_sentence(policy: Policy) -> str:
    """Return why its author does not activate it: what the disabled button and the refusal both say."""
    return f"You wrote policy v{policy.version}, so another person activates it (SoD: policy_author)."


def lock_policy(policy_id: uuid.UUID) -> Policy:
    """Return the policy locked until the transaction ends; raises NotVisible."""
    policy = Policy.objects.select_for_update().filter(pk=policy_id).first()
    if policy is None:
        raise NotVisible(detail="There is no such policy.")
    return policy


def policy_bytes(policy: Policy) -> bytes:
    """Return the canonical text of a policy: version, title, author and every row by priority."""
    return canonical_bytes(
        {
            "schema": POLICY_PURPOSE,
            "version": policy.version,
            "title": policy.title,
            "author": str(policy.author_id),
            "rows": [row_text(row) for row in policy.rows.order_by("priority")],
        }
    )


def subject_of(policy: Policy) -> Subject:
    """Return the policy as the subject of an event."""
    return Subject(kind="policy", id=policy.public_id, revision=policy.version)


def _retire_active(successor: Policy, actor: Actor, now: datetime) -> None:
    former = Policy.objects.select_for_update().filter(state=PolicyState.ACTIVE).exclude(pk=successor.pk).first()
    if former is not None:
        advance(former, PolicyState.RETIRED, transitions=POLICY_TRANSITIONS, retired_at=now)
        _record(PolicyEvent.RETIRED, former, actor, now)


def _second_factor(
    policy: Policy, user: User, actor: Actor, factors: Sequence[Mapping[str, object]], now: datetime
) -> Mapping[str, object] | None:
    if policy.state != PolicyState.REVIEW or not actor.session or not settings.POLICY_STEP_UP:
        return None
    return require_factor(factors, user=user, purpose="policy", subject=policy.digest, shown_at=now, now=now).as_dict()


def _record(kind: PolicyEvent, policy: Policy, actor: Actor, now: datetime, factor: Mapping[str, object] | None = None) -> None:
    record(
        kind=kind,
        actor=actor,
        subject=subject_of(policy),
        now=now,
        outcome={
            "status": str(policy.state),
            "version": policy.version,
            "digest": policy.digest,
            **({"final": FINAL_WITH_SEAL} if kind == PolicyEvent.ACTIVATED else {}),
        },
        human={"second_factor": factor} if factor else None,
    )


@contextmanager
def refusals_recorded(actor: Actor, subject: Subject, now: datetime) -> Iterator[None]:
    """Record a refusal once, after its transaction has rolled back; asking for a second factor is none."""
    try:
        yield
    except StepUpRequired:
        raise
    except DomainError as error:
        record_denial(kind=PolicyEvent.REFUSED, actor=actor, subject=subject, now=now, error=error)
        raise


def public_id_of(policy_id: uuid.UUID) -> str:
    """Return the TypeID of the policy with this key."""
    return Policy(id=policy_id).public_id


def row_of(policy: Policy, row: RowDraft, *, author: User | None) -> PolicyRow:
    """Return the row as it is stored; not saved yet."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    values |= {"flags_required": list(row.flags_required), "flags_forbidden": list(row.flags_forbidden)}
    return PolicyRow(**{**values, "policy": policy, "author": author, "steps": [dict(step) for step in row.steps]})


def require_sound(title: str, rows: Sequence[RowDraft]) -> None:
    """Raise ValidationFailed naming each row and field that could not stand."""
    errors: list[FieldError] = []
    if not title.strip():
        errors.append(FieldError("/title", "empty", "what this version is about"))
    if not rows:
        errors.append(FieldError("/rows", "a policy without rows would route nothing", "at least one row"))
    errors += row_errors(rows)
    if errors:
        raise ValidationFailed(detail=f"{errors[0].path}: {errors[0].message}.", errors=tuple(errors))


def row_errors(rows: Sequence[RowDraft]) -> list[FieldError]:
    """Return what is wrong with the rows, each with its place: /rows/3/up_to_minor."""
    groups = set(ApprovalGroup.objects.values_list("code", flat=True))
    priorities = Counter(row.priority for row in rows)
    errors = []
    for index, row in enumerate(rows):
        if priorities[row.priority] > 1:
            errors.append(FieldError(f"/rows/{index}/priority", f"{row.priority} is used twice", "each priority once"))
        errors.extend(FieldError(f"/rows/{index}{path}", message, acceptable) for path, message, acceptable in flaws(row, groups))
    return errors
