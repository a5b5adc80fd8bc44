"""Everything that landed in a period as cases for the rules: streamed in the order of submission, its facts asked for in chunks.

The past is built up write by write with the same code that the gate uses, so a rule sees in a report what it saw at submission.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from approvals.flags.observing import usage_of
from approvals.flags.queries import InForce
from approvals.flags.reading import entry_of
from approvals.models import Exclusion, PolicyRow
from approvals.rules import Case, DecisionFacts, Entry, Landing, Past, People, Reversal, Thresholds, Usage
from approvals.states import PolicyState
from gateway.connections import connector_for
from kernel.canonical import parse_json
from kernel.errors import DomainError
from kernel.ids import encode_number
from kernel.money import Money
from proposals.queries import COUNTED
from reconciliation.assurance.scope import Scope

CHUNK_ROWS = 1_000
ASKED = "asked"
JOURNAL = "post_journal_entry"

# Every write that counts, from where the rules begin to look back; what landed in the period carries its document.
WRITES = """
SELECT proposal.id, proposal.agent_id, proposal.tool, proposal.amount_minor, proposal.currency, proposal.counterparty,
    proposal.effective_on, proposal.created_at, coalesce(proposal.on_behalf_of_id::text, ''),
    CASE WHEN receipt.commit_id IS NULL THEN NULL ELSE proposal.payload END,
    coalesce(again.document, receipt.document, ''), coalesce(again.differences, receipt.differences),
    receipt.commit_id IS NOT NULL AND proposal.supersedes_id IS NOT NULL AND proposal.facts ? 'asked_again'
FROM proposals_proposal AS proposal
LEFT JOIN commits_commit AS opened ON opened.proposal_id = proposal.id
LEFT JOIN commits_receipt AS receipt ON receipt.commit_id = opened.id
    AND receipt.recorded_at >= %(since)s AND receipt.recorded_at < %(until)s
LEFT JOIN commits_relanding AS again ON again.commit_id = receipt.commit_id AND again.number = opened.landing_number
WHERE proposal.company = %(company)s AND proposal.state = ANY(%(counted)s)
    AND (receipt.commit_id IS NOT NULL OR proposal.created_at >= %(back)s AND proposal.created_at < %(until)s)
ORDER BY proposal.created_at, proposal.id
"""
PAYLOADS = """
SELECT proposal.payload, proposal.currency FROM proposals_proposal AS proposal
JOIN commits_commit AS opened ON opened.proposal_id = proposal.id
JOIN commits_receipt AS receipt ON receipt.commit_id = opened.id
WHERE proposal.company = %(company)s AND proposal.tool = %(tool)s AND receipt.recorded_at >= %(since)s AND receipt.recorded_at < %(until)s
"""
DECISIONS = """
SELECT decision.proposal_id, decision.user_id, decision.kind, decision.shown_at, decision.decided_at, step.position, (
    SELECT count(*) FROM approvals_decision AS near
    WHERE near.user_id = decision.user_id AND near.kind = 'approve'
        AND near.decided_at BETWEEN decision.decided_at - %(window)s AND decision.decided_at + %(window)s
)
FROM approvals_decision AS decision JOIN approvals_routestep AS step ON step.id = decision.step_id
WHERE decision.proposal_id = ANY(%(keys)s) ORDER BY decision.decided_at
"""
# What reverses a document of ours, and when that document was dated.
REVERSALS = """
SELECT original.document, proposal.effective_on,
    ARRAY(SELECT other.id FROM proposals_proposal AS other
        WHERE other.company = %(company)s AND other.reference = original.document AND other.state = ANY(%(counted)s)
            AND other.payload ? 'reverses' ORDER BY other.id)
FROM unnest(%(documents)s::text[]) AS original (document)
LEFT JOIN commits_receipt AS receipt ON receipt.document = original.document
LEFT JOIN commits_commit AS opened ON opened.id = receipt.commit_id AND opened.company = %(company)s
LEFT JOIN proposals_proposal AS proposal ON proposal.id = opened.proposal_id
"""


class Write(NamedTuple):
    """One row of the stream; `payload` is None for what only counts as past."""

    key: UUID
    agent_id: UUID
    tool: str
    minor: int
    currency: str
    counterparty: str
    effective_on: date
    created_at: datetime
    asked: str
    payload: Any
    document: str
    differences: Any
    is_asked_again: bool

    @property
    def proposal(self) -> str:
        """Return the proposal's TypeID."""
        return encode_number("prop", self.key.int)


@dataclass(frozen=True, slots=True)
class Tested:
    """A write that landed in the period, with everything the rules ask of it."""

    key: UUID
    amount: Money
    case: Case


def cases(scope: Scope, company: str, in_force: InForce) -> Iterator[Tested]:
    """Yield a case for everything of one company that landed in the scope, in the order of submission."""
    thresholds = in_force.thresholds
    usage, why = _usage(scope, company, thresholds)
    limits = _limits(company)
    past = Past()
    for chunk in _chunks(scope, company, thresholds):
        landed = [write for write in chunk if write.payload is not None]
        facts = _Facts(landed, company, thresholds)
        for write in chunk:
            entry = _entry(write, company)
            if write.payload is not None:
                history = past.history(entry, thresholds, limits=limits.get((write.tool, write.currency), ()))
                case = Case(
                    entry=entry,
                    history=history,
                    usage=usage,
                    people=facts.people(write),
                    decisions=facts.decisions.get(write.key, ()),
                    reversal=facts.reversal(write, entry),
                    landing=Landing(write.document, tuple(str(item["field"]) for item in _parsed(write.differences) or ())),
                    missing={"usage": why} if why else {},
                )
                yield Tested(write.key, entry.amount, case)
            past.add(entry, key=write.proposal)


