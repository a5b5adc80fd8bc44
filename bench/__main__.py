"""`make bench`: measure the commit path and the way from proposal to sealed evidence beside raw pgbench, in one run.

Starts an installation of its own under .data/bench (fsync on), measures, prints a table, writes bench/results/latest.json.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.supervisor import Child

BENCH_DATA = Path(".data/bench").resolve()
os.environ["COUNTERSIGN_DATA_DIR"] = str(BENCH_DATA)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
PORT = int(os.environ.get("COUNTERSIGN_BENCH_PORT", "8977"))
os.environ["COUNTERSIGN_PUBLIC_URL"] = URL = f"http://localhost:{PORT}"
os.environ["COUNTERSIGN_DEMO"] = "on"
PROPOSALS = int(os.environ.get("COUNTERSIGN_BENCH_PROPOSALS", "2000"))
SECONDS = 5


def main() -> int:
    """Measure everything and report; exit 0 even when a target is missed, which the table says."""
    from config.embedded_postgres import EmbeddedPostgres

    BENCH_DATA.mkdir(parents=True, exist_ok=True)
    server = None
    if "DATABASE_URL" not in os.environ:
        server = EmbeddedPostgres(BENCH_DATA / "postgres")
        os.environ.update(server.environment())
    try:
        subprocess.run([sys.executable, "manage.py", "set_up", "--sample"], check=True)
        import django

        django.setup()
        return _measure()
    finally:
        if server is not None:
            server.stop()


def _measure() -> int:
    from bench import figures
    from bench.agent import bench_agent
    from bench.load import propose_batches
    from bench.results_table import report
    from config.supervisor import children

    web, worker, sealer, _bulk = children("127.0.0.1", PORT, 2)
    tpcb = figures.raw_pgbench(SECONDS)
    rows = [tpcb]
    with running(web), running(sealer):
        figures.wait_until_ready(URL)
        client = bench_agent(URL)
        rows.append(figures.ledger_postings(tpcb))
        print(f"Proposing {PROPOSALS} orders in batches …", flush=True)
        answers, seconds = propose_batches(client, PROPOSALS)
        figures.require_approved(answers)
        rows.append(figures.propose_row(len(answers) / seconds, tpcb))
        print("Committing them in one process …", flush=True)
        rows.append(figures.commit_path(tpcb))
        print(f"Proposing {PROPOSALS} more with the worker running …", flush=True)
        with running(worker):
            started = time.perf_counter()
            answers, _ = propose_batches(client, PROPOSALS)
            figures.require_approved(answers)
            figures.wait_until_sealed(answers)
            rows.append(figures.end_to_end(len(answers) / (time.perf_counter() - started), tpcb))
        rows += figures.chain_verification()
    report(rows)
    return 0


@contextmanager
def running(child: Child) -> Iterator[None]:
    """Keep one process of the installation running inside the block."""
    child.start()
    try:
        yield
    finally:
        child.ask_to_stop()
        assert child.running is not None
        with suppress(subprocess.TimeoutExpired):
            child.running.wait(timeout=12)
        child.kill_group()


if __name__ == "__main__":
    sys.exit(main())
