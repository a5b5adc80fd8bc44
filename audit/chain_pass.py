"""The rows of the chain, checked one by one in as many processes as there are, and given back in order.

A block of rows is read and checked by whichever process is free; what comes back is small, and at most a few blocks wait, so memory stays
flat however long the chain is. All processes read one snapshot of the database. What must be checked between rows (links, tree, time) is
for the caller: it is a few percent of the work.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import psycopg
from django.db import connection

from audit.row_check import ARCHIVED_ROWS, ROWS, Checker
from audit.verifier.countersign_verify import RowResult

BLOCK_ROWS = 4_000
# Below this a second process costs more than it saves: it takes half a second to start.
PARALLEL_ROWS_MIN = 40_000
BLOCKS_WAITING_PER_PROCESS = 3

NEXT_BLOCK = "SELECT max(sequence), count(*) FROM (SELECT sequence FROM audit_seal WHERE sequence > %s ORDER BY sequence LIMIT %s) AS block"

Block = tuple[int, int]  # the sequences after the first and up to the second


def processes_for(rows: int) -> int:
    """Return how many processes are worth their start for so many rows."""
    return (os.cpu_count() or 1) if rows >= PARALLEL_ROWS_MIN else 1


def checked_blocks(checker: Checker, *, processes: int) -> Iterator[Sequence[RowResult]]:
    """Yield the results of all rows in order, block by block; the caller is in a transaction, repeatable read for several processes."""
    if processes <= 1:
        connection.ensure_connection()
        # Django's own cursor puts parameters into the text, and can't ask for binary results.
        with psycopg.Cursor(connection.connection) as cursor:
            for block in _blocks():
                yield _checked(cursor, checker, block)
        return
    context = multiprocessing.get_context("spawn")
    setup = (_parameters(), _snapshot(), checker)
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=setup) as pool:
        waiting: deque[Future[list[tuple[Any, ...]]]] = deque()
        try:
            for block in _blocks():
                waiting.append(pool.submit(_check_block, block))
                if len(waiting) > processes * BLOCKS_WAITING_PER_PROCESS:
                    yield [RowResult(*row) for row in waiting.popleft().result()]
            while waiting:
                yield [RowResult(*row) for row in waiting.popleft().result()]
        finally:
            for future in waiting:
                future.cancel()


def _blocks() -> Iterator[Block]:
    """Yield blocks by what is there, not by number: a sequence far out costs nothing."""
    last = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT_BLOCK, [last, BLOCK_ROWS])
            newest, count = cursor.fetchone()
            if not count:
                return
            yield last, newest
            last = newest


def _snapshot() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        (name,) = cursor.fetchone()
    return str(name)


def _parameters() -> dict[str, str | int]:
    """Return how this connection was opened, in what can be handed to another process."""
    return {name: value for name, value in connection.get_connection_params().items() if isinstance(value, (str, int))}


_connection: psycopg.Connection[Any] | None = None
_checker: Checker | None = None


def _begin(parameters: Mapping[str, Any], snapshot: str, checker: Checker) -> None:
    """The worker process has a connection of its own that sees what its parent sees."""
    global _connection, _checker  # noqa: PLW0603  a worker is its process
    _connection = psycopg.connect(**parameters)
    _connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    _connection.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(psycopg.sql.Literal(snapshot)))
    _checker = checker


def _check_block(block: Block) -> list[tuple[Any, ...]]:
    """Return the results as plain tuples: a million named ones take four times as long from process to process."""
    if _connection is None or _checker is None:
        raise RuntimeError("the worker process has not begun")
    with _connection.cursor() as cursor:
        return [tuple(row) for row in _checked(cursor, _checker, block)]


def _checked(cursor: psycopg.Cursor[Any], checker: Checker, block: Block) -> list[RowResult]:
    check, rows = checker.check, cursor.execute(ROWS, block, binary=True).fetchall()
    if not any(checker.is_archived(row) for row in rows):
        return [check(row) for row in rows]
    kept = {sequence: place for sequence, *place in cursor.execute(ARCHIVED_ROWS, block, binary=True).fetchall()}
    return [checker.check_archived(row, *kept[row[0]]) if checker.is_archived(row) and row[0] in kept else check(row) for row in rows]
