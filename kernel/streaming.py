"""Long results in the order of their statement, a chunk at a time: memory stays flat on this side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connections

CHUNK_ROWS = 2000
# The whole result is wanted, not its beginning: what is joined may be hashed, and what is sorted need not go to disk in small pieces.
FOR_ALL_OF_IT = "SELECT set_config('cursor_tuple_fraction', '1', false), set_config('work_mem', '64MB', false)"
AS_BEFORE = "RESET cursor_tuple_fraction; RESET work_mem"


def streamed(using: str, statement: str, values: Mapping[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield all rows of one statement in lists of at most 2,000, planned for being read to its end."""
    connection = connections[using]
    connection.ensure_connection()
    with connection.chunked_cursor() as cursor:
        with connection.cursor() as plain:
            plain.execute(FOR_ALL_OF_IT)
            cursor.execute(statement, values)
            plain.execute(AS_BEFORE)
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield rows
