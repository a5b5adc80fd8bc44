"""The population of a period and the statement of its completeness: what there is, before anybody takes a sample of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

import audit.queries
from kernel.canonical import canonical_bytes
from kernel.ids import encode_number
from kernel.money import Money
from reconciliation.assurance.scope import Scope

DIGEST_PURPOSE = b"countersign.assurance.population/1\0"
CHUNK_ROWS = 2_000

# What landed in the period: the landing that counts is the receipt, or the last one after the ERP lost what it had.
LANDED = """
FROM commits_commit AS opened
JOIN proposals_proposal AS proposal ON proposal.id = opened.proposal_id
JOIN commits_receipt AS receipt ON receipt.commit_id = opened.id
WHERE opened.company = ANY(%(companies)s) AND receipt.recorded_at >= %(since)s AND receipt.recorded_at < %(until)s
"""
MEMBERS = "SELECT proposal.id, proposal.amount_minor, proposal.currency, receipt.document" + LANDED + " ORDER BY proposal.id"
SUMS = "SELECT proposal.currency, count(*), sum(proposal.amount_minor)::bigint" + LANDED + " GROUP BY 1 ORDER BY 1"
STATES = """
SELECT state, currency, count(*), sum(amount_minor)::bigint FROM proposals_proposal
WHERE company = ANY(%(companies)s) AND created_at >= %(since)s AND created_at < %(until)s GROUP BY 1, 2 ORDER BY 1, 2
"""


class Member(NamedTuple):
    """One write of the population: what landed under one proposal."""

    key: UUID
    minor: int
    currency: str
    document: str

    @property
    def proposal(self) -> str:
        """Return the proposal's TypeID."""
        return encode_number("prop", self.key.int)


@dataclass(frozen=True, slots=True)
class Sum:
    """How many of one kind, and what they sum up to in one currency."""

    label: str
    count: int
    total: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of completeness: parameters, the log's events with their sequence, what was proposed, what landed."""

    scope: Scope
    events: audit.queries.Population
    proposed: tuple[Sum, ...]
    landed: tuple[Sum, ...]
    run_by: str
    run_at: datetime

    @property
    def is_complete(self) -> bool:
        """Return whether the log's range of this period has no gap and nothing waits for its seal."""
        return self.events.gaps == 0 and self.events.unsealed == 0

    @property
    def proposed_count(self) -> int:
        """Return how many proposals were submitted."""
        return sum(item.count for item in self.proposed)

    @property
    def landed_count(self) -> int:
        """Return how many writes landed."""
        return sum(item.count for item in self.landed)


def statement(scope: Scope, *, run_by: str, run_at: datetime) -> Statement:
    """Return the statement of completeness of the scope. The log's range covers all companies: its sequence is one."""
    return Statement(
        scope=scope,
        events=audit.queries.population(since=scope.since, until=scope.until),
        proposed=tuple(Sum(state, count, Money(total, currency)) for state, currency, count, total in _rows(STATES, scope)),
        landed=tuple(Sum("landed", count, Money(total, currency)) for currency, count, total in _rows(SUMS, scope)),
        run_by=run_by,
        run_at=run_at,
    )


def members(scope: Scope) -> Iterator[Member]:
    """Stream what landed in the scope, by proposal; memory stays flat."""
    connection.ensure_connection()
    with connection.chunked_cursor() as cursor:
        cursor.execute(MEMBERS, _values(scope))
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield from (Member(*row) for row in rows)


class PopulationDigest:
    """The digest over a population, taken up member by member: who has the same population gets the same digest."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._hash = hashlib.sha256(DIGEST_PURPOSE)
        self.count = 0
        self.totals: dict[str, int] = {}

    def add(self, member: Member) -> None:
        """The member counts."""
        self._hash.update(canonical_bytes([member.proposal, member.minor, member.currency, member.document]) + b"\n")
        self.count += 1
        self.totals[member.currency] = self.totals.get(member.currency, 0) + member.minor

    @property
    def text(self) -> str:
        """Return `sha256:<hex>`."""
        return f"sha256:{self._hash.hexdigest()}"


def _rows(statement_text: str, scope: Scope) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement_text, _values(scope))
        return list(cursor.fetchall())


def _values(scope: Scope) -> dict[str, Any]:
    return {"companies": list(scope.companies), "since": scope.since, "until": scope.until}
