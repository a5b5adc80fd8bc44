"""What struck is counted, not what was ordered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.chaos.evidence import overlapping
from tests.chaos.faults import DIRECTORY_VARIABLE, FaultKind, Orders, chance, plan


def test_one_order_strikes_one_process(tmp_path: Path) -> None:
    orders = Orders(tmp_path)
    orders.place(FaultKind.KILL_AFTER_CLAIM, 1)
    script = "from tests.chaos.faults import *; Orders().strike(FaultKind.KILL_AFTER_CLAIM); print('alive')"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, DIRECTORY_VARIABLE: str(tmp_path)}

    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (first.returncode, first.stdout, second.returncode, second.stdout) == (-9, "", 0, "alive\n")
    assert [(taken.kind, taken.has_died) for taken in orders.all_taken()] == [(FaultKind.KILL_AFTER_CLAIM, True)]
    assert orders.outstanding() == []


def test_order_that_nobody_took_is_outstanding(tmp_path: Path) -> None:
    orders = Orders(tmp_path)
    orders.place(FaultKind.KILL_BEFORE_SEND, 7, is_for_group=True)
    assert orders.outstanding() == [FaultKind.KILL_BEFORE_SEND]
    assert list(orders.all_taken()) == []
    assert orders.take(FaultKind.KILL_BEFORE_SEND) == "7-group"
    # Whoever took it lives: nobody was killed.
    assert [taken.has_died for taken in orders.all_taken()] == [False]


def test_deliveries_overlap_in_two_processes_only() -> None:
    def line(task: str, pid: int, began: float, ended: float) -> dict[str, object]:
        return {"task": task, "pid": pid, "began": began, "ended": ended}

    after = [line("one", 1, 0.0, 1.0), line("one", 2, 1.5, 2.0)]
    same = [line("two", 1, 0.0, 1.0), line("two", 1, 0.5, 2.0)]
    both = [line("three", 1, 0.0, 1.0), line("three", 2, 0.5, 2.0)]
    assert overlapping([*after, *same, *both]) == 1


def test_plan_is_the_seeds() -> None:
    planned = plan(chance(7, "plan"), 60)
    assert planned == plan(chance(7, "plan"), 60)
    assert planned != plan(chance(8, "plan"), 60)
    assert {kind for kinds in planned.values() for kind in kinds} == set(FaultKind)
