"""What tests of the log share: a checkpoint directory of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def checkpoints(tmp_path: Path, settings: Settings) -> Path:
    """Return the directory that checkpoints of this test go to."""
    directory = tmp_path / "checkpoints"
    settings.AUDIT_CHECKPOINT_DIR = directory
    return directory
