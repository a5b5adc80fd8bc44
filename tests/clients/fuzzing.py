"""schemathesis over the whole OpenAPI document of a running installation, with an agent's bound tokens."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from config.paths import PROJECT
from tests.clients.environments import SCHEMATHESIS

PLACE = Path(__file__).with_name("schemathesis")
RUN_SECONDS = 900
# Of all answers; what stays below was not let in, and nothing was found because nothing was looked at.
SHARE_MIN = 0.5
TAKEN_MIN = 0.05


def fuzz(address: str, agent_id: str, key: Path) -> str:
    """Run it and return what was wrong, empty when nothing was: no server error, no undocumented answer, and it really got in."""
    with tempfile.TemporaryDirectory() as directory:
        # Run there: it looks for its hooks where it is started, and leaves its caches there.
        for name in ("hooks.py", "schemathesis.toml"):
            shutil.copy(PLACE / name, directory)
        counts = Path(directory) / "answers.json"
        own = {
            "PATH": SCHEMATHESIS.path,
            "HOME": directory,
            "PYTHONPATH": str(PROJECT / "examples"),
            "COUNTERSIGN_URL": address,
            "AGENT_ID": agent_id,
            "AGENT_KEY": str(key),
            "SCHEMATHESIS_ANSWERS": str(counts),
        }
        command = [str(SCHEMATHESIS.python.with_name("schemathesis")), "--config-file", "schemathesis.toml"]
        command += ["run", f"{address}/api/v1/schema", *os.environ.get("SCHEMATHESIS_OPTIONS", "").split()]
        ended = subprocess.run(command, cwd=directory, env=own, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        lines = counts.read_text(encoding="ascii").splitlines() if counts.exists() else []
    answers = Counter({name: int(count) for name, _, count in (line.rpartition(" ") for line in lines)})
    print(_table(answers))
    faults = [ended.stdout[-6000:] + ended.stderr[-2000:]] if ended.returncode else []
    return "\n".join([*faults, *_weak(answers)])


def by_status(answers: Counter[str]) -> Counter[str]:
    """Return how many answers had each status."""
    statuses: Counter[str] = Counter()
    for name, count in answers.items():
        statuses[name.rpartition(" ")[2]] += count
    return statuses


def _weak(answers: Counter[str]) -> list[str]:
    """Return why a run without findings would prove nothing: without valid tokens everything is refused, as documented."""
    statuses = by_status(answers)
    total = statuses.total() or 1
    let_in = sum(count for status, count in statuses.items() if status not in {"401", "405", "429"})
    taken = sum(count for status, count in statuses.items() if status.startswith("2"))
    return [
        *([f"Only {let_in} of {total} requests were looked at by a service."] if let_in < total * SHARE_MIN else []),
        *([f"Only {taken} of {total} requests were taken."] if taken < total * TAKEN_MIN else []),
    ]


def _table(answers: Counter[str]) -> str:
    operations: dict[str, list[str]] = {}
    for name, count in sorted(answers.items()):
        operation, _, status = name.rpartition(" ")
        operations.setdefault(operation, []).append(f"{status} x {count}")
    return "\n".join(f"  {operation}: {', '.join(found)}" for operation, found in operations.items())
