"""Monthly partitions of the events: made ahead of time, so that no insert ever waits for one.

An event's partition is its id: a UUIDv7 begins with its instant, so the primary key stays unique over all of them, and finding an event
by id touches one partition. The functions live in migration 0008.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import DatabaseError, connection

logger = logging.getLogger(__name__)

MONTHS_AHEAD = 3
PARTITIONS = """
SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)
FROM pg_inherits JOIN pg_class child ON child.oid = pg_inherits.inhrelid
WHERE pg_inherits.inhparent = 'audit_event'::regclass ORDER BY child.relname
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition and its bounds, as PostgreSQL writes them."""

    name: str
    bounds: str

    @property
    def upper(self) -> UUID | None:
        """Return the id that its events stay below; None for the one for everything else."""
        found = re.search(r"TO \('([0-9a-f-]{36})'\)", self.bounds)
        return UUID(found[1]) if found else None


def partitions() -> list[Partition]:
    """Return the partitions there are."""
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS)
        return [Partition(name, bounds) for name, bounds in cursor.fetchall()]


def make_partitions(*, now: datetime, months: int = MONTHS_AHEAD) -> list[str]:
    """Every month from this one on, as far as we look ahead, has its partition; return the names of those that were made.

    What can't be made now is made the next time: until then events of that month go to the partition for everything else.
    """
    made = []
    first = date(now.year, now.month, 1)
    for ahead in range(months + 1):
        month = date(first.year + (first.month - 1 + ahead) // 12, (first.month - 1 + ahead) % 12 + 1, 1)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT audit_make_partition(%s)", [month])
                row = cursor.fetchone()
        except DatabaseError as error:
            logger.warning("The partition of %s could not be made: %s", month, error)
            continue
        if row and row[0]:
            made.append(str(row[0]))
    return made
