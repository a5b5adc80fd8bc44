"""Reads of reconciliation: the intended side as a stream, runs and breaks as people may see them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from commits.states import CommitState
from identity.permissions import Permission, companies_with, require_permission
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode, encode
from reconciliation.models import Break, Run
from reconciliation.records import Intended

CHUNK_ROWS = 2000
STATES = {state.value: state for state in CommitState}

# Keys are compared byte by byte, and a TypeID keeps the order of its key: both sides of the merge sort alike.
INTENDED = """
SELECT proposal.id, opened.id, opened.state, opened.settled_at, opened.lease_until, opened.first_sent_at, proposal.tool,
    proposal.amount_minor, proposal.currency, proposal.effective_on, proposal.counterparty,
    coalesce(receipt.document, ''), coalesce(receipt.content_digest, ''), coalesce(jsonb_array_length(receipt.differences), 0)
FROM commits_commit AS opened
JOIN proposals_proposal AS proposal ON proposal.id = opened.proposal_id
LEFT JOIN commits_receipt AS receipt ON receipt.commit_id = opened.id
WHERE opened.company = %s
ORDER BY proposal.id
"""


def intended(company: str) -> Iterator[Intended]:
    """Stream every commit of a company in the order of its reference; memory stays flat."""
    connection.ensure_connection()
    with connection.chunked_cursor() as cursor:
        cursor.execute(INTENDED, [company])
        while rows := cursor.fetchmany(CHUNK_ROWS):
            for proposal_id, commit_id, state, *rest in rows:
                yield Intended(encode(Prefix.PROPOSAL, proposal_id), proposal_id, commit_id, STATES[state], *rest)


def visible_runs(user: User) -> QuerySet[Run]:
    """Return the runs of the person's companies, newest first; raises PermissionRefused."""
    require_permission(user, Permission.RECONCILIATION_READ)
    return (
        Run.objects.filter(company__in=companies_with(user, Permission.RECONCILIATION_READ))
        .select_related("started_by")
        .order_by("-started_at")
    )


def visible_breaks(user: User, permission: Permission = Permission.RECONCILIATION_READ) -> QuerySet[Break]:
    """Return the breaks of the companies where the person has the permission, newest first; raises PermissionRefused."""
    require_permission(user, permission)
    return (
        Break.objects.filter(company__in=companies_with(user, permission))
        .select_related("proposal", "compensation", "handled_by", "first_run", "last_run")
        .order_by("-opened_at")
    )


def get_run_for(user: User, run_id: str) -> Run:
    """Return a run of one of the person's companies, by TypeID; raises NotVisible, InvalidIdentifier or PermissionRefused."""
    found = visible_runs(user).filter(pk=decode(Prefix.RUN, run_id)).first()
    if found is None:
        raise NotVisible(detail=f"There is no run {run_id} in your companies.")
    return found


def get_break_for(user: User, break_id: str, permission: Permission = Permission.RECONCILIATION_READ) -> Break:
    """Return a break of a company where the person has the permission; raises NotVisible, InvalidIdentifier or PermissionRefused."""
    found = visible_breaks(user, permission).filter(pk=decode(Prefix.BREAK, break_id)).first()
    if found is None:
        raise NotVisible(detail=f"There is no break {break_id} in your companies.")
    return found


def lock_break(key: UUID) -> Break:
    """Return the break locked until the transaction ends; raises NotVisible."""
    found = Break.objects.select_for_update(no_key=True).filter(pk=key).first()
    if found is None:
        raise NotVisible(detail="There is no such break.")
    return found


def lock_run(key: UUID) -> Run:
    """Return the run locked until the transaction ends; raises NotVisible."""
    found = Run.objects.select_for_update(no_key=True).filter(pk=key).first()
    if found is None:
        raise NotVisible(detail="There is no such run.")
    return found
