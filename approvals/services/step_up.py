"""Asking for a strong second factor, and remembering what was being answered, so that nothing is lost on the way there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from approvals.errors import StepUpRequired
from approvals.events import StepUpEvent
from approvals.factors import Factor, strong_factor
from approvals.models import Route, StepUp
from audit.records import Subject
from audit.services import record
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.money import Money

# How long somebody may look for their telephone.
PATIENCE = timedelta(minutes=15)
DRAFT_FIELDS = frozenset({"kind", "reason_code", "comment"})


def ask_step_up(
    *,
    user: User,
    purpose: str,
    subject: str,
    shown_at: datetime,
    draft: Mapping[str, str],
    about: Subject,
    actor: Actor,
    now: datetime,
) -> StepUp:
    """Remember that this person answered this display and was asked for a second factor first; their words are kept with it."""
    with transaction.atomic():
        asked = StepUp.objects.create(
            user=user,
            purpose=purpose,
            subject=subject[:80],
            draft={name: text for name, text in draft.items() if name in DRAFT_FIELDS},
            shown_at=min(shown_at, now),
            asked_at=now,
        )
        record(
            kind=StepUpEvent.ASKED,
            actor=actor,
            subject=about,
            now=now,
            human={"purpose": purpose, "shown": subject[:80], "shown_at": wire_time(asked.shown_at)},
        )
    return asked


def latest_asked(*, user: User, purpose: str, subject: str, now: datetime) -> StepUp | None:
    """Return the last time this person was asked about exactly this, while it is still remembered."""
    return (
        StepUp.objects.filter(user=user, purpose=purpose, subject=subject[:80], asked_at__gt=now - PATIENCE, asked_at__lte=now)
        .order_by("-asked_at")
        .first()
    )


def answered_display(*, user: User, purpose: str, subject: str, shown_at: datetime, now: datetime) -> datetime:
    """Return since when a second factor counts: since the display that was answered.

    Coming back from the second factor displays the same thing once more. The display that counts is the one before the asking.
    """
    asked = latest_asked(user=user, purpose=purpose, subject=subject, now=now)
    return shown_at if asked is None else min(asked.shown_at, shown_at)


def step_up_from(route: Route) -> Money | None:
    """Return from which amount on decisions on this route need a strong second factor; None: never."""
    snapshot = route.snapshot
    found = snapshot["row"].get("step_up_from_minor")
    return None if found is None else Money(int(found), snapshot["currency"])


def needs_step_up(route: Route) -> bool:
    """Return whether a decision on this route needs a strong second factor newer than its page."""
    threshold = step_up_from(route)
    return threshold is not None and route.routed_minor >= threshold.minor


def require_factor(
    records: Sequence[Mapping[str, object]], *, user: User, purpose: str, subject: str, shown_at: datetime, now: datetime
) -> Factor:
    """Return the strong second factor that is newer than the display answered; raises StepUpRequired when there is none."""
    since = answered_display(user=user, purpose=purpose, subject=subject, shown_at=shown_at, now=now)
    factor = strong_factor(records, since=since, until=now)
    if factor is None:
        raise StepUpRequired(
            detail="This needs a passkey or a code of your authenticator app, used after you were shown what you decide on."
            " Nothing was decided yet; a recovery code does not count.",
            data={"purpose": purpose, "subject": subject},
        )
    return factor
