"""The load: an agent of the bench's own with wide ceilings, and batches of small orders that the policy approves by itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx

from bench.wire import on_the_wire
from examples.agent_client import AgentClient, ProofOfPossession

TOOL = "create_purchase_order"
COMPANY = "DE01"
BATCH = 100


def order(number: int) -> dict[str, Any]:
    """Return a small order, within the automatic row of the sample policy; none is the same twice, which would be drift."""
    return {
        "vendor": "70003",
        "reference": f"BENCH-{number}-{uuid.uuid4().hex[:12]}",
        "ordered_on": "2026-11-20",
        "cost_centre": "4010",
        "currency": "EUR",
        "lines": [{"item": "P-1007", "quantity": "1", "unit_price": "0.01"}],
    }


def propose_batches(client: AgentClient, count: int) -> tuple[list[Mapping[str, Any]], float]:
    """Propose `count` orders in batches; return the answers and the seconds it took."""
    answers: list[Mapping[str, Any]] = []
    started = time.perf_counter()
    for first in range(0, count, BATCH):
        items = [
            {"idempotency_key": str(uuid.uuid4()), "tool": TOOL, "company": COMPANY, "payload": order(number)}
            for number in range(first, min(first + BATCH, count))
        ]
        answers += client.propose_batch(TOOL, COMPANY, items)
    return answers, time.perf_counter() - started


def proposal_requests(client: AgentClient, count: int) -> list[bytes]:
    """Return so many proposals as they go over the wire, each with a token's proof of its own and a key of its own."""
    token = client.token("propose", TOOL, COMPANY)
    made = []
    for number in range(count):
        request = client.http.build_request(
            "POST",
            f"{client.base_url}/api/v1/proposals",
            json={"tool": TOOL, "company": COMPANY, "payload": order(number)},
            headers={"Idempotency-Key": f'"{uuid.uuid4()}"'},
        )
        made.append(on_the_wire(next(ProofOfPossession(client.proof_key, token).auth_flow(request))))
    return made


def bare_requests(url: str, count: int) -> list[bytes]:
    """Return so many requests to the bare endpoint, of about the size of a proposal."""
    body = {"text": "x" * 240}
    return [on_the_wire(httpx.Request("POST", f"{url}/bench/bare", json=body)) for _ in range(count)]
