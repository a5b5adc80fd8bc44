"""One installation for the tests of this directory: orders small and large, committed, one waiting; sealed and signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from audit.bundle import build_bundle
from audit.keys import verifying_key
from audit.period_bundle import make_period_bundle, plan_period
from audit.verifier.countersign_verify import Bundle, Findings, Members, read_archive, verify_path
from audit.workshop import Workshop
from kernel.clock import now as clock_now
from proposals.models import Proposal
from tests.builders.audit import seal_and_sign
from tests.builders.commits import Gate, make_gate, run

SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Evidence:
    """What was committed, and the bundles of one proposal and of the whole period."""

    gate: Gate
    small: Proposal
    large: Proposal
    waiting: Proposal
    proposal: Path
    period: Path
    directory: Path
    # After everything above, before anything a test does.
    now: datetime


@pytest.fixture(scope="package")
def evidence(django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Return the installation; both databases are as empty as before once the directory's tests are over."""
    directory = tmp_path_factory.mktemp("evidence")
    with django_db_blocker.unblock(), ExitStack() as stack:
        stack.enter_context(override_settings(AUDIT_CHECKPOINT_DIR=directory / "checkpoints", EVIDENCE_DIR=directory / "bundles"))
        for alias in ("default", "ledger"):
            stack.enter_context(transaction.atomic(using=alias))
        gate = make_gate()
        small, large = gate.order("100.52"), gate.approved_order("2500.00")
        run()
        waiting = gate.order("3000.00")
        seal_and_sign()
        period, proposal = directory / "period.zip", directory / "proposal.zip"
        proposal.write_bytes(build_bundle(large.public_id).archive)
        scope = plan_period(since=SINCE, until=UNTIL, companies=None, visible={})
        make_period_bundle(Workshop(directory / "work"), lambda: scope, period, progress=lambda *_: None)
        yield Evidence(gate, small, large, waiting, proposal, period, directory, clock_now())
        for alias in ("default", "ledger"):
            transaction.set_rollback(True, using=alias)


def verified(path: Path) -> tuple[Findings, Bundle]:
    """Return what the verifier finds, with the key pinned."""
    return verify_path(path, pinned=[verifying_key()])


def members_of(path: Path) -> dict[str, bytes]:
    """Return the members of an archive as bytes."""
    with path.open("rb") as file:
        members: Members = read_archive(Findings(), file)
        return {name: members[name] for name in members}
