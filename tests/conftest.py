"""What every test shares: both databases, the fixed cast, a fixed instant.

The cast: alice approves (or owns), bob shares her duties, charlie is an outsider who must see nothing.
"""

from __future__ import annotations

import gc
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

# As in config.loading: what is collected stays to the end.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from here on, beside what was loaded."""
    gc.freeze()
    gc.enable()


# What takes a minute or more goes first, so that no worker ends alone with it.
LONGEST = ("tests/journey/", "tests/browser/test_pages.py", "tests/browser/", "tests/doors/", "tests/mcp/", "tests/chaos/")
# Directories whose tests share an installation that takes seconds to make.
SHARED = ("tests/journey/", "tests/browser/", "tests/doors/", "tests/mcp/", "tests/evidence/", "tests/console/")
SWEEP = "tests/browser/test_pages.py::test_every_page"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first; the others stay in their order."""
    items.sort(key=lambda item: next((rank for rank, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keep tests that share something in one worker: a directory's installation, or what a file's tests start from."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(SWEEP):
                return nodeid
            return next((directory for directory in SHARED if nodeid.startswith(directory)), nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.fixture
def instant() -> datetime:
    """Return a fixed instant: Monday 2026-11-23, 09:00 UTC."""
    return datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def pytest_configure() -> None:
    """Serve static files as they lie in the source tree, and hash passwords quickly; tests/journey starts the real thing.

    WhiteNoise is left out: every test client builds the middleware anew, and it looks at each static file when it is built.
    """
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Tests knock from one address, hundreds of times without a token; those about limits say theirs.
    settings.RATE_REFUSED = None
    settings.REFUSALS_RECORDED = 1_000_000


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Make the test databases from templates."""
    from tests.builders.databases import use_templates

    with django_db_blocker.unblock():
        use_templates()


@pytest.fixture(scope="session", autouse=True)
def _flush_append_only_tables() -> None:
    """Let tests with real transactions empty insert-only tables between them; the triggers stay on inside each test."""
    from tests.builders.audit import permit_flush

    permit_flush()


@pytest.fixture(scope="session", autouse=True)
def _validate_events() -> None:
    """Hold every event that a test records against the published schema, the first of each kind at least."""
    from tests.builders.records import watch_records

    watch_records()
