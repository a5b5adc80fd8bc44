"""The load: an agent of the bench's own with wide ceilings, and batches of small orders that the policy approves by itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from examples.agent_client import AgentClient

TOOL = "create_purchase_order"
COMPANY = "DE01"
BATCH = 100


def order(number: int) -> dict[str, Any]:
    """Return a small order, within the automatic row of the sample policy."""
    return {
        "vendor": "70003",
        "reference": f"BENCH-{number}",
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
