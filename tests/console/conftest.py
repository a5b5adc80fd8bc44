"""An installation with the sample data, made once per test and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test.utils import override_settings

from tests.builders.console import Installation, sample_installation


@pytest.fixture(scope="session", autouse=True)
def _settings_of_console_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Link static files as they lie in the source tree, and hash the passwords of eight people quickly."""
    plain = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    quick = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(STORAGES=plain, STATIC_ROOT=tmp_path_factory.mktemp("static"), PASSWORD_HASHERS=quick):
        yield


@pytest.fixture
def installation(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return an installation with the sample data; real transactions, because denials are recorded in their own."""
    return sample_installation(tmp_path, monkeypatch)
