from __future__ import annotations

import pytest

from tests.builders import ledger as build


@pytest.fixture
def company(db: None) -> str:
    """Return the code of a company in the ledger; the test must allow the ledger database."""
    return build.open_company()
