"""Entry of a worker and of a sealer that can be struck: `python -m tests.chaos.victims NAME COMMAND …`, as manage.py would run it.

Everything that goes wrong is patched in here, at start; the product has nothing of it but the named points of commits/crash_points.py.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from tests.chaos.faults import SETTLED_OFFSET_SECONDS, FaultKind, Orders, offset_path, settled_path

# Leases are taken over after seconds instead of two minutes, so that a run takes minutes instead of hours.
LEASE_SECONDS = 8
LEASE_MARGIN_SECONDS = 3
FROZEN_SECONDS = 2
BREAKER_SECONDS = 2
ROUND_LIMIT = 12
MEETING_SECONDS = 1.0

orders = Orders()


def patch_clock(name: str) -> None:
    """Let this process's clock be wrong by what a file says, before anybody imported it."""
    import kernel.clock

    path = offset_path(orders.root, name)

    def offset() -> float:
        try:
            return float(path.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0.0

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=offset())  # noqa: TID251  this is the clock

    # Once everything is to settle, whatever was put off is due: the shared clock is ahead then, in every worker.
    shared_clock, settled = kernel.clock.shared_clock, settled_path(orders.root)

    def clock() -> Callable[[], datetime]:
        if wrong_by := offset():
            orders.write("worked", worker=name, offset=wrong_by)
        ahead = timedelta(seconds=SETTLED_OFFSET_SECONDS if settled.exists() else 0)
        shared = shared_clock()
        return lambda: shared() + ahead

    kernel.clock.now = now
    kernel.clock.shared_clock = clock


def patch_crash_points() -> None:
    """Let the named points ask for orders, before anybody imported them."""
    import commits.crash_points
    from commits.crash_points import CrashPoint

    kinds: dict[CrashPoint, FaultKind] = {point: FaultKind(f"kill_{point}") for point in CrashPoint if point is not CrashPoint.AFTER_SEND}
    # Where the engine says "after send", the ERP has committed.
    kinds[CrashPoint.AFTER_SEND] = FaultKind.KILL_AFTER_ERP_COMMIT

    def crash_point(point: CrashPoint) -> None:
        orders.strike(kinds[point])

    commits.crash_points.crash_point = crash_point


def patch(owner: object, name: str, value: object) -> None:
    """Replace what is there; a name that is not there any more is a mistake of this file."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} to patch")
    setattr(owner, name, value)


def patch_pace() -> None:
    """Make leases short and batches small: more places for things to meet."""
    from commits.services import breaker, claiming, freezing, rounds, sending
    from gateway.faults import connector

    patch(claiming, "LEASE_SECONDS", LEASE_SECONDS)
    patch(sending, "LEASE_MARGIN_SECONDS", LEASE_MARGIN_SECONDS)
    patch(freezing, "FROZEN_SECONDS", FROZEN_SECONDS)
    patch(breaker, "OPEN_SECONDS", BREAKER_SECONDS)
    patch(breaker, "PROBE_SECONDS", LEASE_SECONDS)
    patch(connector, "RETRY_AFTER_SECONDS", BREAKER_SECONDS)
    defaults = rounds.run_round.__kwdefaults__
    assert defaults is not None
    assert "limit" in defaults
    defaults["limit"] = ROUND_LIMIT


def patch_ledger() -> None:
    """Die while the ERP has the request and has not committed."""
    from ledger.services import batch

    store = vars(batch)["store"]

    @wraps(store)
    def dying_store(*arguments: Any, **values: Any) -> None:
        store(*arguments, **values)
        orders.strike(FaultKind.KILL_AFTER_SEND)

    patch(batch, "store", dying_store)


def patch_queue() -> None:
    """Die between the end of a task and its acknowledgement."""
    from kernel.queue import SkipLockedBroker

    acknowledge = SkipLockedBroker.acknowledge

    def dying(self: SkipLockedBroker, task_id: int) -> Any:
        orders.strike(FaultKind.KILL_DURING_ACKNOWLEDGEMENT)
        return acknowledge(self, task_id)

    patch(SkipLockedBroker, "acknowledge", dying)


def patch_tasks() -> None:
    """Write down who did which task when, and let the two deliveries of one task begin together."""
    import commits.tasks

    def watched(task: Callable[..., str]) -> Callable[..., str]:
        @wraps(task)
        def run(*ids: str) -> str:
            meeting = next((word for word in ids if word.startswith("double-")), "")
            if not meeting:
                return task(*ids)
            _meet(meeting)
            began = time.monotonic()
            try:
                return task(*ids)
            finally:
                orders.write("delivery", task=meeting, pid=os.getpid(), began=began, ended=time.monotonic())

        return run

    patch(commits.tasks, "run_commits", watched(commits.tasks.run_commits))


def _meet(meeting: str) -> None:
    place = orders.root / "meetings" / meeting
    place.mkdir(parents=True, exist_ok=True)
    (place / str(os.getpid())).touch()
    until = time.monotonic() + MEETING_SECONDS
    while time.monotonic() < until and len(list(place.iterdir())) < 2:
        time.sleep(0.005)


class ConnectionCut(Exception):
    """The line was cut after the ERP had committed and before it could say so."""


def patch_connector() -> None:
    """Cut the line to the ERP after it has committed and before it can say so."""
    from gateway.connectors.embedded import EmbeddedConnector

    commit_many = EmbeddedConnector.commit_many

    @wraps(commit_many)
    def cut(self: EmbeddedConnector, requests: Sequence[Any], **values: Any) -> Any:
        outcomes = commit_many(self, requests, **values)
        if orders.take(FaultKind.CONNECTION_CUT_AFTER_ERP_COMMIT):
            orders.write("cut", keys=[str(request.key) for request in requests])
            _cut_ledger_line()
            raise ConnectionCut("the line was cut after the ERP's commit")
        return outcomes

    patch(EmbeddedConnector, "commit_many", cut)


def _cut_ledger_line() -> None:
    from django.db import connections

    ledger = connections["ledger"].connection
    with socket.socket(fileno=os.dup(ledger.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)


def patch_sealer() -> None:
    """Die after the seals were inserted and before the frontier is, in the middle of the sealer's transaction."""
    from audit import sealer

    class DyingManager:
        def __getattr__(self, name: str) -> Any:
            if name == "create":
                orders.strike(FaultKind.KILL_SEALER_MID_BATCH)
            return getattr(sealer_rows.objects, name)

    class DyingFrontier:
        objects = DyingManager()

    sealer_rows = vars(sealer)["FrontierRow"]
    patch(sealer, "FrontierRow", DyingFrontier)


def main() -> None:
    """Patch, then run the command."""
    name, command = sys.argv[1], sys.argv[2:]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.path.insert(0, str(Path.cwd()))
    patch_clock(name)
    patch_crash_points()
    import django

    django.setup()
    if name == "sealer":
        patch_sealer()
    elif name == "bulk":
        patch_queue()
    else:
        for step in (patch_pace, patch_ledger, patch_queue, patch_tasks, patch_connector):
            step()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *command])


if __name__ == "__main__":
    main()
