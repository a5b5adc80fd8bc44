from __future__ import annotations

import pytest

from tests.builders.commits import Gate, make_gate


@pytest.fixture
def gate(db: None) -> Gate:
    """Return the gate in front of the books; the test must allow the ledger's database."""
    return make_gate()
