"""Order parts as an agent over MCP: make the key, read the budget, propose, ask until it is decided; survive a kill at any line.

Usage: python -m examples.mcp_agent REFERENCE [--url http://localhost:8000] [--wait 60]

What is sent is written to a state file before it is sent. Started again, the script sends exactly the same for whatever it does not
know the answer of, under the same key, and gets the same proposal. Ends with 0 when the order stands in the ERP, 1 when it was refused,
75 when nobody has decided yet: start it again later.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from examples import DATA
from examples.intent import COMPANY, COST_CENTRE, REFUSED, TOOL, State, alone, exit_code, payload, summary
from examples.mcp_auth import gate_auth

ATTEMPTS = 10
# JSON-RPC's own: the request never was a call, so that sending it again changes nothing.
NEVER_AGAIN = {-32700, -32600, -32601, -32602}


class Refused(Exception):
    """The gate said no: `problem` says why (code, detail, errors[], next_step)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        """Keep what the gate said."""
        super().__init__(f"{problem.get('code')}: {problem.get('detail')} {problem.get('next_step', '')}".strip())
        self.problem = problem


class Gate:
    """The gate's MCP door: a token for each thing to do, bound to a key of this process."""

    def __init__(self, url: str, agent_id: str, key: Path) -> None:
        """Keep where it is and who asks."""
        self.url = url.rstrip("/")
        self.agent_id = agent_id
        self.key = key
        self._auth: dict[tuple[str, str], Any] = {}

    def auth(self, action: str, tool: str) -> Any:
        """Return what buys, renews and shows the tokens for exactly this."""
        if (action, tool) not in self._auth:
            detail = {"type": "countersign_tool", "actions": [action], "tool": tool, "company": COMPANY}
            self._auth[action, tool] = gate_auth(httpx2, gate=self.url, agent_id=self.agent_id, key=self.key, details=[detail])
        return self._auth[action, tool]

    async def call(self, action: str, tool: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a tool says, with a token for `action` and `tool`; asks again when the answer was lost or the gate says so."""
        for attempt in range(ATTEMPTS):
            try:
                async with (
                    httpx2.AsyncClient(auth=self.auth(action, tool), timeout=90) as http,
                    Client(streamable_http_client(f"{self.url}/mcp", http_client=http)) as client,
                ):
                    result = await client.call_tool(name, dict(arguments))
            except Exception as error:
                self._auth.clear()
                # The call may have been carried out. That is what the key is for: the same again returns the same proposal.
                refusal = refusal_of(error)
                if attempt == ATTEMPTS - 1 or (refusal is not None and not refusal.problem.get("retryable", True)):
                    raise refusal or error from error
            else:
                answer: dict[str, Any] = result.structured_content or {}
                # What people, time or the ERP refused is an answer: it has a status. Everything else with an error is a refused call.
                if not result.is_error or "proposal_id" in answer:
                    return answer
                if not answer.get("retryable") or attempt == ATTEMPTS - 1:
                    raise Refused(answer or {"code": "unreadable", "detail": str(result.content)[:500]})
            await asyncio.sleep(min(10.0, 0.2 * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")


def refusal_of(error: BaseException) -> Refused | None:
    """Return what the gate said, which the client's task groups may have wrapped; None when nothing was heard of it."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(refusal_of, error.exceptions)), None)
    if isinstance(error, PermissionError):
        return Refused({"code": "no_token", "detail": str(error), "retryable": False})
    if isinstance(error, MCPError):
        said = error.error.data if isinstance(error.error.data, dict) else {}
        is_worth_retrying = error.error.code not in NEVER_AGAIN
        return Refused({"code": error.error.code, "detail": error.error.message, "retryable": is_worth_retrying, **said})
    return None


async def order(gate: Gate, state: State, reference: str, seconds: float) -> dict[str, Any]:
    """Propose the order and return its proposal as it stands when it is final, or after so many seconds."""
    if "key" not in state.known:
        state.keep(key=str(uuid.uuid4()))
    if "arguments" not in state.known:
        budget = await gate.call("read", "check_budget", "check_budget", {"cost_centre": COST_CENTRE, "year": 2026})
        remaining = budget["result"].get("remaining", "")
        state.keep(
            arguments={
                "idempotency_key": state.known["key"],
                "payload": payload(reference),
                "reads": [budget["read_id"]],
                "rationale": f"Stock is below its minimum. Budget {COST_CENTRE} has {remaining} EUR left.",
            }
        )
    if "proposal_id" not in state.known:
        answer = await gate.call("propose", TOOL, TOOL, state.known["arguments"])
        state.keep(proposal_id=answer["proposal_id"])
    if "ended" not in state.known:
        deadline = time.monotonic() + seconds
        current = await gate.call("propose", TOOL, "get_proposal", {"proposal_id": state.known["proposal_id"]})
        while not current["is_final"] and time.monotonic() < deadline:
            await asyncio.sleep(1)
            current = await gate.call("propose", TOOL, "get_proposal", {"proposal_id": state.known["proposal_id"]})
        if not current["is_final"]:
            return current
        state.keep(ended=current)
    ended: dict[str, Any] = state.known["ended"]
    return ended


def main() -> int:
    """Order, say what became of it and exit accordingly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", help="the requisition that this order is for")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--keys", type=Path, default=DATA / "sample", help="directory with purchasing-agent.pem and .id")
    parser.add_argument("--state", type=Path, help="the state file; one for each order")
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for people and the ERP")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    gate = Gate(
        options.url, (options.keys / "purchasing-agent.id").read_text(encoding="utf-8").strip(), options.keys / "purchasing-agent.pem"
    )
    with alone(options.state or DATA / "mcp-agent" / f"{options.reference}.json") as state:
        try:
            proposal = asyncio.run(order(gate, state, options.reference, options.wait))
        except Refused as refusal:
            print(refusal, file=sys.stderr)
            return REFUSED
    print(summary(options.reference, proposal))
    return exit_code(proposal)


if __name__ == "__main__":
    sys.exit(main())
