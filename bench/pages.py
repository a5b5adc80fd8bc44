"""What people wait for: the pages of the day with many proposals beside the same with few, and how many statements each asks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
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
PAGES = {
    "inbox": "/inbox/",
    "inbox_by_due": "/inbox/?order=due",
    "inbox_by_amount": "/inbox/?order=-amount",
    "inbox_of_group": "/inbox/?view=group",
    "inbox_waiting": "/inbox/?view=waiting",
    "inbox_done": "/inbox/?view=done",
    "today": "/",
}
BATCH = 50
# One in ten waits; the others were refused, so that the commit engine leaves them alone.
COPY = """
INSERT INTO proposals_proposal ({columns})
SELECT {values} FROM proposals_proposal AS template, generate_series(%(first)s::bigint, %(last)s::bigint) AS copy (number)
WHERE template.id = %(template)s
"""
KEY = "(lpad(to_hex(1700000000000 + copy.number), 12, '0') || '7000' || '8' || substr(md5(copy.number::text), 1, 15))::uuid"
PAST = "template.created_at - make_interval(days => 1 + (copy.number %% 400)::int)"
OWN = {
    "id": KEY,
    "idempotency_key": "'bench-copy-' || copy.number",
    "state": "CASE WHEN copy.number %% 10 = 0 THEN 'pending' ELSE 'rejected' END",
    # What waits came within a day and is due within six; the rest was decided over four hundred days.
    "created_at": f"CASE WHEN copy.number %% 10 = 0 THEN template.created_at - interval '26 hours' ELSE {PAST} END",
    "decided_at": f"CASE WHEN copy.number %% 10 = 0 THEN NULL ELSE {PAST} + interval '1 hour' END",
    "expires_at": "template.created_at + make_interval(secs => 86400 + copy.number %% 500000)",
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
    "due_at": "template.due_at + make_interval(secs => copy.number %% 400000)",
}


def figures(url: str, sizes: list[int]) -> list[Row]:
    """Return how the pages and proposing grow with the number of proposals, a tenth of them pending; each size beside the smallest."""
    from kernel.ids import Prefix, encode

    template = a_waiting_proposal().pk
    pages = PAGES | {"proposal_page": f"/proposals/{encode(Prefix.PROPOSAL, template)}/"}
    rows: list[Row] = []
    least: dict[str, Row] = {}
    copied = 0
    for size in sizes:
        started = time.perf_counter()
        _copy(url, template, first=copied + 1, last=size)
        print(f"  {size - copied:,} copies made in {time.perf_counter() - started:.0f} s", flush=True)
        copied = size
        for name, (milliseconds, statements) in looks(pages).items():
            print(f"  with {size:,} proposals: {name} {milliseconds:.0f} ms, {statements} statements", flush=True)
            rows.append(_beside(least, name, f"{name}_p95_of_{size}", milliseconds, "ms", at_most=1.5))
            rows.append(_beside(least, f"{name}_queries", f"{name}_queries_of_{size}", statements, "queries", at_most=1.0))
        rows.append(_beside(least, "propose", f"propose_with_{size}", _one_more(), "ms each"))
    return rows


def looks(pages: Mapping[str, str]) -> dict[str, tuple[float, int]]:
    """Return, for each page, the 95th percentile of its milliseconds, and its statements, both databases together."""
    with approver() as client:
        return {
            name: (percentile([_wait(client, path) for _ in range(LOOKS)], 95) * 1000, _queries(client, path))
            for name, path in pages.items()
        }


def _beside(least: dict[str, Row], kind: str, name: str, value: float, unit: str, **limits: float) -> Row:
    """Return the figure beside the one of the smallest size, which is the first of its kind."""
    if kind in least:
        return Row.growth(name, value, unit, least[kind], **limits)
    least[kind] = Row.plain(name, value, unit)
    return least[kind]


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


# What the trigger on proposals, which the copies pass by, would have added up.
TOTALS = """
INSERT INTO proposals_rollingtotal (agent_id, tool, kept_by, value, hour, company, currency, is_released, minor)
SELECT stored.agent_id, stored.tool, part.kept_by, part.value, date_trunc('hour', stored.created_at, 'UTC'), part.company,
    stored.currency, released.is_so, sum(stored.amount_minor)
FROM proposals_proposal AS stored CROSS JOIN LATERAL (
    VALUES ('agent', '', ''), ('counterparty', stored.counterparty, stored.company), ('cost_centre', stored.cost_centre, stored.company)
) AS part (kept_by, value, company)
JOIN (VALUES (false), (true)) AS released (is_so) ON NOT released.is_so OR stored.state NOT IN ('pending', 'approved')
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""


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
        connection.execute("DELETE FROM proposals_rollingtotal")
        connection.execute(TOTALS)
        for table in ("proposals_proposal", "proposals_rollingtotal", "approvals_route", "approvals_routestep"):
            connection.execute(f"VACUUM (ANALYZE) {table}")


def _columns(connection: psycopg.Connection[tuple[str]], table: str) -> list[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'", [table]
    )
    return [name for (name,) in found]


def _values(columns: list[str], own: dict[str, str]) -> str:
    return ", ".join(own.get(name, f"template.{name}") for name in columns)
