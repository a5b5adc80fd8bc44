"""Reads about commits; the `lock_*` ones hold their row until the transaction ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, Min, Q, QuerySet

from commits.models import Attempt, Commit, Landing, Receipt, Relanding
from commits.presence import abandoned
from commits.states import CommitState
from identity.permissions import Permission, companies_with, require_permission
from kernel.clock import shared_clock
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode


def visible_commits(user: User) -> QuerySet[Commit]:
    """Return the commits of the person's companies with proposal and receipt, newest first; raises PermissionRefused."""
    require_permission(user, Permission.COMMIT_READ)
    return (
        Commit.objects.select_related("proposal__agent", "receipt")
        .defer("proposal__facts", "proposal__action_bytes", "request_bytes")
        .filter(company__in=companies_with(user, Permission.COMMIT_READ))
        .order_by("-id")
    )


def get_commit_for(user: User, commit_id: str, permission: Permission = Permission.COMMIT_READ) -> Commit:
    """Return a commit of a company where the person has the permission, by TypeID; raises NotVisible or InvalidIdentifier."""
    companies = companies_with(user, permission)
    found = Commit.objects.select_related("proposal").filter(pk=decode(Prefix.COMMIT, commit_id), company__in=companies).first()
    if found is None:
        raise NotVisible(detail=f"There is no commit {commit_id} in your companies.")
    return found


def landing_of(commit: Commit) -> Landing | None:
    """Return the landing that counts: the receipt, or the last one after the ERP lost what it had."""
    receipt: Receipt | None = getattr(commit, "receipt", None)
    if receipt is None or commit.landing_number == 1:
        return receipt
    return Relanding.objects.filter(commit=commit).order_by("-number").first() or receipt


def landed_differently(company: str, since: datetime | None = None) -> Iterator[Receipt]:
    """Stream the receipts, with commit and proposal, of what landed otherwise than approved, oldest first."""
    found = Receipt.objects.exclude(differences=[]).filter(commit__company=company)
    rows = found.filter(recorded_at__gte=since) if since else found
    rows = rows.defer(
        "answer_bytes", "read_back_bytes", "commit__request_bytes", "commit__proposal__facts", "commit__proposal__action_bytes"
    )
    return rows.select_related("commit__proposal").order_by("recorded_at").iterator()


def attempts_of(commit: Commit) -> list[Attempt]:
    """Return every try of the commit, first to last."""
    return list(Attempt.objects.filter(commit=commit).order_by("number"))


def lock_commit(key: UUID) -> Commit:
    """Return the commit with its proposal, both locked until the transaction ends; raises NotVisible."""
    found = Commit.objects.select_for_update(no_key=True, of=("self", "proposal")).select_related("proposal").filter(pk=key).first()
    if found is None:
        raise NotVisible(detail="There is no such commit.")
    return found


DUE = """
WITH shut AS (
    SELECT connection FROM commits_breaker
    WHERE paused_until > %(now)s OR (state <> 'closed' AND probe_at > %(now)s)
)
SELECT EXISTS (SELECT 1 FROM commits_commit WHERE state = 'in_flight' AND lease_until < %(now)s)
    OR EXISTS (
        SELECT 1 FROM commits_commit
        WHERE state = 'queued' AND not_before <= %(overdue)s AND connection NOT IN (SELECT connection FROM shut)
    )
    OR EXISTS (
        SELECT 1 FROM commits_commit
        WHERE state = 'unknown' AND not_before <= %(now)s AND connection NOT IN (SELECT connection FROM shut)
    )
    OR EXISTS (
        SELECT 1 FROM commits_commit JOIN commits_breaker AS probed USING (connection)
        WHERE commits_commit.state = 'queued' AND probed.state <> 'closed' AND probed.probe_at <= %(now)s
            AND commits_commit.connection NOT IN (SELECT connection FROM shut)
    )
"""
# What was queued this moment has a wake-up of its own.
OVERDUE = timedelta(seconds=1)


def has_due_work() -> bool:
    """Return whether anything waits that no wake-up was said for: a dead worker's claim, a pause that is over, an unknown outcome."""
    now = shared_clock()()
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"now": now, "overdue": now - OVERDUE})
        (is_due,) = cursor.fetchone()
    return bool(is_due) or bool(abandoned(limit=1))


def depth(*, now: datetime) -> dict[str, object]:
    """Return how much waits, by state, and since when the oldest queued one that is due has waited."""
    counts = Commit.objects.filter(state__in=[CommitState.QUEUED, CommitState.IN_FLIGHT, CommitState.UNKNOWN]).aggregate(
        queued=Count("pk", filter=Q(state=CommitState.QUEUED)),
        in_flight=Count("pk", filter=Q(state=CommitState.IN_FLIGHT)),
        unknown=Count("pk", filter=Q(state=CommitState.UNKNOWN)),
        oldest_due_at=Min("not_before", filter=Q(state=CommitState.QUEUED, not_before__lte=now)),
    )
    return dict(counts)
