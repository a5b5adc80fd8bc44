"""Found by chaos: whatever one cluster queues for another is taken up, not thrown away for its signature."""

from __future__ import annotations

import os
import subprocess
import sys

from config.paths import PROJECT

SIGN = "import django; django.setup(); from django_q.signing import SignedPackage; print(SignedPackage.dumps({'func': 'a.task'}))"
READ = "import sys, django; django.setup(); from django_q.signing import SignedPackage; print(SignedPackage.loads(sys.argv[1])['func'])"


def said(script: str, *arguments: str, cluster: str) -> str:
    """Return what a process of this cluster prints."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "COUNTERSIGN_CLUSTER": cluster}
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_bulk_reads_what_commit_signed() -> None:
    assert said(READ, said(SIGN, cluster="commit"), cluster="bulk") == "a.task"
