"""What the tests of the gate share: an ERP of plain values, and the cast with an active policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.connections import use_connector
from tests.builders.approvals import Cast, make_cast
from tests.builders.proposals import PlainErp


@pytest.fixture
def erp() -> Iterator[PlainErp]:
    """Return an ERP whose facts a test may change, used for every company."""
    connector = PlainErp()
    with use_connector(connector):
        yield connector


@pytest.fixture
def cast(db: None, erp: PlainErp) -> Cast:
    """Return the cast under the usual matrix."""
    return make_cast()
