"""Taking from a quota: one statement, one row per caller, no lock that two callers share.

The generic cell rate algorithm: a row holds the instant at which its quota will be whole again, and each unit moves it on by the
time one unit takes to come back. So there is no window to start at, no boundary at which twice the quota passes, and nothing to
clean up within.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from identity.limits.quotas import Quota, Standing

TAKE = """
INSERT INTO identity_ratecounter AS counter (key, full_at, is_allowed)
SELECT asked.key, %(now)s + asked.taken, true
FROM unnest(%(keys)s::text[], %(taken)s::interval[], %(windows)s::interval[]) WITH ORDINALITY AS asked (key, taken, size, place)
ORDER BY asked.place
ON CONFLICT (key) DO UPDATE SET (full_at, is_allowed) = (
    SELECT CASE WHEN is_free THEN used ELSE counter.full_at END, is_free
    FROM (SELECT GREATEST(counter.full_at, %(now)s) + (EXCLUDED.full_at - %(now)s) AS used) AS after,
    LATERAL (SELECT used <= %(now)s + (
        SELECT size FROM unnest(%(keys)s::text[], %(windows)s::interval[]) AS sizes (key, size) WHERE sizes.key = counter.key
    ) AS is_free) AS verdict
)
RETURNING key, full_at, is_allowed
"""


def take_all(asked: Sequence[tuple[str, Quota]], *, now: datetime, cost: int = 1) -> list[Standing]:
    """Take `cost` units of each quota and return how each stands; a quota that has fewer left gives none.

    One statement; the rows stay locked until the caller's transaction ends, so call it outside of one. A cost above the quota is
    taken as the whole quota. Each key at most once.
    """
    if not asked:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            TAKE,
            {
                "now": now,
                "keys": [key for key, _ in asked],
                "taken": [quota.interval * min(cost, quota.limit) for _, quota in asked],
                "windows": [quota.window for _, quota in asked],
            },
        )
        found = {key: (full_at, is_allowed) for key, full_at, is_allowed in cursor.fetchall()}
    return [Standing(quota, found[key][1], found[key][0], now) for key, quota in asked]


def take(key: str, quota: Quota, *, now: datetime, cost: int = 1) -> Standing:
    """Take from one quota; see `take_all`."""
    return take_all([(key, quota)], now=now, cost=cost)[0]
