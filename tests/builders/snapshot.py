"""The contents of both test databases, kept and put back: loading the sample data anew for each test would take seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from psycopg import sql

ALIASES = ("default", "ledger")
# What migrations fill is left alone, and the log that points there: Django keeps the content types' numbers in memory. Columns that the
# database computes are not copied; a table without rows needs no copy. A partitioned table is copied by its partitions.
COLUMNS = """
    SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position)
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'
        AND NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = quote_ident(table_name)::regclass)
        AND table_name NOT IN ('django_migrations', 'django_content_type', 'auth_permission', 'django_admin_log')
    GROUP BY table_name
"""
WRITTEN = """
    SELECT pg_current_xact_id_if_assigned()::text,
        (SELECT array_agg((relname, n_tup_ins, n_tup_upd, n_tup_del)::text)
        FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0)
"""
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one table, as PostgreSQL copies them."""

    name: str
    columns: tuple[str, ...]
    rows: bytes

    def copy(self, direction: str) -> sql.Composed:
        """Return the COPY statement, TO STDOUT or FROM STDIN."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(self.name), columns, sql.SQL(direction))

    def delete(self) -> sql.Composed:
        """Return the statement that empties it."""
        return sql.SQL("DELETE FROM {}").format(sql.Identifier(self.name))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What both databases held at one moment."""

    tables: dict[str, list[Table]]
    sequences: dict[str, list[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Written:
    """A transaction, None before it writes, and how many rows were inserted, updated and deleted in each table, taken back or not.

    PostgreSQL counts them anyway: where nothing was written nothing has to be read to know that nothing changed. The counts of one
    transaction only grow; they may begin with those of transactions before it.
    """

    transaction: str | None
    counts: dict[str, str]

    def since(self, earlier: Written) -> set[str]:
        """Return the names of the tables that were written to."""
        return {name for name, counts in self.counts.items() if earlier.counts.get(name) != counts}


def written_by(alias: str) -> Written:
    """Return what this session's transaction has written so far."""
    with connections[alias].cursor() as cursor:
        cursor.execute(WRITTEN)
        transaction_id, counts = cursor.fetchone()
    return Written(transaction_id, {name: rest for name, _, rest in (count.strip("()").partition(",") for count in counts or ())})


def tables_of(alias: str, names: Collection[str] | None = None) -> list[Table]:
    """Return the tables, or those of these names, with the rows they hold now."""
    tables = []
    with connections[alias].cursor() as cursor:
        cursor.execute(COLUMNS)
        for name, columns in cursor.fetchall():
            if names is None or name in names:
                table = Table(name, tuple(columns), b"")
                with cursor.copy(table.copy("TO STDOUT")) as copy:
                    tables.append(Table(name, table.columns, b"".join(bytes(part) for part in copy)))
    return tables


def sequences_of(alias: str) -> list[tuple[str, int]]:
    """Return the last value of each sequence that was used."""
    with connections[alias].cursor() as cursor:
        cursor.execute(SEQUENCES)
        return list(cursor.fetchall())


@contextmanager
def replicating(alias: str) -> Iterator[Any]:
    """Return a cursor for rows that were written under the triggers once: they rest meanwhile."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor
        cursor.execute("SET LOCAL session_replication_role = origin")


def taken() -> Snapshot:
    """Return what both databases hold now."""
    tables = {alias: [table for table in tables_of(alias) if table.rows] for alias in ALIASES}
    return Snapshot(tables, {alias: sequences_of(alias) for alias in ALIASES})


def put_back(snapshot: Snapshot) -> None:
    """Both databases hold what they held then; they have to be empty before, as each test with real transactions finds them."""
    for alias in ALIASES:
        with replicating(alias) as cursor:
            for table in snapshot.tables[alias]:
                with cursor.copy(table.copy("FROM STDIN")) as copy:
                    copy.write(table.rows)
            for name, value in snapshot.sequences[alias]:
                cursor.execute("SELECT setval(%s::regclass, %s)", [f'"{name}"', value])
