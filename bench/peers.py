"""django-ledger and django-hordak posting the same two-leg entry on the same PostgreSQL, in an environment made only for this.

Neither is asked for more than it does by itself: one balanced entry of two legs per transaction, through the calls its
documentation shows. They know no idempotency key, no gapless number and no audit event; what they offer besides is another matter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import psycopg

from bench.results_table import Row

PEERS = {"django_hordak": "peer_hordak.py", "django_ledger": "peer_django_ledger.py"}
PACKAGES = ("django-hordak==2.0.0", "django-ledger==0.8.5", "psycopg[binary]")
ENTRIES = 100
TARGET = 10.0


def figures(home: Path, entries: Row) -> list[Row]:
    """Return how many entries each peer posts per second, and how many times that our ledger posts."""
    python = _environment(home)
    rows = []
    for name, script in PEERS.items():
        database = f"countersign_bench_{name}"
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database}")
            connection.execute(f"CREATE DATABASE {database}")
        url = re.sub(r"/[^/?]+(\?|$)", rf"/{database}\1", os.environ["DATABASE_URL"], count=1)
        answer = subprocess.run(
            [python, "-P", str(Path(__file__).with_name(script)), url, str(ENTRIES)], check=False, capture_output=True, text=True, cwd=home
        )
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        if answer.returncode != 0:
            raise SystemExit(f"{name} could not be measured:\n{answer.stderr[-2000:]}")
        peer = Row.plain(f"{name}_two_leg_entries", float(answer.stdout.splitlines()[-1]), "entries/s")
        print(f"  {name}: {peer.value:.0f} entries/s", flush=True)
        rows += [peer, Row.against(f"ledger_beside_{name}", entries.value, "entries/s", peer, target=TARGET)]
    return rows


def _environment(home: Path) -> str:
    """Return the Python of the peers' environment, made the first time."""
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        print("Installing the peers into an environment of their own …", flush=True)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True, stdout=sys.stderr)
        (home / "complete").touch()
    return str(python)
