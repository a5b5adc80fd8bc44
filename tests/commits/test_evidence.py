"""The bundle of a committed proposal verifies without us: request, receipt and read-back agree with the recorded events."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from audit.bundle import build_bundle
from audit.verifier import countersign_verify
from tests.builders.audit import seal_and_sign
from tests.builders.commits import Gate, run

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.mark.parametrize("amount", ["100.00", "2500.00"])
def test_bundle_of_a_committed_proposal_verifies(gate: Gate, amount: str, tmp_path: Path, settings: Settings) -> None:
    settings.AUDIT_CHECKPOINT_DIR = tmp_path / "checkpoints"
    proposal = gate.order(amount) if amount == "100.00" else gate.approved_order(amount)
    run()
    seal_and_sign()
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(build_bundle(proposal.public_id).archive)

    result = subprocess.run(
        [sys.executable, "-I", countersign_verify.__file__, str(bundle)], check=False, capture_output=True, text=True, timeout=60
    )

    assert result.returncode == 0, result.stdout + result.stderr
