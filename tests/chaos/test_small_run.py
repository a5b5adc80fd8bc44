"""A small run with a fixed seed: real processes, a few of every kind of death, and the property at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from urllib.parse import quote

import pytest
from django.db import connections

from config.paths import PROJECT
from tests.chaos.faults import KILLS, FaultKind

pytestmark = [pytest.mark.django_db(databases=["default", "ledger"]), pytest.mark.slow]

NUMBER, SEED = 24, 20261123
# What takes minutes (restarts of PostgreSQL, rotations, clocks, nights) is left to `make chaos`.
FAULTS = (
    *KILLS,
    FaultKind.CONNECTION_CUT_AFTER_ERP_COMMIT,
    FaultKind.ERP_NO_ANSWER,
    FaultKind.ERP_COMMIT_THEN_DROP,
    FaultKind.ERP_DELIVERED_TWICE,
    FaultKind.ERP_WRONG_ANSWER,
    FaultKind.DOUBLE_DELIVERY,
    FaultKind.SAME_KEY_FROM_16_THREADS,
    FaultKind.SAME_KEY_OTHER_PAYLOAD,
)
SECONDS = 240


def address(alias: str) -> str:
    """Return the URL of the test database: its schema saves the run its migrations."""
    found = connections[alias].settings_dict
    host = quote(found["HOST"], safe="")
    port = f"&port={found['PORT']}" if found["PORT"] else ""
    password = f":{quote(found['PASSWORD'], safe='')}" if found["PASSWORD"] else ""
    return f"postgresql://{found['USER']}{password}@/{found['NAME']}?host={host}{port}"


def test_small_run_holds() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--number", str(NUMBER), "--seed", str(SEED), "--faults", ",".join(FAULTS)]
    copied = ["--copy-of", address("default"), address("ledger")]

    ended = subprocess.run([*command, *copied], cwd=PROJECT, env=os.environ, capture_output=True, text=True, check=False, timeout=SECONDS)

    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["seed"] == SEED
    assert result["approved_valid"] == result["committed"] > NUMBER // 2
    assert (result["doubles"], result["lost"], result["landings_without_event"], result["unexplained_breaks"]) == (0, 0, 0, 0)
    assert all(result["faults"][kind] > 0 for kind in FAULTS), result["faults"]
