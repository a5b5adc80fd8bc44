"""Gate and ERP held against each other over a period: counts and sums of both, and what each side has alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from gateway.connections import connector_for
from gateway.port import Landed
from kernel.errors import DomainError
from kernel.ids import encode_number
from kernel.money import Money
from reconciliation.assurance.scope import Scope

# So many single lines are kept; the counts are of all.
LISTED_MAX = 500
GATE = """
SELECT proposal.id, coalesce(again.document, receipt.document), proposal.amount_minor, proposal.currency, proposal.tool
FROM commits_receipt AS receipt
JOIN commits_commit AS opened ON opened.id = receipt.commit_id
JOIN proposals_proposal AS proposal ON proposal.id = opened.proposal_id
LEFT JOIN commits_relanding AS again ON again.commit_id = opened.id AND again.number = opened.landing_number
WHERE opened.company = %(company)s AND receipt.recorded_at >= %(since)s AND receipt.recorded_at < %(until)s
"""
# Documents that the ERP has in this period and the gate in another: no difference, only another clock.
ELSEWHERE = """
SELECT proposal.id, coalesce(again.document, receipt.document)
FROM commits_receipt AS receipt
JOIN commits_commit AS opened ON opened.id = receipt.commit_id
JOIN proposals_proposal AS proposal ON proposal.id = opened.proposal_id
LEFT JOIN commits_relanding AS again ON again.commit_id = opened.id AND again.number = opened.landing_number
WHERE opened.company = %(company)s AND (receipt.document = ANY(%(documents)s) OR again.document = ANY(%(documents)s))
"""
Key = tuple[str, str]


class Side(NamedTuple):
    """One document as one side has it."""

    reference: str
    document: str
    tool: str
    minor: int
    currency: str

    @property
    def key(self) -> Key:
        """Return what both sides are joined by."""
        return self.reference, self.document

    @property
    def amount(self) -> Money:
        """Return the amount."""
        return Money(self.minor, self.currency)


@dataclass(frozen=True, slots=True)
class TieOut:
    """The result for one company; `why` says why nothing was compared. The lists of single documents are cut off, the counts are not."""

    company: str
    why: str
    gate_count: int
    gate_totals: dict[str, int]
    erp_count: int
    erp_totals: dict[str, int]
    matched: int
    differing: tuple[tuple[Side, Side], ...]
    differing_count: int
    only_gate: tuple[Side, ...]
    only_gate_count: int
    only_erp: tuple[Side, ...]
    only_erp_count: int

    @property
    def is_tied(self) -> bool:
        """Return whether both sides have the same documents with the same amounts."""
        return not self.why and not (self.differing_count or self.only_gate_count or self.only_erp_count)


def tie_out(scope: Scope) -> list[TieOut]:
    """Return the comparison of each company of the scope; an ERP that does not answer is named, never counted as tied."""
    return [_company(scope, company) for company in scope.companies]


def _company(scope: Scope, company: str) -> TieOut:
    gate = {side.key: side for side in _gate(scope, company)}
    try:
        documents = list(connector_for(company).extract(company, scope.since, scope.until))
        erp = {side.key: side for side in _without_others(documents, gate, company)}
        still_there = _read_back([side for key, side in gate.items() if key not in erp], company)
    except DomainError as error:
        return TieOut(company, f"The ERP did not answer: {error.title}", len(gate), _totals(gate.values()), 0, {}, 0, (), 0, (), 0, (), 0)
    both = [key for key in gate if key in erp]
    differing = [(gate[key], erp[key]) for key in both if gate[key].amount != erp[key].amount]
    only_gate = [side for key, side in gate.items() if key not in erp and key not in still_there]
    only_erp = [side for key, side in erp.items() if key not in gate]
    return TieOut(
        company=company,
        why="",
        gate_count=len(gate),
        gate_totals=_totals(gate.values()),
        erp_count=len(erp) + len(still_there),
        erp_totals=_totals([*erp.values(), *still_there.values()]),
        matched=len(both) - len(differing) + len(still_there),
        differing=tuple(differing[:LISTED_MAX]),
        differing_count=len(differing),
        only_gate=tuple(only_gate[:LISTED_MAX]),
        only_gate_count=len(only_gate),
        only_erp=tuple(only_erp[:LISTED_MAX]),
        only_erp_count=len(only_erp),
    )


def _gate(scope: Scope, company: str) -> list[Side]:
    with connection.cursor() as cursor:
        cursor.execute(GATE, {"company": company, "since": scope.since, "until": scope.until})
        return [
            Side(encode_number("prop", key.int), document, tool, minor, currency)
            for key, document, minor, currency, tool in cursor.fetchall()
        ]


def _without_others(documents: Sequence[Landed], gate: dict[Key, Side], company: str) -> list[Side]:
    """Return the ERP's documents but for those that the gate settled in another period: extracts also bring what was reversed lately."""
    sides = [Side(item.reference, item.document, item.tool, item.total_minor, item.currency) for item in documents]
    alone = [side.document for side in sides if side.key not in gate]
    if not alone:
        return sides
    with connection.cursor() as cursor:
        cursor.execute(ELSEWHERE, {"company": company, "documents": alone})
        elsewhere = {(encode_number("prop", key.int), document) for key, document in cursor.fetchall()}
    return [side for side in sides if side.key in gate or side.key not in elsewhere]


def _read_back(sides: Sequence[Side], company: str) -> dict[Key, Side]:
    """Return those documents that the ERP has, although it recorded them outside the period by its own clock."""
    if not sides:
        return {}
    found = connector_for(company).read_back_many(company, [side.document for side in sides])
    return {
        side.key: side
        for side in sides
        if side.document in found and found[side.document].get("proposal", side.reference) == side.reference
    }


def _totals(sides: Iterable[Side]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for side in sides:
        totals[side.currency] = totals.get(side.currency, 0) + side.minor
    return dict(sorted(totals.items()))
