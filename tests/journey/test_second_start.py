"""Stopped and started again, an installation is the same one."""

from __future__ import annotations

import pytest

from tests.journey.installation import RealInstallation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("journey")]


def test_second_start_keeps_the_data(running: RealInstallation) -> None:
    kept = [running.data / "sample" / name for name in ("people.csv", "people.txt", "purchasing-agent.pem", "purchasing-agent.id")]
    files = {path: path.read_bytes() for path in kept}
    ids = running.ask("SELECT id FROM proposals_proposal ORDER BY id")
    assert len(ids) >= 7
    running.stop()
    assert not running.is_healthy()
    running.start()
    assert {path: path.read_bytes() for path in kept} == files
    assert running.ask("SELECT id FROM proposals_proposal ORDER BY id") == ids
    # Agent, key, chain and worker go on where they were.
    assert running.client("purchasing-agent").read("get_stock", "DE01", {"item": "P-1007"})["company"] == "DE01"
    verified = running.manage("audit_verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
