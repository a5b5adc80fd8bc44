"""What people wait for: the inbox with many proposals beside the inbox with few, and how many queries the pages ask."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from bench.load import COMPANY, TOOL, order
from bench.ranks import percentile
from bench.results_table import Row

if TYPE_CHECKING:
    from django.test import Client

    from proposals.models import Proposal

APPROVER = "maria"
LOOKS = 30
BATCH = 50
# One in ten waits; the others were refused, so that the commit engine leaves them alone.
COPY = """
INSERT INTO proposals_proposal ({columns})
SELECT {values} FROM proposals_proposal AS template, generate_series(%(first)s::bigint, %(last)s::bigint) AS copy (number)
WHERE template.id = %(template)s
"""
KEY = "(lpad(to_hex(1700000000000 + copy.number), 12, '0') || '7000' || '8' || substr(md5(copy.number::text), 1, 15))::uuid"
OWN = {
    "id": KEY,
    "idempotency_key": "'bench-copy-' || copy.number",
    "state": "CASE WHEN copy.number %% 10 = 0 THEN 'pending' ELSE 'rejected' END",
    "decided_at": "CASE WHEN copy.number %% 10 = 0 THEN NULL ELSE template.created_at END",
    "expires_at": "template.created_at + make_interval(secs => 86400 + copy.number %% 500000)",
    "created_at": "template.created_at - interval '26 hours'",
    "amount_minor": "100 + copy.number %% 1000",
}
ROUTES = """
INSERT INTO approvals_route ({columns})
SELECT {values} FROM approvals_route AS template, generate_series(%(first)s::bigint, %(last)s::bigint) AS copy (number)
WHERE template.proposal_id = %(template)s
"""
STEPS = """
INSERT INTO approvals_routestep ({columns})
SELECT {values} FROM approvals_routestep AS template, generate_series(%(first)s::bigint, %(last)s::bigint) AS copy (number)
WHERE template.route_id = %(template)s
"""
OWN_STEP = {
    "route_id": KEY,
    "state": "CASE WHEN copy.number %% 10 = 0 THEN template.state ELSE 'ended' END",
    "satisfied_at": "NULL",
}


def figures(url: str, sizes: list[int]) -> list[Row]:
    """Return the pages' queries, and how inbox and proposing grow with the number of proposals."""
    template = a_waiting_proposal()
    return query_counts(template) + growth(url, template.pk, sizes)


def query_counts(proposal: Proposal) -> list[Row]:
    """Return how many queries the inbox and one proposal's page ask, both databases together."""
    with approver() as client:
        return [
            Row.plain("inbox_queries", _queries(client, "/inbox/"), "queries"),
            Row.plain("proposal_page_queries", _queries(client, f"/proposals/{proposal.public_id}/"), "queries"),
        ]


def growth(url: str, template: uuid.UUID, sizes: list[int]) -> list[Row]:
    """Return the 95th percentiles of inbox and proposal page, and the cost of one more proposal, a tenth of so many pending.

    Each size stands beside the smallest; all are the same agent's of the last 30 days, so its rolling sums run over all of them.
    """
    from kernel.ids import Prefix, encode

    rows: list[Row] = []
    copied = 0
    for size in sizes:
        _copy(url, template, first=copied + 1, last=size)
        copied = size
        with approver() as client:
            inbox = percentile([_wait(client, "/inbox/") for _ in range(LOOKS)], 95) * 1000
            address = f"/proposals/{encode(Prefix.PROPOSAL, template)}/"
            page = percentile([_wait(client, address) for _ in range(LOOKS)], 95) * 1000
        one_more = _one_more()
        print(f"  with {size:,} proposals: inbox {inbox:.0f} ms, proposal {page:.0f} ms, one more {one_more:.1f} ms", flush=True)
        found = [
            Row.plain(f"inbox_p95_of_{size}", inbox, "ms"),
            Row.plain(f"propose_with_{size}", one_more, "ms each"),
            Row.plain(f"proposal_page_p95_of_{size}", page, "ms"),
        ]
        if rows:
            found = [
                Row.growth(found[0].name, inbox, "ms", rows[0], at_most=1.5),
                Row.growth(found[1].name, one_more, "ms each", rows[1]),
                Row.growth(found[2].name, page, "ms", rows[2], at_most=1.5),
            ]
        rows += found
    return rows


def _one_more() -> float:
    """Return the milliseconds that one proposal of a batch takes, in process: the best of three batches."""
    from bench.agent import principal
    from kernel.clock import now
    from proposals.body import parse_proposal
    from proposals.services import Request, propose_many

    best = float("inf")
    for _ in range(3):
        bodies = [parse_proposal({"tool": TOOL, "company": COMPANY, "payload": order(number)}) for number in range(BATCH)]
        requests = [Request(str(uuid.uuid4()), body) for body in bodies]
        started = time.perf_counter()
        propose_many(principal=principal(), requests=requests, now=now())
        best = min(best, (time.perf_counter() - started) * 1000 / BATCH)
    return best


def a_waiting_proposal() -> Proposal:
    """Return a proposal of the bench's agent that waits for people: an order above what the policy approves by itself."""
    from bench.agent import principal
    from kernel.clock import now
    from proposals.body import parse_proposal
    from proposals.services import propose

    payload = order(0) | {"lines": [{"item": "P-1007", "quantity": "1", "unit_price": "4000.00"}]}
    body = parse_proposal({"tool": TOOL, "company": COMPANY, "payload": payload})
    proposal = propose(principal=principal(), idempotency_key=str(uuid.uuid4()), body=body, now=now()).proposal
    if proposal.state != "pending":
        raise SystemExit(f"The template should wait for people, but is {proposal.state}.")
    return proposal


@contextmanager
def approver() -> Iterator[Client]:
    """Return a browser in which an approver of the sample is signed in."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(get_user_model().objects.get(username=APPROVER), backend="django.contrib.auth.backends.ModelBackend")
    client.get("/inbox/")  # what is looked up once per process is not the page's
    yield client


def _queries(client: Client, path: str) -> int:
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connections["default"]) as own, CaptureQueriesContext(connections["ledger"]) as erp:
        _wait(client, path)
    return len(own) + len(erp)


def _wait(client: Client, path: str) -> float:
    started = time.perf_counter()
    answer = client.get(path)
    seconds = time.perf_counter() - started
    if answer.status_code != 200:
        raise SystemExit(f"{path} answers {answer.status_code}.")
    return seconds


def _copy(url: str, template: uuid.UUID, *, first: int, last: int) -> None:
    """Insert copies of the template with route and steps, past triggers and foreign keys: only their number matters here."""
    values = {"template": template, "first": first, "last": last}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        own = _columns(connection, "proposals_proposal")
        route = _columns(connection, "approvals_route")
        connection.execute(COPY.format(columns=", ".join(own), values=_values(own, OWN)), values)
        connection.execute(ROUTES.format(columns=", ".join(route), values=_values(route, {"proposal_id": KEY})), values)
        step = [name for name in _columns(connection, "approvals_routestep") if name != "id"]
        connection.execute(STEPS.format(columns=", ".join(step), values=_values(step, OWN_STEP)), values)
        for table in ("proposals_proposal", "approvals_route", "approvals_routestep"):
            connection.execute(f"VACUUM (ANALYZE) {table}")


def _columns(connection: psycopg.Connection[tuple[str]], table: str) -> list[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'", [table]
    )
    return [name for (name,) in found]


def _values(columns: list[str], own: dict[str, str]) -> str:
    return ", ".join(own.get(name, f"template.{name}") for name in columns)
