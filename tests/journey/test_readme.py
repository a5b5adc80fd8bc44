"""The README's sample is a program that runs."""

from __future__ import annotations

import re
import sys

from config.paths import PROJECT
from tests.journey.installation import RealInstallation

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_sample_proposes(running: RealInstallation) -> None:
    (sample,) = BLOCK.findall((PROJECT / "README.md").read_text(encoding="utf-8"))
    assert "http://localhost:8000" in sample
    own = sample.replace("http://localhost:8000", running.address).replace(".data/", f"{running.data}/")
    ended = running.run(sys.executable, "-c", own)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["pending Order 60 × Brake pad from Neckar Kunststoffe AG for 103.20 EUR", "pending"]
