"""Reads of reconciliation: the intended side as a stream, runs and breaks as people may see them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q, QuerySet

from commits.models import Receipt, Relanding
from commits.states import CommitState
from identity.permissions import Permission, companies_with, require_permission
from kernel.canonical import parse_json
from kernel.errors import InvalidIdentifier, NotVisible
from kernel.ids import Prefix, decode, encode, encode_number
from kernel.streaming import streamed
from reconciliation.models import Break, Run
from reconciliation.records import Finding, Intended, Line
from reconciliation.states import BreakKind

STATES = {state.value: state for state in CommitState}

COMMITS = """
FROM commits_commit AS opened
JOIN proposals_proposal AS proposal ON proposal.id = opened.proposal_id
LEFT JOIN commits_receipt AS receipt ON receipt.commit_id = opened.id
LEFT JOIN commits_relanding AS again ON again.commit_id = opened.id AND again.number = opened.landing_number
WHERE opened.company = %(company)s
"""
# The landing that counts: the receipt, or the last one after the ERP lost what it had.
FIELDS = """
coalesce(again.document, receipt.document, ''), proposal.tool, proposal.amount_minor, proposal.currency, proposal.effective_on,
proposal.counterparty, coalesce(again.content_digest, receipt.content_digest, '')
"""
DIFFERENCES = "coalesce(again.differences, receipt.differences, '[]'::jsonb)"
# Keys are compared byte by byte, and a TypeID keeps the order of its key: both sides of the merge sort alike.
LINES = f"""
SELECT uuid_send(proposal.id), {FIELDS}, opened.state = 'succeeded' AND {DIFFERENCES} = '[]'::jsonb, opened.state = 'failed'
{COMMITS} AND proposal.id > %(after)s AND (%(since)s::timestamptz IS NULL OR opened.settled_at >= %(since)s OR opened.settled_at IS NULL)
ORDER BY proposal.id
"""
NAMED = f"""
SELECT proposal.id, {FIELDS}, opened.id, opened.state, opened.opened_at, opened.settled_at, opened.lease_until, opened.first_sent_at,
    {DIFFERENCES}
{COMMITS} AND proposal.id = ANY(%(ids)s::uuid[])
ORDER BY proposal.id
"""
UNOPENED = """
SELECT proposal.id, proposal.tool, proposal.amount_minor, proposal.currency, proposal.effective_on, proposal.counterparty
FROM proposals_proposal AS proposal
WHERE proposal.company = %(company)s AND proposal.state = 'approved' AND NOT proposal.is_log_only AND proposal.decided_at < %(before)s
    AND NOT EXISTS (SELECT 1 FROM commits_commit AS opened WHERE opened.proposal_id = proposal.id)
ORDER BY proposal.id
LIMIT 1000
"""
FIRST_KEY = UUID(int=0)


def lines(company: str, *, since: datetime | None = None, after: str = "") -> Iterator[Line]:
    """Stream the commits of a company in the order of their reference, as the first pass sees them; memory stays flat.

    With `since` those that are unsettled or were settled since then; with `after` those behind that reference.
    """
    values = {"company": company, "since": since, "after": proposal_key(after) or FIRST_KEY}
    for rows in streamed("default", LINES, values):
        for key, *rest in rows:
            yield Line(encode_number("prop", int.from_bytes(key)), *rest)


def intended(company: str, references: Iterable[str]) -> list[Intended]:
    """Return the commits under these references, with everything that is known about each, sorted by reference."""
    keys = [key for reference in references if (key := proposal_key(reference)) is not None]
    with connection.cursor() as cursor:
        cursor.execute(NAMED, {"company": company, "ids": keys})
        rows = cursor.fetchall()
    return [
        Intended(
            reference=encode(Prefix.PROPOSAL, row[0]),
            document=row[1],
            tool=row[2],
            amount_minor=row[3],
            currency=row[4],
            effective_on=row[5],
            counterparty=row[6],
            content_digest=row[7],
            proposal_id=row[0],
            commit_id=row[8],
            state=STATES[row[9]],
            opened_at=row[10],
            settled_at=row[11],
            lease_until=row[12],
            first_sent_at=row[13],
            differences=tuple(_parsed(row[14])),
        )
        for row in rows
    ]


def covered(company: str, documents: Collection[str]) -> frozenset[str]:
    """Return those of the documents that a succeeded commit of ours made."""
    if not documents:
        return frozenset()
    wanted = Q(document__in=documents, commit__company=company, commit__state=CommitState.SUCCEEDED)
    return frozenset(name for model in (Receipt, Relanding) for name in model.objects.filter(wanted).values_list("document", flat=True))


def unopened(company: str, *, before: datetime) -> list[Finding]:
    """Return a finding for each proposal approved before that instant for which no commit was ever opened."""
    with connection.cursor() as cursor:
        cursor.execute(UNOPENED, {"company": company, "before": before})
        rows = cursor.fetchall()
    return [
        Finding(
            kind=BreakKind.LATE,
            company=company,
            document="",
            amount_minor=amount_minor,
            currency=currency,
            reference=encode(Prefix.PROPOSAL, key),
            proposal_id=key,
            intended={
                "state": "approved, no commit",
                "tool": tool,
                "amount_minor": amount_minor,
                "currency": currency,
                "effective_on": effective_on.isoformat(),
                "counterparty": counterparty,
            },
        )
        for key, tool, amount_minor, currency, effective_on, counterparty in rows
    ]


def proposal_key(reference: str) -> UUID | None:
    """Return the key of the proposal that a reference names; None for any other text, which an ERP may well carry."""
    try:
        return decode(Prefix.PROPOSAL, reference)
    except InvalidIdentifier:
        return None


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
        .select_related("proposal", "compensation", "owner", "handled_by", "seconded_by", "first_run", "last_run")
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


def _parsed(value: object) -> list[dict[str, object]]:
    """Return a JSON column that was read past the models: text or parsed, as the driver was told."""
    found = parse_json(value) if isinstance(value, str) else value
    return found if isinstance(found, list) else []
