"""Replay a directory of purchase orders as an agent: make the key, read the budget, propose; survive a kill at any line.

Usage: python -m examples.replay_purchase_orders DIRECTORY [--url http://localhost:8000]

What is sent is written to a state file before it is sent. Started again, or twice at once, the script sends exactly the same for
whatever it does not know the answer of, under the same key, and gets the same proposal.
"""

from __future__ import annotations

import argparse
import csv
import json
import sqlite3
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from examples import DATA
from examples.agent_client import AgentClient, Refused, reads_of

COMPANY = "US01"
COST_CENTRE = "PURCH"
CURRENCY = "USD"
TOOL = "create_purchase_order"
THREADS = 4


class State:
    """What this agent intends and what it was told, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; several runs may have it open, for instance one whose parent was killed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA synchronous=FULL")
        self._file.execute("CREATE TABLE IF NOT EXISTS intent (number TEXT PRIMARY KEY, key TEXT NOT NULL, body TEXT, proposal TEXT)")

    def intend(self, order_number: str, key: str) -> tuple[str, str | None, str | None]:
        """Return key, body and proposal of an order, writing the key down first when it is new."""
        with self._lock:
            self._file.execute("INSERT OR IGNORE INTO intent (number, key) VALUES (?, ?)", (order_number, key))
            row = self._file.execute("SELECT key, body, proposal FROM intent WHERE number = ?", (order_number,)).fetchone()
        return row[0], row[1], row[2]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def fix_body(self, order_number: str, body: str) -> str:
        """Return the body to send, written down before it is sent: this one, or the one that another run wrote first."""
        with self._lock:
            self._file.execute("UPDATE intent SET body = ? WHERE number = ? AND body IS NULL", (body, order_number))
            row = self._file.execute("SELECT body FROM intent WHERE number = ?", (order_number,)).fetchone()
        return str(row[0])

    def keep_proposal(self, order_number: str, proposal: str) -> None:
        """Write down what the gate answered."""
        with self._lock:
            self._file.execute("UPDATE intent SET proposal = ? WHERE number = ?", (proposal, order_number))


def orders_of(directory: Path) -> list[dict[str, Any]]:
    """Return the payloads of all orders, oldest first, each with its `number`."""
    lines = defaultdict(list)
    with (directory / "purchase_order_lines.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            line = {"item": row["product_id"], "quantity": row["quantity"], "unit_price": plain(row["unit_price"])}
            lines[row["purchase_order_id"]].append(line)
    with (directory / "purchase_orders.csv").open(encoding="utf-8", newline="") as file:
        return [
            {
                "number": row["purchase_order_id"],
                "vendor": row["vendor_id"],
                "reference": f"PO-{row['purchase_order_id']}",
                "ordered_on": row["order_date"][:10],
                "cost_centre": COST_CENTRE,
                "currency": CURRENCY,
                "lines": lines[row["purchase_order_id"]],
            }
            for row in csv.DictReader(file)
        ]


def plain(number: str) -> str:
    """Return a decimal with a digit before the point: ".50" becomes "0.50"."""
    return f"0{number}" if number.startswith(".") else number


def propose(client: AgentClient, state: State, order: dict[str, Any]) -> str:
    """Propose one order and return its proposal's id; whatever was proposed before a kill is found again."""
    number = order["number"]
    key, body, proposal = state.intend(number, f"replay-{COMPANY}-{number}")
    if proposal:
        return proposal
    if body is None:
        year = order["ordered_on"][:4]
        budget = client.read("check_budget", COMPANY, {"cost_centre": COST_CENTRE, "year": int(year)})
        payload = {name: value for name, value in order.items() if name != "number"}
        remaining = budget["result"].get("remaining", "")
        rationale = f"Order {number} of the purchasing system. Budget {COST_CENTRE} {year} has {remaining} {CURRENCY} left."
        request = {"tool": TOOL, "company": COMPANY, "payload": payload, "reads": reads_of([budget]), "rationale": rationale}
        body = state.fix_body(number, json.dumps(request, sort_keys=True))
    answer = client.propose(key, json.loads(body))
    state.keep_proposal(number, answer["id"])
    return str(answer["id"])


def main() -> int:
    """Propose every order; exit 0 when each has its proposal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--keys", type=Path, default=DATA / "sample", help="directory with replay-agent.pem and .id")
    parser.add_argument("--state", type=Path, default=DATA / "replay" / "agent.sqlite3")
    options = parser.parse_args()
    state = State(options.state)
    local = threading.local()
    refused: list[str] = []

    def one(order: dict[str, Any]) -> None:
        if not hasattr(local, "client"):
            local.client = AgentClient.from_files(options.url, options.keys, "replay-agent")
        try:
            propose(local.client, state, order)
        except Refused as refusal:
            refused.append(f"order {order['number']}: {refusal}")

    orders = orders_of(options.directory)
    with ThreadPoolExecutor(THREADS) as pool, tqdm(total=len(orders), desc="Proposed", unit="order", smoothing=0) as bar:
        for _ in pool.map(one, orders):
            bar.update()
    for line in refused:
        print(line, file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
