"""Thresholds: proposed by one controller with a reason, in force when another one activates them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction

import audit.services
from approvals.events import ThresholdEvent
from approvals.flags.errors import OwnThresholds
from approvals.flags.models import ThresholdSet
from approvals.rules import Thresholds
from approvals.rules.thresholds import CALENDAR_FIELDS
from audit.records import Subject
from identity.permissions import Permission, companies_with
from kernel.actors import Actor
from kernel.canonical import digest
from kernel.errors import FieldError, NotVisible, StateConflict, ValidationFailed

PURPOSE = "countersign.thresholds/1"
REASON_MAX = 500


def propose_thresholds(*, company: str, values: Mapping[str, str], reason: str, user: User, actor: Actor, now: datetime) -> ThresholdSet:
    """A new version of the company's thresholds waits for a second person; values that equal the default are left out.

    Raises NotVisible, ValidationFailed naming each value without a form.
    """
    _require(user, Permission.POLICY_EDIT, company)
    if not 1 <= len(reason.strip()) <= REASON_MAX:
        raise ValidationFailed(
            detail="Say why the thresholds change.", errors=(FieldError("/reason", "missing or too long", f"1 to {REASON_MAX} characters"),)
        )
    stray = [
        FieldError(f"/{name}", "comes from the business calendar", "the company's calendar") for name in values if name in CALENDAR_FIELDS
    ]
    if stray:
        raise ValidationFailed(detail=f"{stray[0].path} comes from the company's business calendar.", errors=tuple(stray))
    kept = _changed(Thresholds.from_dict(values))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"thresholds:{company}"])
        newest = ThresholdSet.objects.filter(company=company).order_by("-version").first()
        made = ThresholdSet.objects.create(
            company=company,
            version=newest.version + 1 if newest else 1,
            values=kept,
            digest=digest(PURPOSE, kept),
            reason=reason.strip(),
            author=user,
            created_at=now,
        )
        _record(ThresholdEvent.PROPOSED, made, actor, now)
        return made


def activate_thresholds(*, company: str, version: int, user: User, actor: Actor, now: datetime) -> ThresholdSet:
    """The version is in force for what is submitted from now on; flags of earlier proposals stay as they are.

    Raises NotVisible, OwnThresholds for the author, StateConflict for a version that is active or was overtaken.
    """
    _require(user, Permission.POLICY_ACTIVATE, company)
    with transaction.atomic():
        found = ThresholdSet.objects.select_for_update().filter(company=company, version=version).first()
        if found is None:
            raise NotVisible(detail=f"There is no version {version} of the thresholds of {company or 'every company'}.")
        if found.author_id == user.pk:
            raise OwnThresholds(detail="You wrote these thresholds, so a second person activates them.")
        newer = ThresholdSet.objects.filter(company=company, version__gt=version, activated_at__isnull=False).exists()
        if found.activated_at is not None or newer:
            raise StateConflict(detail=f"Version {version} is {'overtaken by a newer one' if newer else 'active already'}.")
        changed = ThresholdSet.objects.filter(pk=found.pk, activated_at__isnull=True).update(activated_by=user, activated_at=now)
        if changed != 1:
            raise StateConflict(detail=f"Version {version} was activated by somebody else.")
        found.activated_by, found.activated_at = user, now
        _record(ThresholdEvent.ACTIVATED, found, actor, now)
        return found


def _require(user: User, permission: Permission, company: str) -> None:
    """Raise NotVisible unless the person has the permission in the company; for every company, in all that there are rights in."""
    allowed = companies_with(user, permission)
    if not allowed or (company and company not in allowed):
        raise NotVisible(detail=f"There are no thresholds of {company[:12] or 'every company'} that you may change.")


def _changed(found: Thresholds) -> dict[str, str]:
    """Return the values that differ from the defaults, as text."""
    usual = Thresholds().as_dict()
    return {name: value for name, value in found.as_dict().items() if value != usual[name]}


def _record(kind: ThresholdEvent, found: ThresholdSet, actor: Actor, now: datetime) -> None:
    audit.services.record(
        kind=kind,
        actor=actor,
        subject=Subject(kind="thresholds", id=f"{found.company or 'all'}/{found.version}", company=found.company),
        now=now,
        outcome={"version": found.version, "digest": found.digest, "changed": sorted(found.values)},
        payload={"values": found.values, "reason": found.reason},
    )
