"""Twins: two approved writes of the same content, each approved on the word that nobody else wrote it since.

Checked side by side, in one batch or by two workers, both would find that it holds, and both would land. So whoever checks and writes
such a content holds it meanwhile, and its twin comes later, when the ERP knows of the first. It is an advisory lock of the session, as
for presence: a worker that dies holds nothing any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection

from commits.records import Claimed
from gateway.preconditions import NO_DUPLICATE

# Beside presence, whose locks have one number each: these have two, of which the first says what they are for.
LOCKS_OF_CONTENTS = 7
HOLD = "SELECT content, pg_try_advisory_lock(%s, content) FROM unnest(%s::int[]) AS content"
LET_GO = "SELECT pg_advisory_unlock(%s, content) FROM unnest(%s::int[]) AS content"


@contextmanager
def apart(batch: Sequence[Claimed]) -> Iterator[tuple[list[Claimed], list[Claimed]]]:
    """Yield those of a batch whose contents nobody else is writing, held until the block ends, and those who wait for a twin."""
    contents = {item.commit_id: _contents(item) for item in batch}
    held = _hold({content for several in contents.values() for content in several})
    free = set(held)
    first: list[Claimed] = []
    waiting: list[Claimed] = []
    try:
        for item in batch:
            mine = contents[item.commit_id]
            (first if mine <= free else waiting).append(item)
            free -= mine
        yield first, waiting
    finally:
        _let_go(held)


def _contents(claim: Claimed) -> frozenset[int]:
    """Return a number for each content that nobody else may have written; two contents with one number only wait for each other."""
    facts = [item.fact for item in claim.preconditions if item.code == NO_DUPLICATE]
    texts = [repr((fact.name, fact.company, sorted(fact.arguments.items()))) for fact in facts]
    return frozenset(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big", signed=True) for text in texts)


def _hold(contents: set[int]) -> list[int]:
    if not contents:
        return []
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [LOCKS_OF_CONTENTS, sorted(contents)])
        return [content for content, is_held in cursor.fetchall() if is_held]


def _let_go(held: Sequence[int]) -> None:
    if held:
        with connection.cursor() as cursor:
            cursor.execute(LET_GO, [LOCKS_OF_CONTENTS, list(held)])
