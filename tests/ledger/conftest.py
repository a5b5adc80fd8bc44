"""The books of TS01: loaded once per module, and as they were loaded at the start of every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from ledger.sql import execute
from tests.builders import ledger as build


@pytest.fixture(scope="module")
def books(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Open the books of TS01 in a transaction around the module's tests; each test rolls back to here."""
    with django_db_blocker.unblock(), transaction.atomic(using="ledger"):
        code = build.open_company()
        # No deferred check of the loading is left for a test to trip over.
        execute("SET CONSTRAINTS ALL IMMEDIATE")
        execute("SET CONSTRAINTS ALL DEFERRED")
        yield code
        transaction.set_rollback(True, using="ledger")


@pytest.fixture
def company(books: str, db: None) -> str:
    """Return the code of a company in the ledger; the test must allow the ledger database."""
    # Within the test's own savepoint, so that a test which makes checks immediate does so for itself only.
    execute("SET CONSTRAINTS ALL DEFERRED")
    return books
