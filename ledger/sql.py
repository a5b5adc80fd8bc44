"""Set-based SQL on the ledger's connection: many rows, one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connections

LEDGER = "ledger"


def fetch(statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Return all rows of one statement."""
    with connections[LEDGER].cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def execute(statement: str, parameters: Sequence[Any] = ()) -> int:
    """Run one statement and return how many rows it touched."""
    with connections[LEDGER].cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def arrays(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Return rows as columns: the parameters of `unnest`."""
    return [[row[position] for row in rows] for position in range(width)]


def insert(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert all rows in one statement; triggers and constraints hold as for any insert.

    COPY, because binding as many values as parameters costs the client more than the server's whole work on them.
    """
    if not rows:
        return
    connection = connections[LEDGER]
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
