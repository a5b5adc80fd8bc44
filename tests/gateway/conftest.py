"""The sample company's books behind the embedded connector."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from gateway.connectors.embedded import EmbeddedConnector
from ledger.sample import load_sample_company


@pytest.fixture(scope="module")
def sample_books(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Load the sample books once per module, in a transaction around its tests; each test rolls back to here."""
    with django_db_blocker.unblock(), transaction.atomic(using="ledger"):
        load_sample_company(now=datetime(2026, 11, 1, 9, 0, tzinfo=UTC))
        yield
        transaction.set_rollback(True, using="ledger")


@pytest.fixture
def connector(sample_books: None, db: None) -> EmbeddedConnector:
    """Return the embedded connector over the sample books; the test must allow the ledger database."""
    return EmbeddedConnector()
