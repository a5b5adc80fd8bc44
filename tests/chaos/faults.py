"""The kinds of fault, when each is ordered, and how an order reaches the process that it strikes.

An order is an empty file. The process that comes first to the place moves it away under its own name and then suffers: what was
ordered and what happened are told apart, and one order strikes once.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

DIRECTORY_VARIABLE = "COUNTERSIGN_CHAOS_DIR"


class FaultKind(StrEnum):
    """What goes wrong."""

    KILL_BEFORE_CLAIM = "kill_before_claim"
    KILL_IN_CLAIM = "kill_in_claim"
    KILL_AFTER_CLAIM = "kill_after_claim"
    KILL_BEFORE_SEND = "kill_before_send"
    # The ERP has the request and has not committed.
    KILL_AFTER_SEND = "kill_after_send"
    KILL_AFTER_ERP_COMMIT = "kill_after_erp_commit"
    KILL_BEFORE_SETTLE = "kill_before_settle"
    KILL_IN_SETTLE = "kill_in_settle"
    KILL_AFTER_SETTLE = "kill_after_settle"
    KILL_DURING_ACKNOWLEDGEMENT = "kill_during_acknowledgement"
    KILL_SEALER_MID_BATCH = "kill_sealer_mid_batch"
    CONNECTION_CUT_AFTER_ERP_COMMIT = "connection_cut_after_erp_commit"
    # The embedded ERP's own fault modes.
    ERP_DOWN = "erp_down"
    ERP_RATE_LIMITED = "erp_rate_limited"
    ERP_LOCKED = "erp_locked"
    ERP_NO_ANSWER = "erp_no_answer"
    ERP_COMMIT_THEN_DROP = "erp_commit_then_drop"
    ERP_LATE_ANSWER = "erp_late_answer"
    ERP_SLOW = "erp_slow"
    ERP_DELIVERED_TWICE = "erp_delivered_twice"
    ERP_ERROR_IN_OK = "erp_error_in_ok"
    ERP_DUPLICATE_500 = "erp_duplicate_500"
    ERP_WRONG_ANSWER = "erp_wrong_answer"
    ERP_RENUMBERED = "erp_renumbered"
    ERP_STRAY_DRAFT = "erp_stray_draft"
    ERP_REDATED = "erp_redated"
    ERP_TAXED = "erp_taxed"
    DOUBLE_DELIVERY = "double_delivery"
    POSTGRES_RESTART = "postgres_restart"
    CLOCK_JUMP = "clock_jump"
    KEY_ROTATION = "key_rotation"
    MISSED_NIGHTS = "missed_nights"
    SAME_KEY_FROM_16_THREADS = "same_key_from_16_threads"
    SAME_KEY_OTHER_PAYLOAD = "same_key_other_payload"


# Beyond the longest jump and the longest backoff.
SETTLED_OFFSET_SECONDS = 3 * 3600
F = FaultKind
KILLS = tuple(kind for kind in FaultKind if kind.startswith("kill_"))
# Struck by the process that finds the order lying there.
ORDERED = (*KILLS, F.CONNECTION_CUT_AFTER_ERP_COMMIT)
# Switched on in a row of the gate's database; the row counts each strike.
MODES = {kind: kind.removeprefix("erp_") for kind in FaultKind if kind.startswith("erp_")}
# How many of a thousand proposals come with one; each kind strikes at least once.
PER_THOUSAND: Mapping[FaultKind, float] = defaultdict(
    lambda: 4.0,
    {
        F.POSTGRES_RESTART: 2.0,
        F.KEY_ROTATION: 1.0,
        F.MISSED_NIGHTS: 0.0,
        F.DOUBLE_DELIVERY: 10.0,
        F.SAME_KEY_FROM_16_THREADS: 6.0,
        F.SAME_KEY_OTHER_PAYLOAD: 10.0,
    },
)


def chance(seed: int, part: str) -> random.Random:
    """Return the source of chance of one part of a run: reproducible, not secret."""
    return random.Random(f"{seed}-{part}")  # noqa: S311


def plan(source: random.Random, number: int, kinds: Sequence[FaultKind] = tuple(FaultKind)) -> dict[int, list[FaultKind]]:
    """Return which faults begin at which of so many proposals; each kind begins at least once."""
    planned: dict[int, list[FaultKind]] = defaultdict(list)
    for kind in kinds:
        for _ in range(max(1, round(PER_THOUSAND[kind] * number / 1000))):
            planned[source.randrange(number // 20, max(number // 20 + 1, number * 17 // 20))].append(kind)
    return planned


@dataclass(frozen=True, slots=True)
class Taken:
    """An order that a process took: which, who, and since when that process lived."""

    kind: FaultKind
    pid: int
    created: float

    @property
    def has_died(self) -> bool:
        """Return whether the process is gone; another one may have its number by now."""
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() != self.created or process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True


class Orders:
    """The orders of one run, in a directory that every process can see."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(os.environ[DIRECTORY_VARIABLE])
        self.waiting, self.taken, self.journal_path = self.root / "waiting", self.root / "taken", self.root / "journal.jsonl"
        for kind in ORDERED:
            (self.waiting / kind).mkdir(parents=True, exist_ok=True)
        self.taken.mkdir(exist_ok=True)

    def place(self, kind: FaultKind, number: int, *, is_for_group: bool = False) -> None:
        """An order lies there until somebody takes it."""
        (self.waiting / kind / f"{number}{'-group' if is_for_group else ''}").touch()

    def outstanding(self) -> list[FaultKind]:
        """Return the kinds of the orders that nobody took yet."""
        return [kind for kind in ORDERED for _ in (self.waiting / kind).iterdir()]

    def withdraw(self, kind: FaultKind) -> None:
        """No order of this kind waits any more."""
        for path in (self.waiting / kind).iterdir():
            path.unlink(missing_ok=True)

    def take(self, kind: FaultKind) -> str | None:
        """Take one order of this kind, or return None; of two processes only one gets it."""
        for path in (self.waiting / kind).iterdir():
            me = psutil.Process()
            try:
                path.rename(self.taken / f"{kind}~{path.name}~{me.pid}~{me.create_time()}")
            except FileNotFoundError:
                continue
            return path.name
        return None

    def strike(self, kind: FaultKind) -> None:
        """Die here and now when there is an order to, alone or with the whole group of processes."""
        name = self.take(kind)
        if name is None:
            return
        if name.endswith("-group"):
            os.killpg(os.getpgid(0), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def all_taken(self) -> Iterator[Taken]:
        """Yield every order that was taken."""
        for path in self.taken.iterdir():
            kind, _, pid, created = path.name.split("~")
            yield Taken(FaultKind(kind), int(pid), float(created))

    def write(self, entry: str, **values: Any) -> None:
        """Append one line to the journal; short appends of several processes don't mix."""
        line = json.dumps({"entry": entry, **values}) + "\n"  # noqa: TID251  not hashed, not sent anywhere
        descriptor = os.open(self.journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def journal(self, entry: str) -> list[dict[str, Any]]:
        """Return the lines of one kind."""
        if not self.journal_path.exists():
            return []
        lines = (json.loads(line) for line in self.journal_path.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line["entry"] == entry]


def settled_path(root: Path) -> Path:
    """Return the file that says, by being there, that the shared clock is so far ahead that everything is due."""
    return root / "settled"


def offset_path(root: Path, name: str) -> Path:
    """Return the file that says by how many seconds the clock of a process is wrong."""
    return root / f"clock-{name}"
