"""`make bench`: measure every target of the design in one run, each beside a reference of the same run.

Starts an installation of its own under .data/bench (fsync on), measures, prints a table, writes bench/results/latest.json and
latest.svg, and throws the installation away. SIZE=full takes the sizes of the design (a million proposals and events), which
takes an hour or more; without it the sizes are modest. `COUNTERSIGN_BENCH_PARTS` names parts to measure, separated by commas.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results_table import Row
    from config.supervisor import Child
    from examples.agent_client import AgentClient

HOME = Path(os.environ.get("COUNTERSIGN_DATA_DIR", ".data")).resolve() / "bench"
DATA = HOME / f"run-{secrets.token_hex(3)}"
os.environ["COUNTERSIGN_DATA_DIR"] = str(DATA)
os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
PORT = int(os.environ.get("COUNTERSIGN_BENCH_PORT", "8977"))
os.environ["COUNTERSIGN_PUBLIC_URL"] = URL = f"http://localhost:{PORT}"
os.environ["COUNTERSIGN_DEMO"] = "on"
# Proofs are made before the clock starts, so they have to live as long as the slowest machine takes.
os.environ["COUNTERSIGN_PROOF_LIFETIME_SECONDS"] = "300"
# The quotas are asked like everywhere else; they only never run out.
for quota in ("AGENT", "TOOL", "REFUSED"):
    os.environ[f"COUNTERSIGN_RATE_{quota}"] = "1000000/60"

IS_FULL = os.environ.get("SIZE", "") == "full"
PROPOSALS = int(os.environ.get("COUNTERSIGN_BENCH_PROPOSALS", "5000" if IS_FULL else "1000"))
SINGLE = 300
IDLE = 20
PROPOSAL_SIZES = [1_000, 1_000_000] if IS_FULL else [1_000, 20_000]
EVENT_SIZES = [
    int(size) for size in os.environ.get("COUNTERSIGN_BENCH_EVENTS", "10000,100000,1000000" if IS_FULL else "10000,30000").split(",")
]
RECONCILED = 1_000_000 if IS_FULL else 20_000
SECONDS = 5
PARTS = ("doors", "postings", "commits", "end_to_end", "idle", "chain", "bundles", "pages", "peers", "reconciliation")


def main() -> int:
    """Measure everything and report; exit 0 even when a target is missed, which the table says, 1 when a part could not be measured."""
    from config.embedded_postgres import EmbeddedPostgres, exit_on_sigterm

    exit_on_sigterm()
    DATA.mkdir(parents=True, exist_ok=True)
    server = None
    if "DATABASE_URL" not in os.environ:
        server = EmbeddedPostgres(DATA / "postgres")
        os.environ.update(server.environment())
    try:
        subprocess.run([sys.executable, "manage.py", "set_up", "--sample"], check=True, stdout=subprocess.DEVNULL)
        import django

        django.setup()
        return _measure()
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(DATA, ignore_errors=True)


def _measure() -> int:
    from bench import figures
    from bench.agent import bench_agent
    from bench.results_table import report

    run = Run(set(os.environ.get("COUNTERSIGN_BENCH_PARTS", ",".join(PARTS)).split(",")))
    _say("raw pgbench")
    tpcb = figures.raw_pgbench(SECONDS)
    run.rows.append(tpcb)
    run.part("postings", "postings of the ledger alone", lambda: figures.ledger_postings(tpcb))
    figures.make_bare_table()
    _over_http(run, bench_agent(URL), tpcb)
    _in_process(run)
    report(run.rows)
    for name, reason in run.failed.items():
        print(f"{name} could not be measured: {reason}")
    return 1 if run.failed else 0


@dataclass(slots=True)
class Run:
    """One run: what was measured, and which parts could not be."""

    wanted: set[str]
    rows: list[Row] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def part(self, name: str, title: str, measured: Callable[[], list[Row]]) -> None:
        """Measure one part if it is wanted; one that fails is said so at the end and leaves the others alone."""
        if name not in self.wanted:
            return
        _say(title)
        try:
            self.rows += measured()
        except (Exception, SystemExit) as error:  # noqa: BLE001  one part must not cost the figures of the others
            traceback.print_exc()
            self.failed[name] = str(error) or type(error).__name__

    def row(self, name: str) -> Row:
        """Return a row that was measured before; raises LookupError."""
        found = next((row for row in self.rows if row.name == name), None)
        if found is None:
            raise LookupError(f"{name} stands beside it and was not measured: name its part as well.")
        return found


def _over_http(run: Run, client: AgentClient, tpcb: Row) -> None:
    """Measure what goes through the running processes of the installation."""
    from bench import figures
    from config.supervisor import children

    processes = {child.name: child for child in children("127.0.0.1", PORT, 2)}
    with running(processes["web"]), running(processes["sealer"]):
        figures.wait_until_ready(URL)
        run.part("doors", f"{4 * SINGLE} single requests: proposals beside the bare endpoint", lambda: figures.doors(client, SINGLE))
        run.part(
            "commits",
            f"{PROPOSALS} proposals in batches, then their commits in one process",
            lambda: figures.commits(client, PROPOSALS, tpcb),
        )
        with running(processes["worker"]):
            run.part("end_to_end", f"{PROPOSALS} proposals end to end", lambda: figures.end_to_end(client, PROPOSALS, tpcb))
            run.part("idle", f"{IDLE} proposals, one at a time, on an idle installation", lambda: [figures.idle_latency(client, IDLE)])


def _in_process(run: Run) -> None:
    """Measure what needs no process of the installation: the chain, the pages, the peers, reconciliation."""
    from bench import bundles, figures, log_growth, pages, peers, reconciliation

    run.part("chain", "verification of the chain", figures.chain_verification)
    chains: list[Row] = []
    made: dict[str, Row] = {}
    for size in EVENT_SIZES:
        run.part("chain", f"verification of {size:,} events", partial(log_growth.figures, size, chains))
        run.part("bundles", f"a bundle of {size:,} events", partial(bundles.figures, size, made))
    run.part(
        "pages", f"pages, with up to {PROPOSAL_SIZES[-1]:,} proposals", lambda: pages.figures(os.environ["DATABASE_URL"], PROPOSAL_SIZES)
    )
    run.part("peers", "django-hordak and django-ledger", lambda: peers.figures(HOME / "peers", run.row("ledger_entries_batches_of_50")))
    run.part("reconciliation", f"reconciliation of {RECONCILED:,} against {RECONCILED:,}", lambda: reconciliation.figures(RECONCILED))


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what} …", flush=True)


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
