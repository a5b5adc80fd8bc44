"""A directory of purchase orders through agent, approvers and ERP while its processes are killed: the figures stay the same."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from config.paths import PROJECT
from tests.journey.installation import RealInstallation
from tests.journey.replay_data import write_orders

pytestmark = pytest.mark.slow

REPLAY_SECONDS = 420
DECIDED = """
SELECT proposal.id, count(DISTINCT decision.user_id), bool_or(decision.kind = 'reject')
FROM proposals_proposal AS proposal JOIN approvals_decision AS decision ON decision.proposal_id = proposal.id
WHERE proposal.company = 'US01' GROUP BY proposal.id
"""


class Killer(threading.Thread):
    """Kills the worker and the replay's scripts at set numbers of proposals, without a warning."""

    def __init__(self, running: RealInstallation, replay: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.running = running
        self.replay = replay
        self.killed: list[str] = []

    def run(self) -> None:
        for count, victim in (
            (4, "worker"),
            (8, "replay_purchase_orders"),
            (12, "replay_approvers"),
            (16, "worker"),
        ):
            while self._proposals() < count:
                if not self.replay.is_running():
                    return
                time.sleep(0.1)
            while not self._kill(victim):
                if not self.replay.is_running():
                    return
                time.sleep(0.1)
            self.killed.append(victim)

    def _proposals(self) -> int:
        return int(self.running.ask("SELECT count(*) FROM proposals_proposal WHERE company = 'US01'")[0][0])

    def _kill(self, victim: str) -> bool:
        if victim == "worker":
            self.running.kill_worker()
            return True
        for child in self.replay.children():
            # One that has just ended has no command line any more.
            with suppress(psutil.NoSuchProcess):
                if f"examples.{victim}" in child.cmdline():
                    child.kill()
                    return True
        return False


def replay_with_kills(running: RealInstallation, directory: Path) -> tuple[dict[str, object], list[str]]:
    """Run the replay to its end; return its last line and what was killed meanwhile."""
    command = [sys.executable, "-m", "examples.replay", str(directory), "--port", str(running.port)]
    process = subprocess.Popen(command, cwd=PROJECT, env=running.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killer = Killer(running, psutil.Process(process.pid))
    killer.start()
    try:
        output, _ = process.communicate(timeout=REPLAY_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, output[-4000:]
    last: dict[str, object] = json.loads(output.strip().splitlines()[-1])
    return last, killer.killed


def test_replay_with_kills(running: RealInstallation, tmp_path: Path) -> None:
    expected = write_orders(tmp_path)
    assert expected.needing_two >= 2
    result, killed = replay_with_kills(running, tmp_path)
    assert result == expected.as_dict()
    assert set(killed) == {"worker", "replay_purchase_orders", "replay_approvers"}
    people = running.ask(DECIDED)
    assert len(people) == expected.committed + expected.rejected
    assert sum(count == 2 and not is_rejected for _, count, is_rejected in people) == expected.needing_two

    # Started once more, the agent finds everything proposed already.
    before = booked(running)
    agent = running.run(sys.executable, "-m", "examples.replay_purchase_orders", str(tmp_path), "--url", running.address)
    assert agent.returncode == 0, agent.stdout + agent.stderr
    assert booked(running) == before


def booked(running: RealInstallation) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return what the agent has proposed and what has landed."""
    proposed = running.ask("SELECT id, state FROM proposals_proposal WHERE company = 'US01' ORDER BY id")
    return proposed, running.ask("SELECT document, reference FROM ledger_landed ORDER BY document", database=1)
