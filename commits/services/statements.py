"""The SQL of the commit core: a constant number of statements per batch, each checked against the table of transitions.

`kernel.transitions.advance` moves one row; a batch of fifty moves here in one filtered UPDATE that returns what it changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from commits.records import Settlement
from commits.states import TRANSITIONS, CommitState
from kernel.errors import StateConflict
from kernel.together import write

Values = dict[str, Any]

OPEN = """
INSERT INTO commits_commit
    (id, proposal_id, connection, company, tool, state, attempt_number, landing_number, not_before, code, detail, is_retryable, opened_at)
SELECT fresh.id, proposal.id, fresh.connection, proposal.company, proposal.tool, 'queued', 0, 1, %(now)s, '', '', false, %(now)s
FROM unnest(%(ids)s::uuid[], %(proposals)s::uuid[], %(connections)s::text[]) AS fresh (id, proposal_id, connection)
JOIN proposals_proposal AS proposal ON proposal.id = fresh.proposal_id
WHERE proposal.state = 'approved' AND NOT proposal.is_log_only
ON CONFLICT (proposal_id) DO NOTHING
RETURNING proposal_id
"""

# Approved, to be sent, no commit yet. `since` keeps a wake-up from walking through years of history; the sweep looks at all.
WITHOUT_COMMIT = """
SELECT proposal.id, proposal.company
FROM proposals_proposal AS proposal
WHERE proposal.state = 'approved' AND NOT proposal.is_log_only {since}
    AND NOT EXISTS (SELECT 1 FROM commits_commit AS opened WHERE opened.proposal_id = proposal.id)
ORDER BY proposal.id
LIMIT %(limit)s
"""
SINCE = "AND proposal.decided_at >= %(since)s"

START = """
UPDATE commits_commit AS started
SET state = 'in_flight', attempt_number = started.attempt_number + 1, lease_until = %(lease_until)s,
    holder = %(holder)s, holder_server_started_at = pg_postmaster_start_time(),
    first_sent_at = coalesce(started.first_sent_at, %(now)s),
    request_bytes = coalesce(started.request_bytes, proposal.action_bytes), code = '', detail = '', is_retryable = false
FROM proposals_proposal AS proposal
WHERE proposal.id = started.proposal_id AND started.id = ANY(%(ids)s) AND started.state = 'queued'
RETURNING started.id, started.attempt_number
"""

SETTLE = """
UPDATE commits_commit AS settled
SET state = ending.state, lease_until = NULL, holder = NULL, holder_server_started_at = NULL, code = ending.code,
    detail = ending.detail, is_retryable = ending.is_retryable,
    not_before = coalesce(ending.not_before, settled.not_before),
    settled_at = CASE WHEN ending.state IN ('succeeded', 'failed') THEN %(now)s ELSE NULL END
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[], %(origins)s::text[], %(states)s::text[], %(codes)s::text[], %(details)s::text[],
    %(retryables)s::boolean[], %(not_befores)s::timestamptz[])
    AS ending (id, attempt_number, origin, state, code, detail, is_retryable, not_before)
WHERE settled.id = ending.id AND settled.attempt_number = ending.attempt_number AND settled.state = ending.origin
RETURNING settled.id
"""

END_ATTEMPTS = """
UPDATE commits_attempt AS ended
SET outcome = ending.outcome, detail = ending.detail, finished_at = %(now)s
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[], %(outcomes)s::text[], %(details)s::text[])
    AS ending (commit_id, number, outcome, detail)
WHERE ended.commit_id = ending.commit_id AND ended.number = ending.number
"""

FREEZE = """
UPDATE commits_commit SET code = %(code)s, detail = %(detail)s, not_before = %(not_before)s
WHERE id = ANY(%(ids)s) AND state = 'queued'
"""


def require_transition(origin: CommitState, to: CommitState) -> None:
    """Raise StateConflict unless the table leads from `origin` to `to`."""
    if to not in TRANSITIONS[origin]:
        raise StateConflict(detail=f"commit cannot go from {origin} to {to}.", data={"state": origin, "requested": to})


def approved_without_commit(*, since: datetime | None, limit: int) -> list[tuple[UUID, str]]:
    """Return id and company of approved proposals that nobody opened a commit for, oldest first."""
    statement = WITHOUT_COMMIT.format(since=SINCE if since else "")
    with connection.cursor() as cursor:
        values: Values = {"since": since, "limit": limit}
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def insert_commits(*, commits: Sequence[UUID], proposals: Sequence[UUID], connections: Sequence[str], now: datetime) -> list[UUID]:
    """Insert a queued commit per proposal and return the proposals that got one; those that already had one are left alone."""
    with connection.cursor() as cursor:
        values: Values = {"ids": list(commits), "proposals": list(proposals), "connections": list(connections), "now": now}
        cursor.execute(OPEN, values)
        return [row[0] for row in cursor.fetchall()]


def start(ids: Sequence[UUID], *, lease_until: datetime, holder: int, now: datetime) -> dict[UUID, int]:
    """Move queued commits in flight under this session's presence and return the attempt number each got."""
    require_transition(CommitState.QUEUED, CommitState.IN_FLIGHT)
    with connection.cursor() as cursor:
        cursor.execute(START, {"ids": list(ids), "lease_until": lease_until, "holder": holder, "now": now})
        return dict(cursor.fetchall())


def freeze(ids: Sequence[UUID], *, code: str, detail: str, not_before: datetime) -> None:
    """Leave queued commits queued until `not_before`, saying why."""
    with connection.cursor() as cursor:
        cursor.execute(FREEZE, {"ids": list(ids), "code": code, "detail": detail, "not_before": not_before})


def settle(endings: Sequence[Settlement], *, now: datetime) -> set[UUID]:
    """Move each commit to where its settlement says, if the fence still holds, and return those that moved."""
    for ending in endings:
        require_transition(ending.claim.state, ending.to)
    values: Values = {
        "ids": [ending.claim.commit_id for ending in endings],
        "numbers": [ending.claim.attempt_number for ending in endings],
        "origins": [ending.claim.state.value for ending in endings],
        "states": [ending.to.value for ending in endings],
        "codes": [ending.code for ending in endings],
        "details": [ending.detail for ending in endings],
        "retryables": [ending.is_retryable for ending in endings],
        "not_befores": [ending.not_before for ending in endings],
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, values)
        return {row[0] for row in cursor.fetchall()}


def end_attempts(endings: Sequence[Settlement], *, now: datetime) -> None:
    """Write down how each attempt ended."""
    values: Values = {
        "ids": [ending.claim.commit_id for ending in endings],
        "numbers": [ending.claim.attempt_number for ending in endings],
        "outcomes": [ending.attempt.value for ending in endings],
        "details": [ending.detail or ending.code for ending in endings],
        "now": now,
    }
    write(END_ATTEMPTS.strip(), values)


def postpone(key: UUID, *, not_before: datetime) -> None:
    """Leave an unknown commit unknown and look at it again at `not_before`."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE commits_commit SET not_before = %s WHERE id = %s AND state = 'unknown'", [not_before, key])
