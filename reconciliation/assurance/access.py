"""Access and segregation of duties over a period: who held which role when, and what people did at the gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection
from django.db.models import Q

from identity.models import Role, RoleAssignment
from reconciliation.assurance.scope import Scope

REMOVED = "-"
DUTIES = """
SELECT decision.user_id, count(*), count(*) FILTER (WHERE decision.kind = 'approve'),
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM approvals_exclusion AS excluded WHERE excluded.route_id = decision.proposal_id AND excluded.user_id = decision.user_id
    )),
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM proposals_proposal AS asked WHERE asked.id = decision.proposal_id AND asked.on_behalf_of_id = decision.user_id
    )),
    count(*) - count(DISTINCT decision.proposal_id)
FROM approvals_decision AS decision JOIN proposals_proposal AS proposal ON proposal.id = decision.proposal_id
WHERE proposal.company = ANY(%(companies)s) AND decision.decided_at >= %(since)s AND decision.decided_at < %(until)s
    AND (%(proposal)s::uuid IS NULL OR proposal.id = %(proposal)s)
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """One change of one person's role that was made in the period, or was in force when it began."""

    user_id: int
    role: str
    companies: tuple[str, ...]
    expires_on: date | None
    change: str
    changed_at: datetime
    changed_by: int | None


@dataclass(frozen=True, slots=True)
class Duties:
    """What one person did at the gate in the period, and how much of it segregation of duties forbids: always 0, or an exception.

    `twice` counts further decisions of the same person on the same proposal, for themselves or for somebody they stand in for.
    """

    user_id: int
    decisions: int
    approvals: int
    excluded: int
    asked: int
    twice: int


def access_rows(scope: Scope) -> list[RoleChange]:
    """Return the changes of roles in the companies of the scope: the last one before it began of each role, and all within it."""
    words = {"+": "given", "~": "changed", REMOVED: "taken"}
    rows = RoleAssignment.history.filter(history_date__lt=scope.until, companies__overlap=list(scope.companies)).order_by(
        "user_id", "role", "history_date", "history_id"
    )
    before: dict[tuple[int, str], RoleChange] = {}
    within: list[RoleChange] = []
    for row in rows:
        found = RoleChange(
            user_id=row.user_id,
            role=str(Role(row.role).label),
            companies=tuple(row.companies),
            expires_on=row.expires_on,
            change=words.get(row.history_type, row.history_type),
            changed_at=row.history_date,
            changed_by=row.history_user_id,
        )
        if row.history_date >= scope.since:
            within.append(found)
        elif row.history_type == REMOVED:
            before.pop((row.user_id, row.role), None)
        else:
            before[row.user_id, row.role] = found
    return sorted([*before.values(), *within], key=lambda item: (item.changed_at, item.user_id, item.role))


def duty_rows(scope: Scope) -> list[Duties]:
    """Return, for each person who decided in the period, what they decided and what of it nobody should have."""
    with connection.cursor() as cursor:
        cursor.execute(DUTIES, {"companies": list(scope.companies), "since": scope.since, "until": scope.until, "proposal": scope.proposal})
        return [Duties(*row) for row in cursor.fetchall()]


def own_rights(scope: Scope) -> list[RoleChange]:
    """Return the changes of roles that somebody made for themselves: always none, or an exception."""
    return [
        row for row in access_rows(scope) if row.changed_by is not None and row.changed_by == row.user_id and row.changed_at >= scope.since
    ]


def auditors_without_end(scope: Scope) -> list[int]:
    """Return the auditors in the companies of the scope whose role does not end by itself."""
    rows = RoleAssignment.objects.filter(Q(expires_on__isnull=True), role=Role.AUDITOR, companies__overlap=list(scope.companies))
    return list(rows.order_by("user_id").values_list("user_id", flat=True))
