"""An installation with the sample data, made once per test and rolled back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.console import Installation, sample_installation


@pytest.fixture
def installation(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return an installation with the sample data; real transactions, because denials are recorded in their own."""
    return sample_installation(tmp_path, monkeypatch)
