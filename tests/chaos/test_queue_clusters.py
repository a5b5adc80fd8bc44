"""Found by chaos: what one cluster queues for another is taken up there, not thrown away for its signature."""

from __future__ import annotations

import os
import subprocess
import sys

from django_q.signing import SignedPackage

from config.paths import PROJECT

READ = "import sys; from django_q.signing import SignedPackage; print(SignedPackage.loads(sys.argv[1])['func'])"


def test_bulk_reads_what_was_signed_elsewhere() -> None:
    signed = SignedPackage.dumps({"func": "a.task"})
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "COUNTERSIGN_CLUSTER": "bulk"}
    read = subprocess.run([sys.executable, "-c", READ, signed], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert (read.stdout, read.returncode) == ("a.task\n", 0), read.stderr
