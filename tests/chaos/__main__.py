"""`python -m tests.chaos --number 2000 --seed 7`: real processes under seeded faults; the last line says what came of it.

The same seed gives the same intents and the same plan of faults. Which process an ordered fault strikes, and in which of its
batches, is up to the operating system's scheduler.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SETTLE_SECONDS = 240.0
DUMP_SECONDS = 120


def main() -> int:
    """Run in a throw-away installation; return 0 when the property holds."""
    options = _options()
    data = Path(tempfile.mkdtemp(prefix="cs-chaos-"))
    port = _free_port()
    foreign = [name for name in os.environ if name.startswith("COUNTERSIGN_") or name in {"DATABASE_URL", "LEDGER_DATABASE_URL"}]
    for name in (*foreign, "XDG_RUNTIME_DIR"):
        os.environ.pop(name, None)
    os.environ |= {
        "COUNTERSIGN_DATA_DIR": str(data),
        "COUNTERSIGN_STATIC_ROOT": str(data / "static"),
        "COUNTERSIGN_PUBLIC_URL": f"http://localhost:{port}",
        "COUNTERSIGN_WORKERS": str(options.threads),
        # One agent at one address is no crowd.
        "COUNTERSIGN_RATE_AGENT": "off",
        "COUNTERSIGN_RATE_TOOL": "off",
        "COUNTERSIGN_RATE_REFUSED": "off",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    (data / "static").mkdir()
    # Everything below reads the environment when it is imported.
    from config.embedded_postgres import EmbeddedPostgres

    postgres = EmbeddedPostgres(data / "postgres")
    os.environ |= postgres.environment()
    for database, source in zip(("countersign", "ledger"), options.copy_of or (), strict=False):
        _copy(postgres, source, postgres.url(database))
    import django

    django.setup()
    from tests.chaos.house import House
    from tests.chaos.run import remove, run

    house = House(data=data, port=port, postgres=postgres)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    code, result = 1, ""
    try:
        code, result = run(options, house)
    finally:
        house.stop()
        if code == 0 and not options.keep:
            remove(data)
        else:
            print(f"Data and logs stay in {data}", file=sys.stderr, flush=True)
    print(result, flush=True)
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--number", type=int, default=2000, help="how many proposals")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed in the result")
    parser.add_argument("--threads", type=int, default=2, help="task processes in each of the two workers")
    parser.add_argument("--settle-seconds", type=float, default=SETTLE_SECONDS)
    parser.add_argument("--faults", default="", help="kinds to order, joined by commas; default: all of them")
    parser.add_argument("--keep", action="store_true", help="leave the data and the logs of the processes")
    parser.add_argument("--copy-of", nargs=2, metavar="URL", help="two migrated databases to copy instead of migrating two empty ones")
    options = parser.parse_args()
    if options.number < 20:
        parser.error("fewer than 20 proposals leave no room for the faults")
    from tests.chaos.faults import FaultKind

    options.faults = [FaultKind(name) for name in options.faults.split(",")] if options.faults else list(FaultKind)
    options.seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    return options


def _copy(postgres: object, source: str, target: str) -> None:
    """The target database is what the source is, with all its rows."""
    programs = postgres._server.bin_path  # type: ignore[attr-defined]
    dump = subprocess.Popen([programs / "pg_dump", "--no-owner", "--no-privileges", source], stdout=subprocess.PIPE)
    subprocess.run(
        [programs / "psql", "--quiet", "--set", "ON_ERROR_STOP=1", target],
        stdin=dump.stdout,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=DUMP_SECONDS,
    )
    if dump.wait() != 0:
        raise SystemExit(f"{source} could not be copied.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
