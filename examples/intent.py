"""What an agent that orders one thing writes down before it acts, in a file that outlives it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMPANY = "DE01"
COST_CENTRE = "4010"
TOOL = "create_purchase_order"
DONE, REFUSED, UNDECIDED = 0, 1, 75
LANDED = {"committed", "logged"}


class State:
    """What this agent intends and what it was told, in a file that outlives it and is never half written."""

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one."""
        self.path = path
        self.known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def keep(self, **facts: Any) -> None:
        """Write facts down; when this returns, they survive a kill and a power cut."""
        known = self.known | facts
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(known, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        # Whoever reads finds the old file or the new one, whole.
        new.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.known = known


@contextmanager
def alone(path: Path) -> Iterator[State]:
    """Give out the state while no other run of this agent has it; the lock ends with the process, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield State(path)


def payload(reference: str) -> dict[str, Any]:
    """Return what is ordered: decimals and dates are strings."""
    line = {"item": "P-1007", "quantity": "60", "unit_price": "1.7200"}
    return {
        "vendor": "70003",
        "reference": reference,
        "ordered_on": "2026-11-23",
        "cost_centre": COST_CENTRE,
        "currency": "EUR",
        "lines": [line],
    }


def summary(reference: str, proposal: dict[str, Any]) -> str:
    """Return one line about how far the order has come."""
    feedback, outcome = proposal["feedback"] or {}, proposal["outcome"] or {}
    words = [reference, proposal["id"], proposal["status"], outcome.get("document"), feedback.get("comment")]
    return " ".join(filter(None, words))


def exit_code(proposal: dict[str, Any]) -> int:
    """Return 0 for an order that stands in the ERP, 1 for a refused one, 75 while nobody has decided."""
    if not proposal["is_final"]:
        return UNDECIDED
    return DONE if proposal["status"] in LANDED else REFUSED
