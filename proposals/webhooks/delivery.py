"""Delivering: what is due is claimed, sent side by side through the guarded client, and settled; one deliverer at a time.

Slow receivers must cost neither commits nor each other: deliveries run on the queue's cluster for long work, eight at once, each ends
after ten seconds, and a receiver that failed in this round is left alone until the next one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import repeat
from uuid import UUID

from django.db import connection

from gateway.network import Answer, Bounds, OutboundClient, Policy, outbound_client
from kernel.context import Origin, origin
from kernel.errors import DomainError
from proposals.webhooks.services import Claimed, Result, claim_due, settle
from proposals.webhooks.signing import signed_headers

BOUNDS = Bounds(connect_seconds=5, read_seconds=10, total_seconds=10, body_bytes_max=64 * 1024)
SIDE_BY_SIDE = 8
ROUND_SECONDS = 25.0
# Any number will do, as long as nobody else takes it.
LOCK_KEY = 0x77_65_62_68_6F_6F_6B


def deliver_due(*, now: Callable[[], datetime]) -> int:
    """Deliver what is due until nothing is or the round's time is over, and return how many attempts were made."""
    started = time.monotonic()
    count = 0
    failed: set[UUID] = set()
    with _only_one() as is_mine, outbound_client(Policy.PUBLIC, bounds=BOUNDS) as client:
        while is_mine and time.monotonic() - started < ROUND_SECONDS:
            claimed = claim_due(now=now(), without=failed)
            if not claimed:
                break
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                results = list(pool.map(send, repeat(client), claimed, repeat(now())))
            for item, result in zip(claimed, results, strict=True):
                settle(item, result, now=now())
                if not result.is_delivered:
                    failed.add(item.endpoint_id)
            count += len(claimed)
    return count


def send(client: OutboundClient, item: Claimed, now: datetime) -> Result:
    """Make one attempt and return what came of it; touches no database, so that it can run beside others."""
    headers = {
        "Content-Type": "application/json",
        **signed_headers(item.secrets, message_id=item.public_id, timestamp=int(now.timestamp()), body=item.body),
    }
    started = time.monotonic()
    with origin(Origin(channel="task", trace_id=item.trace_id)):
        try:
            answer = client.request("POST", item.url, headers=headers, content=item.body)
        except DomainError as error:
            return Result(None, error.detail, _milliseconds(started))
    return Result(answer.status, "", _milliseconds(started), _retry_after(answer))


def _retry_after(answer: Answer) -> timedelta:
    text = answer.headers.get("retry-after", "")
    return timedelta(seconds=int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else timedelta(0)


def _milliseconds(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


@contextlib.contextmanager
def _only_one() -> Iterator[bool]:
    """Hold the deliverers' lock for the block, if it is free; the database lets go of it when this process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
        is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
