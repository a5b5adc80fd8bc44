"""The official conformance kit of the Model Context Protocol, against this server and its committed list of expected failures."""

from __future__ import annotations

import os
import subprocess
import sys

from config.paths import PROJECT
from tests.clients.environments import KIT

RUN_SECONDS = 1200


def conform() -> str:
    """Run every scenario; return what was wrong, empty when each ended as the list says."""
    command = [sys.executable, "-m", "config.with_postgres", "--", sys.executable, "-m", "pytest", "tests/mcp/conformance.py", "-q"]
    command += ["-p", "no:cacheprovider"]
    own = os.environ | {"CONFORMANCE_KIT": str(KIT.place), "PATH": KIT.path}
    ended = subprocess.run(command, cwd=PROJECT, env=own, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    lines = ended.stdout.strip().splitlines()
    print(f"  {lines[-1] if lines else ended.stderr[-500:]}")
    # A skipped scenario is one that nobody looked at.
    is_whole = not ended.returncode and lines and "skipped" not in lines[-1]
    # The first failure is the one to read.
    return "" if is_whole else f"{ended.stdout[:6000]}\n…\n{ended.stdout[-1500:]}{ended.stderr[-1500:]}"
