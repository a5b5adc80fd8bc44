"""How often each kind of fault really struck, told from what it left behind: dead processes, both databases, the logs of the processes."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from django.db import connections

from gateway.faults.switches import fault_counts
from tests.chaos.faults import KILLS, MODES, FaultKind, Orders
from tests.chaos.house import House

LATE_NIGHTS = """
SELECT count(DISTINCT business_date) FROM reconciliation_run
WHERE kind = 'nightly' AND state = 'completed' AND started_at > cut_off_at + interval '24 hours'
    AND business_date > (SELECT min(business_date) FROM reconciliation_run WHERE kind = 'nightly')
"""


def struck(orders: Orders, house: House) -> dict[str, int]:
    """Return how often each kind struck."""
    counts: Counter[str] = Counter(dict.fromkeys(FaultKind, 0))
    for taken in orders.all_taken():
        counts[taken.kind] += taken.kind in KILLS and taken.has_died
    modes = fault_counts()
    counts.update({kind: modes.get(mode, 0) for kind, mode in MODES.items()})
    counts[FaultKind.CONNECTION_CUT_AFTER_ERP_COMMIT] = sum(_was_cut_after_commit(line["keys"]) for line in orders.journal("cut"))
    counts[FaultKind.DOUBLE_DELIVERY] = overlapping(orders.journal("delivery"))
    counts[FaultKind.POSTGRES_RESTART] = house.recoveries()
    counts[FaultKind.KEY_ROTATION] = min(house.dropped_tasks(), len(orders.journal("rotated")))
    worked = {(line["worker"], line["offset"]) for line in orders.journal("worked")}
    counts[FaultKind.CLOCK_JUMP] = sum((line["worker"], line["offset"]) in worked for line in orders.journal("jumped"))
    counts[FaultKind.MISSED_NIGHTS] = _number(LATE_NIGHTS)
    counts[FaultKind.SAME_KEY_FROM_16_THREADS] = sum(line["answers"] > 1 for line in orders.journal("race"))
    counts[FaultKind.SAME_KEY_OTHER_PAYLOAD] = len(orders.journal("key_reused"))
    return {str(kind): counts[kind] for kind in FaultKind}


def _was_cut_after_commit(keys: list[str]) -> bool:
    """Return whether the ledger has one of the keys whose answer an attempt has lost."""
    with connections["ledger"].cursor() as cursor:
        cursor.execute("SELECT key FROM ledger_idempotencyrecord WHERE key = ANY(%s::uuid[])", [keys])
        landed = [row[0] for row in cursor.fetchall()]
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM commits_attempt WHERE outcome = 'lost' AND commit_id = ANY(%s)", [landed])
        return int(cursor.fetchone()[0]) > 0


def overlapping(lines: list[dict[str, Any]]) -> int:
    """Return how many tasks two processes worked on at the same time."""
    by_task: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_task[line["task"]].append(line)
    return sum(
        any(one["pid"] != two["pid"] and one["began"] < two["ended"] and two["began"] < one["ended"] for one in group for two in group)
        for group in by_task.values()
    )


def _number(statement: str, parameters: list[Any] | None = None) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement, parameters or [])
        return int(cursor.fetchone()[0])
