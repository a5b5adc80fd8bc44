"""Order parts as an agent over the API: make the key, read the budget, propose, wait for the decision; survive a kill at any line.

Usage: python -m examples.api_agent REFERENCE [--url http://localhost:8000] [--wait 60]

What is sent is written to a state file before it is sent. Started again, the script sends exactly the same for whatever it does not
know the answer of, under the same key, and gets the same proposal. Ends with 0 when the order stands in the ERP, 1 when it was refused,
75 when nobody has decided yet: start it again later.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from pathlib import Path
from typing import Any

from examples import DATA
from examples.agent_client import AgentClient, Refused, reads_of
from examples.intent import COMPANY, COST_CENTRE, REFUSED, TOOL, State, alone, exit_code, payload, summary


def order(client: AgentClient, state: State, reference: str, seconds: float) -> dict[str, Any]:
    """Propose the order and return its proposal as it stands when it is final, or after so many seconds."""
    if "key" not in state.known:
        state.keep(key=str(uuid.uuid4()))
    if "body" not in state.known:
        budget = client.read("check_budget", COMPANY, {"cost_centre": COST_CENTRE, "year": 2026})
        remaining = budget["result"].get("remaining", "")
        state.keep(
            body={
                "tool": TOOL,
                "company": COMPANY,
                "payload": payload(reference),
                "reads": reads_of([budget]),
                "rationale": f"Stock is below its minimum. Budget {COST_CENTRE} has {remaining} EUR left.",
            }
        )
    if "proposal" not in state.known:
        state.keep(proposal=client.propose(state.known["key"], state.known["body"]))
    current = client.wait(state.known["proposal"], seconds=seconds)
    state.keep(proposal=current)
    return current


def main() -> int:
    """Order, say what became of it and exit accordingly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", help="the requisition that this order is for")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--keys", type=Path, default=DATA / "sample", help="directory with purchasing-agent.pem and .id")
    parser.add_argument("--state", type=Path, help="the state file; one for each order")
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for people and the ERP")
    options = parser.parse_args()
    client = AgentClient.from_files(options.url, options.keys, "purchasing-agent")
    with alone(options.state or DATA / "api-agent" / f"{options.reference}.json") as state:
        try:
            proposal = order(client, state, options.reference, options.wait)
        except Refused as refusal:
            print(refusal, file=sys.stderr)
            return REFUSED
    print(summary(options.reference, proposal))
    return exit_code(proposal)


if __name__ == "__main__":
    sys.exit(main())
