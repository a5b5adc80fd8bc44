from __future__ import annotations

import pytest

from tests.builders import ledger as build


@pytest.fixture
def company(db: None) -> str:
    """A company in the ledger; the test must allow the ledger database."""
    return build.open_company()
