"""Presence: a claim is bound to the worker's session of the database, so that a worker's death is seen within seconds.

Each session that claims holds one advisory lock under a number drawn at random, and its claims carry the number. PostgreSQL drops
the lock when the session ends, and a killed process ends its sessions at once. So a commit in flight whose number nobody holds belongs to
a worker that is gone: it becomes unknown and is looked up by its key, without waiting for the lease.

A living worker is not robbed:

- it holds the lock as long as it holds the claim, because it claims and settles over one session, and a slow ERP does not end sessions;
- after a restart of PostgreSQL (or a failover) no session holds anything, which proves nothing: the claim remembers when the server had
  started, and where that is another start, only the lease counts;
- a session that breaks while its worker lives (a cut between worker and database) is the one case left. That worker cannot settle over
  the session any more, its settlement would find the fence, and what was sent in the meantime has the same key: looked up before
  anything, sent again at level A only, where the ERP refuses the second landing.

Needs sessions of its own: behind a pooler in transaction mode the locks would belong to nobody, and claims would be taken over wrongly
often (never wrongly twice, for the reason above). See docs/operations.md.
"""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import connection

# A lock with one 64-bit number is listed as two halves and the subkind 1.
ABANDONED = """
SELECT commit.id FROM commits_commit AS commit
WHERE commit.state = 'in_flight' AND commit.holder IS NOT NULL AND commit.holder_server_started_at = pg_postmaster_start_time()
    AND NOT EXISTS (
        SELECT 1 FROM pg_locks AS held
        WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
            AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND ((held.classid::bigint << 32) | held.objid::bigint) = commit.holder
    )
LIMIT %s
"""

_numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def hold() -> int:
    """The session holds its lock, from its first claim to its end; returns its number."""
    connection.ensure_connection()
    session = connection.connection
    number = _numbers.get(session)
    if number is None:
        number = int.from_bytes(secrets.token_bytes(8), "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        _numbers[session] = number
    return number


def abandoned(*, limit: int) -> list[UUID]:
    """Return commits in flight whose worker's session is gone."""
    with connection.cursor() as cursor:
        cursor.execute(ABANDONED, [limit])
        return [row[0] for row in cursor.fetchall()]
