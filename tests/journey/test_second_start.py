"""Killed and started again, an installation is the same one; that a stop stops everything is asserted when `running` ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile

import pytest

from config.paths import PROJECT
from tests.journey.installation import RealInstallation, free_port, is_alive

pytestmark = pytest.mark.slow


def test_second_start_keeps_the_data(running: RealInstallation) -> None:
    kept = [running.data / "sample" / name for name in ("people.csv", "people.txt", "purchasing-agent.pem", "purchasing-agent.id")]
    files = {path: path.read_bytes() for path in kept}
    ids = running.ask("SELECT id FROM proposals_proposal ORDER BY id")
    assert len(ids) >= 7
    # The supervisor alone is killed, without a warning: the next start ends what it left running.
    left = running.kill_supervisor()
    running.start()
    assert [process for process in left if is_alive(process.pid)] == []
    assert {path: path.read_bytes() for path in kept} == files
    assert running.ask("SELECT id FROM proposals_proposal ORDER BY id") == ids
    # Agent, key, chain and worker go on where they were.
    assert running.client("purchasing-agent").read("get_stock", "DE01", {"item": "P-1007"})["company"] == "DE01"
    verified = running.manage("audit_verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_one_installation_per_directory_and_port(running: RealInstallation) -> None:
    same_data = running.run(sys.executable, "-m", "config.supervisor", "--sample", "--port", str(free_port()))
    assert (same_data.returncode, "already runs" in same_data.stderr) == (1, True)
    elsewhere = running.environment | {"COUNTERSIGN_DATA_DIR": tempfile.mkdtemp(prefix="cs-")}
    command = [sys.executable, "-m", "config.supervisor", "--sample", "--port", str(running.port)]
    same_port = subprocess.run(command, cwd=PROJECT, env=elsewhere, capture_output=True, text=True, check=False, timeout=60)
    assert (same_port.returncode, f"Port {running.port} is taken" in same_port.stderr) == (1, True)
    shutil.rmtree(elsewhere["COUNTERSIGN_DATA_DIR"])
    assert running.is_healthy()
