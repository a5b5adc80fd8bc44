"""Idempotency keys: taken one after the other, and closed when nothing may land under them any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from ledger.contracts import GATE, WriteResult
from ledger.queries.landed import find_stored
from ledger.sql import LEDGER, execute, fetch

CLOSE = """
INSERT INTO ledger_closedkey (key, closed_by, recorded_at)
SELECT key, %s, %s FROM unnest(%s::uuid[]) AS key
ON CONFLICT DO NOTHING
"""


def take_keys(keys: Sequence[UUID]) -> dict[UUID, tuple[str, WriteResult]]:
    """Lock the keys in sorted order to the end of the transaction; return request digest and result of those that have landed."""
    locks = sorted({int.from_bytes(key.bytes[8:], "big", signed=True) for key in keys})
    fetch("SELECT pg_advisory_xact_lock(lock) FROM unnest(%s::bigint[]) AS lock", [locks])
    return find_stored(keys)


def closed_among(keys: Sequence[UUID]) -> set[UUID]:
    """Return which of these keys, all of them taken, are closed."""
    return {row[0] for row in fetch("SELECT key FROM ledger_closedkey WHERE key = ANY(%s::uuid[])", [list(keys)])}


def close_keys(keys: Sequence[UUID], *, now: datetime) -> dict[UUID, WriteResult]:
    """Nothing lands under these keys any more, however late its request arrives; return the results of those that have landed.

    A request that is being executed is waited for, and then counts as landed. Closing again changes nothing.
    """
    if not keys:
        return {}
    with transaction.atomic(using=LEDGER):
        landed = {key: result for key, (_, result) in take_keys(keys).items()}
        execute(CLOSE, [GATE, now, [key for key in keys if key not in landed]])
    return landed


def open_keys(keys: Sequence[UUID]) -> None:
    """Something may land under these keys again, once each: their requests are wanted after all."""
    execute("DELETE FROM ledger_closedkey WHERE key = ANY(%s::uuid[])", [list(keys)])
