"""Opening: every approved proposal gets its one commit."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from commits.services import statements
from gateway.connections import connector_for
from gateway.errors import ErpUnavailable, UnknownCompany
from kernel.ids import new_id
from proposals.services import NewOutcome, record_outcomes
from proposals.states import OutcomeStatus

logger = logging.getLogger(__name__)

OPEN_LIMIT = 500
NO_CONNECTION = "none"


def open_commits(*, now: datetime, since: datetime | None = None, limit: int = OPEN_LIMIT) -> int:
    """Every approved proposal (decided at or after `since`, if given) has a queued commit.

    Log-only proposals never get one: their outcome is written when they are approved. Returns how many commits were opened; the
    unique constraint on the proposal makes two workers at once harmless.
    """
    approved = statements.approved_without_commit(since=since, limit=limit)
    connections = _connections({company for _, company in approved})
    found = [(proposal_id, company) for proposal_id, company in approved if company in connections]
    if not found:
        return 0
    with transaction.atomic():
        opened = statements.insert_commits(
            commits=[new_id() for _ in found],
            proposals=[proposal_id for proposal_id, _ in found],
            connections=[connections[company] for _, company in found],
            now=now,
        )
        record_outcomes([NewOutcome(proposal_id=key, status=OutcomeStatus.QUEUED) for key in opened], now=now)
    return len(opened)


def _connections(companies: Iterable[str]) -> dict[str, str]:
    """Return the connection that keeps each company's books; without one the commit is opened all the same, and says so.

    While an ERP does not even tell its companies, nobody knows: the company is missing, and its commits are opened at a later look.
    """
    names = {}
    for company in companies:
        try:
            names[company] = connector_for(company).name
        except UnknownCompany:
            names[company] = NO_CONNECTION
        except ErpUnavailable:
            logger.warning("nobody can tell yet which connection keeps the books of %s", company)
    return names
