"""Run a command with a PostgreSQL at hand: `python -m config.with_postgres -- pytest …`.

With `DATABASE_URL` and `LEDGER_DATABASE_URL` in the environment the command runs on those; otherwise an embedded server for
throw-away databases is started first (fsync off) and let go afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from config.embedded_postgres import EmbeddedPostgres, exit_on_sigterm
from config.paths import DATA


def main() -> int:
    """Run the command after `--` and return its exit code."""
    command = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if not command:
        print("usage: python -m config.with_postgres -- COMMAND [ARGUMENT ...]", file=sys.stderr)
        return 2
    if "DATABASE_URL" in os.environ and "LEDGER_DATABASE_URL" in os.environ:
        return subprocess.call(command)
    exit_on_sigterm()
    directory = Path(os.environ.get("COUNTERSIGN_TEST_POSTGRES_DIR", DATA / "test-postgres"))
    server = EmbeddedPostgres(directory, is_durable=False)
    try:
        return subprocess.call(command, env={**os.environ, **server.environment()})
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
