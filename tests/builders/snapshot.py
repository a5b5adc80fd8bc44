"""The contents of both test databases, kept and put back: loading the sample data anew for each test would take seconds."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What both databases held at one moment."""

    tables: dict[str, list[Table]]
    sequences: dict[str, list[tuple[str, int]]]


def taken() -> Snapshot:
    """Return what both databases hold now."""
    tables: dict[str, list[Table]] = {}
    sequences: dict[str, list[tuple[str, int]]] = {}
    for alias in ALIASES:
        with connections[alias].cursor() as cursor:
            cursor.execute(COLUMNS)
            found = [Table(name, tuple(columns), b"") for name, columns in cursor.fetchall()]
            tables[alias] = []
            for table in found:
                with cursor.copy(table.copy("TO STDOUT")) as copy:
                    rows = b"".join(bytes(part) for part in copy)
                if rows:
                    tables[alias].append(Table(table.name, table.columns, rows))
            cursor.execute(SEQUENCES)
            sequences[alias] = cursor.fetchall()
    return Snapshot(tables, sequences)


def put_back(snapshot: Snapshot) -> None:
    """Both databases hold what they held then; triggers rest meanwhile, for the rows were written under them once."""
    for alias in ALIASES:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            names = sql.SQL(", ").join(sql.Identifier(table.name) for table in snapshot.tables[alias])
            cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
            for table in snapshot.tables[alias]:
                with cursor.copy(table.copy("FROM STDIN")) as copy:
                    copy.write(table.rows)
            for name, value in snapshot.sequences[alias]:
                cursor.execute("SELECT setval(%s::regclass, %s)", [f'"{name}"', value])
            cursor.execute("SET LOCAL session_replication_role = origin")