def _chunks(scope: Scope, company: str, thresholds: Thresholds) -> Iterator[list[Write]]:
    values = {**_values(scope, company), "counted": _counted(), "back": scope.since - timedelta(days=thresholds.usage_days)}
    connection.ensure_connection()
    with connection.chunked_cursor() as cursor:
        cursor.execute(WRITES, values)
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield [Write(*row) for row in rows]


def _entry(write: Write, company: str) -> Entry:
    return entry_of(
        tool=write.tool,
        company=company,
        agent=encode_number("agent", write.agent_id.int),
        params=_parsed(write.payload) or {},
        amount=Money(write.minor, write.currency),
        counterparty=write.counterparty,
        effective_on=write.effective_on,
        entered_at=write.created_at,
        is_asked_again=write.is_asked_again,
    )


class _Facts:
    """What a chunk of writes needs of the people around them and of what they reverse; a statement for each kind of fact."""

    def __init__(self, landed: Sequence[Write], company: str, thresholds: Thresholds) -> None:
        keys = [write.key for write in landed]
        self.decisions = _decisions(keys, thresholds)
        self._excluded: dict[UUID, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for key, user, reason in Exclusion.objects.filter(route_id__in=keys).values_list("route_id", "user_id", "reason"):
            if reason != ASKED:
                self._excluded[key][str(user)] = (*self._excluded[key].get(str(user), ()), reason)
        documents = {str(document) for write in landed if (document := (_parsed(write.payload) or {}).get("reverses"))}
        self._reversed = _reversals(sorted(documents), company)

    def people(self, write: Write) -> People:
        """Return who asked for the write, and who was excluded from deciding on it because of what they do for its agent."""
        return People(asked=write.asked, involved=self._excluded.get(write.key, {}))

    def reversal(self, write: Write, entry: Entry) -> Reversal | None:
        """Return what the write reverses, if anything."""
        if not entry.reverses:
            return None
        original_on, others = self._reversed.get(entry.reverses, (None, ()))
        return Reversal(entry.reverses, original_on, tuple(other for other in others if other != write.proposal))


def _decisions(keys: Sequence[UUID], thresholds: Thresholds) -> dict[UUID, tuple[DecisionFacts, ...]]:
    found: dict[UUID, tuple[DecisionFacts, ...]] = {}
    if not keys:
        return found
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"keys": list(keys), "window": timedelta(seconds=thresholds.bulk_seconds)}
        cursor.execute(DECISIONS, values)
        for key, user, kind, shown_at, decided_at, step, count in cursor.fetchall():
            item = DecisionFacts(str(user), kind, shown_at, decided_at, in_window=count, step=step)
            found[key] = (*found.get(key, ()), item)
    return found


def _reversals(documents: Sequence[str], company: str) -> dict[str, tuple[date | None, tuple[str, ...]]]:
    """Return when each document was dated and which proposals reverse it; what is not ours is asked of the ERP."""
    if not documents:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(REVERSALS, {"documents": list(documents), "company": company, "counted": _counted()})
        rows = cursor.fetchall()
    found = {document: (day, tuple(encode_number("prop", key.int) for key in others)) for document, day, others in rows}
    foreign = [document for document, (day, _) in found.items() if day is None]
    for document, day in _dates_in_erp(foreign, company).items():
        found[document] = (day, found[document][1])
    return found


def _dates_in_erp(documents: Sequence[str], company: str) -> dict[str, date]:
    if not documents:
        return {}
    try:
        landed = connector_for(company).read_back_many(company, documents)
    except DomainError:
        return {}
    days = {document: str(fields.get("effective_on") or fields.get("ordered_on") or "") for document, fields in landed.items()}
    return {document: date.fromisoformat(day) for document, day in days.items() if day}


def _usage(scope: Scope, company: str, thresholds: Thresholds) -> tuple[Usage | None, str]:
    """Return how the accounts of the period's entries were used before it began, or why nobody can tell."""
    with connection.cursor() as cursor:
        cursor.execute(PAYLOADS, {**_values(scope, company), "tool": JOURNAL})
        rows = cursor.fetchall()
    entries = [
        entry_of(
            tool=JOURNAL,
            company=company,
            agent="",
            params=_parsed(payload) or {},
            amount=Money(0, currency),
            counterparty="",
            effective_on=scope.first_day,
            entered_at=scope.since,
        )
        for payload, currency in rows
    ]
    try:
        usage = usage_of(connector_for(company), company, entries, thresholds, until=scope.first_day, today=scope.first_day)
    except DomainError as error:
        return None, f"the ERP did not answer: {error.title}"
    return usage, "" if usage else "the ERP connection does not tell how accounts are used"


def _limits(company: str) -> Mapping[tuple[str, str], Sequence[int]]:
    """Return the limits that amounts can stay just below, by tool and currency: those of the policy that is active now."""
    rows = PolicyRow.objects.filter(policy__state=PolicyState.ACTIVE, company__in=["", company], up_to_minor__gt=0)
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for tool, currency, limit in rows.values_list("tool", "currency", "up_to_minor"):
        if limit is not None:
            found[tool, currency].append(limit)
    return {key: sorted(set(limits)) for key, limits in found.items()}


def _parsed(value: Any) -> Any:
    """Return a JSON column as read past the ORM."""
    return parse_json(value.encode()) if isinstance(value, str) else value


def _counted() -> list[str]:
    return [str(state) for state in COUNTED]


def _values(scope: Scope, company: str) -> dict[str, Any]:
    return {"company": company, "since": scope.since, "until": scope.until}
