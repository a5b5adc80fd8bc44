"""The world behind the doors, made once; every test's traces in it are wiped away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.doors.world import World, make_world, settled, undone


@pytest.fixture(scope="package")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the populated installation; both databases are as empty as before once the directory's tests are over.

    Each test runs in savepoints of its own inside this transaction, which its `django_db` mark brings.
    """
    with django_db_blocker.unblock(), undone(), pytest.MonkeyPatch.context() as patch:
        made = make_world(tmp_path_factory.mktemp("sample"), patch)
        settled()
        yield made
