"""An installation with its sample data for tests of the console, and people signed in to it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from audit.sealer import Sealer
from commits import services as commit_services
from config.sample import people
from config.sample.load import load_sample_data
from kernel.clock import now as clock_now
from proposals.models import Proposal

ORDER = "sample-order-hubs"
LARGE_ORDER = "sample-order-rims"
ENTRY = "sample-entry-freight"


@dataclass(frozen=True, slots=True)
class Installation:
    """The sample installation: its people's passwords, and its proposals by the key they were made under."""

    passwords: dict[str, str]

    def person(self, name: str) -> User:
        """Return one of the sample people."""
        return User.objects.get(username=name)

    def proposal(self, key: str = ORDER) -> Proposal:
        """Return one of the sample proposals."""
        return Proposal.objects.get(idempotency_key=key)

    def client(self, name: str) -> Client:
        """Return a client signed in as one of the people, without a login page."""
        client = Client()
        client.force_login(self.person(name), backend="django.contrib.auth.backends.ModelBackend")
        return client

    def session(self, name: str) -> dict[str, str]:
        """Return the session cookie of one of the people, for a browser."""
        cookie = self.client(name).cookies[settings.SESSION_COOKIE_NAME]
        return {"name": settings.SESSION_COOKIE_NAME, "value": cookie.value}


def sample_installation(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return an installation with the sample data; the passwords are written to `directory`, not to the real place."""
    monkeypatch.setattr(people, "SAMPLE", directory)
    load_sample_data(now=clock_now(), say=lambda text: None)
    with (directory / "people.csv").open(encoding="utf-8", newline="") as file:
        return Installation({row["username"]: row["password"] for row in csv.DictReader(file)})


def commit_everything() -> None:
    """Do what the worker does: commit everything that is approved."""
    commit_services.run(now=clock_now, is_complete=True)


def seal_everything() -> None:
    """Do what the sealer does: seal every event."""
    Sealer().seal_everything()
