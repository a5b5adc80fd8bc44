"""An installation with its sample data for tests of the console, and people signed in to it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from approvals.models import Decision
from approvals.services import decide as decide_service
from approvals.services import show
from audit.sealer import Sealer
from commits import services as commit_services
from config.sample import people
from config.sample.load import load_sample_data
from kernel.actors import Actor
from kernel.canonical import digest
from kernel.clock import now as clock_now
from proposals.models import Proposal
from reconciliation import services as reconciliation_services
from reconciliation.models import Break
from reconciliation.states import BreakKind
from tests.builders.snapshot import Snapshot, put_back, taken

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

    def session(self, name: str) -> tuple[str, str]:
        """Return name and value of the session cookie of one of the people, for a browser."""
        cookie = self.client(name).cookies[settings.SESSION_COOKIE_NAME]
        return settings.SESSION_COOKIE_NAME, cookie.value


# The sample data of this process's first test that asked for it; later ones get a copy.
_kept: list[tuple[Installation, Snapshot]] = []


def sample_installation(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return an installation with the sample data in otherwise empty databases, and commit it.

    It is loaded once in a process and copied afterwards.
    """
    if not _kept:
        _kept.append((loaded_installation(directory, monkeypatch), taken()))
    else:
        put_back(_kept[0][1])
    return _kept[0][0]


def loaded_installation(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return an installation whose sample data was loaded just now; the passwords are written to `directory`, not to the real place."""
    monkeypatch.setattr(people, "SAMPLE", directory)
    load_sample_data(now=clock_now(), say=str)
    with (directory / "people.csv").open(encoding="utf-8", newline="") as file:
        return Installation({row["username"]: row["password"] for row in csv.DictReader(file)})


def commit_everything() -> None:
    """Do what sealer and worker do: what is approved is sealed, then committed."""
    seal_everything()
    commit_services.run(now=clock_now, is_complete=True)


def seal_everything() -> None:
    """Do what the sealer does: seal every event."""
    Sealer().seal_everything()


def decide(
    installation: Installation, person: str, key: str, *, kind: str = "approve", reason_code: str = "", comment: str = ""
) -> Decision:
    """Return the decision of one of the people on exactly the page they are shown."""
    user, proposal = installation.person(person), installation.proposal(key)
    shown = show(user=user, proposal_id=proposal.public_id, now=clock_now())
    return decide_service(
        user=user,
        proposal_id=proposal.public_id,
        kind=kind,
        payload_digest=shown.payload_digest,
        presentation_digest=shown.presentation_digest,
        shown_at=shown.shown_at,
        reason_code=reason_code,
        comment=comment,
        actor=Actor.human(user.pk),
        now=clock_now(),
    )


def make_break(proposal: Proposal) -> Break:
    """Return an open break that a run of now is said to have found: the proposal's document landed otherwise."""
    run = reconciliation_services.reconcile(company=proposal.company, now=clock_now())
    document = proposal.outcome.document
    landed = {"document": document, "total": "7000.00", "effective_on": "2026-11-20", "counterparty": proposal.counterparty}
    return Break.objects.create(
        first_run=run,
        last_run=run,
        kind=BreakKind.DIFFERS,
        company=proposal.company,
        proposal=proposal,
        document=document,
        fingerprint=digest("countersign.break/1", proposal.public_id),
        intended={**landed, "total": proposal.amount.decimal_text()},
        landed=landed,
        amount_minor=8800,
        currency=proposal.currency,
        opened_at=clock_now(),
    )
