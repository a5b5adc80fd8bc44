"""The sample company's books behind the embedded connector."""

from __future__ import annotations

from datetime import datetime

import pytest

from gateway.connectors.embedded import EmbeddedConnector
from ledger.sample import load_sample_company


@pytest.fixture
def connector(db: None, instant: datetime) -> EmbeddedConnector:
    """Return the embedded connector over freshly loaded sample books; the test needs both databases."""
    load_sample_company(now=instant)
    return EmbeddedConnector()
