"""What bundles hold about proposals is read for many at once: as many statements for all of them as for one, and the same bytes."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.bundle_parts import section_members
from tests.evidence.conftest import Evidence, members_of

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def read(*proposals: str) -> tuple[dict[str, dict[str, bytes]], int]:
    """Return the members of each of these proposals, and how many statements reading them took."""
    with CaptureQueriesContext(connection) as captured:
        members = dict(section_members(proposals))
    return members, len(captured)


def test_documents_of_many_proposals_take_as_many_statements_as_those_of_one(evidence: Evidence) -> None:
    small, large, waiting = (proposal.public_id for proposal in (evidence.small, evidence.large, evidence.waiting))
    alone, statements = read(large)
    together, statements_together = read(small, large, waiting)
    assert statements_together == statements <= 20
    assert list(together) == [small, large, waiting]
    assert together[large] == alone[large]
    assert alone[large].items() <= members_of(evidence.proposal).items()
    assert all("erp/receipt.json" in together[proposal] for proposal in (small, large))
    assert "erp/receipt.json" not in together[waiting]
