"""The test databases are copies of two templates, which live as long as no migration changes: migrating takes many times as long."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connections
from psycopg import sql

from config.migrating import APPS, migrate
from config.paths import PROJECT


def use_templates() -> None:
    """Django makes each test database by copying its template."""
    for alias in APPS:
        connections[alias].settings_dict["TEST"] |= {"TEMPLATE": template(alias), "MIGRATE": False}


def template(alias: str) -> str:
    """Return the name of the migrated, empty database to copy; it was made now if the migrations are new. One process at a time."""
    prefix = f"template_{alias}_"
    name = prefix + migrations_digest()
    with maintenance(alias) as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [prefix])
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
        found = [row[0] for row in cursor.fetchall()]
        if name in found:
            return name
        for old in found:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(old)))
        making = prefix + "making"
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(making)))
        with connected_to(alias, making):
            migrate(alias)
        cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(making), sql.Identifier(name)))
    return name


def migrations_digest() -> str:
    """Return what changes when a migration does, ours or a package's."""
    digest = hashlib.sha256()
    files = (path for path in PROJECT.glob("[!.]*/**/migrations/*") if path.suffix in {".py", ".sql"})
    for path in [PROJECT / "requirements.txt", *sorted(files)]:
        digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def maintenance(alias: str) -> Iterator[psycopg.Cursor[tuple[str]]]:
    """Give a cursor on the server's own database; the locks it takes end with it."""
    parameters = {**connections[alias].get_connection_params(), "dbname": "postgres"}
    with psycopg.connect(**parameters, autocommit=True) as connection, psycopg.ClientCursor(connection) as cursor:
        yield cursor


@contextmanager
def connected_to(alias: str, name: str) -> Iterator[None]:
    """Let the alias mean another database for a while."""
    connection = connections[alias]
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
