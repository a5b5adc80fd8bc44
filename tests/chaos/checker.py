"""The property, computed from the two databases and the chain, and from nothing that the run counted itself.

Commits landed = approvals valid at commit; nothing twice; nothing lost; every landing has an audit event; every difference between
the two sides is a break that somebody can explain. An approved proposal that did not land was no longer valid only if the databases
show why: an approver's word or the engine's is not taken for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections

from audit.verification import verify_chain
from kernel.canonical import parse_json
from kernel.ids import Prefix, encode
from ledger.contracts import GATE
from reconciliation.states import UNRESOLVED, BreakKind

PROPOSALS = """
SELECT proposal.id, proposal.state, proposal.is_log_only, proposal.tool, proposal.company, proposal.payload, proposal.amount_minor,
    proposal.currency, proposal.effective_on, proposal.counterparty, agent.state
FROM proposals_proposal AS proposal JOIN identity_agent AS agent ON agent.id = proposal.agent_id
"""
LANDINGS = """
SELECT landed.reference, landed.document, company.code, landed.total_minor, landed.currency, landed.effective_on, landed.counterparty
FROM ledger_landed AS landed JOIN ledger_company AS company ON company.id = landed.company_id
WHERE landed.written_by = %s OR landed.reference <> ''
"""
SEALED = """
SELECT event.kind, event.proposal, event.bytes
FROM audit_event AS event JOIN audit_seal AS seal ON seal.event_id = event.event_id
WHERE event.kind IN ('approval:granted', 'commit:succeeded')
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A proposal as it stands in the gate's database."""

    reference: str
    state: str
    is_log_only: bool
    tool: str
    company: str
    payload: Mapping[str, Any]
    amount_minor: int
    currency: str
    effective_on: date
    counterparty: str
    agent_state: str


@dataclass(frozen=True, slots=True)
class Landing:
    """A document in the ledger that our identity wrote, or that names a proposal."""

    reference: str
    document: str
    company: str
    total_minor: int
    currency: str
    effective_on: date
    counterparty: str


@dataclass(slots=True)
class Findings:
    """What the databases say; `problems` has a sentence for everything that is not as it should be."""

    approved_valid: int = 0
    committed: int = 0
    doubles: int = 0
    lost: int = 0
    landings_without_event: int = 0
    unexplained_breaks: int = 0
    is_chain_intact: bool = True
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Return whether the property holds."""
        faults = self.doubles + self.lost + self.landings_without_event + self.unexplained_breaks
        return faults == 0 and self.approved_valid == self.committed and self.is_chain_intact


class LedgerFacts:
    """What the ledger's own tables say about why something could not be done any more; nothing here asks the gate."""

    def __init__(self) -> None:
        self.blocked_vendors = set(_rows("ledger", _OF_COMPANY.format("vendor", "number") + " WHERE vendor.status = 'blocked'"))
        self.closed_months = {
            (company, int(year), int(month))
            for company, year, month in _rows(
                "ledger",
                "SELECT company.code, period.year, period.month FROM ledger_period AS period"
                " JOIN ledger_company AS company ON company.id = period.company_id WHERE period.state = 'closed'",
            )
        }
        self.stock = {
            (company, item, location): quantity
            for company, item, location, quantity in _rows(
                "ledger",
                "SELECT company.code, item.number, stock.location, stock.quantity FROM ledger_stock AS stock"
                " JOIN ledger_item AS item ON item.id = stock.item_id JOIN ledger_company AS company ON company.id = stock.company_id",
            )
        }
        # A document that the ERP made and refused to post; it names the proposal itself.
        self.drafted = {reference for (reference,) in _rows("ledger", "SELECT reference FROM ledger_draft")}
        self.changed_versions = set(
            _rows(
                "ledger",
                "SELECT company.code, customer.number, change.version_before FROM ledger_customerchange AS change"
                " JOIN ledger_customer AS customer ON customer.id = change.customer_id"
                " JOIN ledger_company AS company ON company.id = change.company_id",
            )
        )
        # The traffic's entries all go between the same two accounts: of two over one sum on one day the second is a duplicate.
        self.posted = set(
            _rows(
                "ledger",
                "SELECT company.code, entry.effective_on, sum(posting.debit_minor) FROM ledger_journalentry AS entry"
                " JOIN ledger_posting AS posting ON posting.entry_id = entry.id"
                " JOIN ledger_company AS company ON company.id = entry.company_id"
                " WHERE entry.kind = 'general' GROUP BY entry.id, company.code",
            )
        )

    def forbids(self, wanted: Wanted) -> bool:
        """Return whether the books stand in the way of this proposal for good."""
        if wanted.reference in self.drafted:
            return True
        payload = wanted.payload
        on = str(payload.get("effective_on") or payload.get("ordered_on") or "")
        if on and (wanted.company, int(on[:4]), int(on[5:7])) in self.closed_months:
            return True
        if wanted.tool == "post_journal_entry":
            return (wanted.company, wanted.effective_on, wanted.amount_minor) in self.posted
        if wanted.tool == "create_purchase_order":
            return (wanted.company, payload["vendor"]) in self.blocked_vendors
        if wanted.tool == "release_inventory":
            left: Decimal = self.stock.get((wanted.company, payload["item"], payload["location"]), Decimal(0))
            return left < Decimal(str(payload["quantity"]))
        if wanted.tool == "update_customer":
            return (wanted.company, payload["customer"], int(payload["expected_version"])) in self.changed_versions
        return False


_OF_COMPANY = "SELECT company.code, {0}.{1} FROM ledger_{0} AS {0} JOIN ledger_company AS company ON company.id = {0}.company_id"


def check(
    *, acknowledged: Iterable[str] = (), approved_by_people: Iterable[str] = (), altered_by_the_erp: int = 0, misnamed_by_the_erp: int = 0
) -> Findings:
    """Return what the databases say about the property.

    `acknowledged` are the proposals that an agent was told stand, `approved_by_people` those that a person was told are approved: a
    crash must not take either back. `altered_by_the_erp` is how many writes the ERP's fault modes say that they changed, and
    `misnamed_by_the_erp` how many they answered with another document's number: so many breaks are explained, and not one more.
    """
    found = Findings()
    wanted = {item.reference: item for item in _wanted()}
    landings: dict[str, list[Landing]] = defaultdict(list)
    for row in _rows("ledger", LANDINGS, [GATE]):
        landing = Landing(*row)
        landings[landing.reference].append(landing)
    granted, told = _sealed()
    _check_approvals(found, wanted, landings, granted)
    _check_landings(found, wanted, landings, granted=granted, told=told)
    _check_promises(found, wanted, acknowledged=acknowledged, approved_by_people=approved_by_people, granted=granted)
    _check_keys(found)
    _check_breaks(found, wanted, landings, altered_by_the_erp=altered_by_the_erp, misnamed_by_the_erp=misnamed_by_the_erp)
    verification = verify_chain()
    found.is_chain_intact = verification.holds and verification.unsealed == 0
    found.problems += [problem.sentence for problem in verification.findings.problems]
    if verification.unsealed:
        found.problems.append(f"{verification.unsealed} events are not sealed.")
    return found


def _check_approvals(found: Findings, wanted: Mapping[str, Wanted], landings: Mapping[str, list[Landing]], granted: frozenset[str]) -> None:
    facts = LedgerFacts()
    for reference in granted:
        item = wanted.get(reference)
        if item is None or item.is_log_only:
            continue
        if landings.get(reference):
            # What was voided must not land: then it is no valid approval, and one landing too many.
            found.approved_valid += item.state == "approved"
            continue
        if facts.forbids(item) or item.agent_state == "decommissioned":
            continue
        found.approved_valid += 1
        found.lost += 1
        found.problems.append(f"Lost: {reference} ({item.tool}, {item.state}) was approved, nothing forbids it, and it never landed.")


def _check_landings(
    found: Findings,
    wanted: Mapping[str, Wanted],
    landings: Mapping[str, list[Landing]],
    *,
    granted: frozenset[str],
    told: Mapping[str, set[str]],
) -> None:
    for reference, documents in landings.items():
        found.committed += reference in wanted
        if reference and len(documents) > 1:
            found.doubles += len(documents) - 1
            found.problems.append(f"Double: {reference} landed as {', '.join(item.document for item in documents)}.")
        if reference in wanted and (wanted[reference].is_log_only or wanted[reference].state != "approved"):
            found.problems.append(f"Landed although it is {wanted[reference].state}: {reference}.")
        for item in documents:
            if reference not in granted or item.document not in told.get(reference, ()):
                found.landings_without_event += 1
                found.problems.append(f"No sealed event for {item.document}, which names {reference or 'no proposal'}.")


def _check_promises(
    found: Findings,
    wanted: Mapping[str, Wanted],
    *,
    acknowledged: Iterable[str],
    approved_by_people: Iterable[str],
    granted: frozenset[str],
) -> None:
    for reference in set(acknowledged) - wanted.keys():
        found.lost += 1
        found.problems.append(f"Lost: an agent was told that {reference} stands; it does not.")
    for reference in set(approved_by_people) - granted:
        found.lost += 1
        found.problems.append(f"Lost: a person was told that {reference} is approved; no sealed event says so.")


def _check_keys(found: Findings) -> None:
    """Count proposals that share an agent's key, and commits that share a proposal: constraints forbid both."""
    for table, columns in (("proposals_proposal", "agent_id, idempotency_key"), ("commits_commit", "proposal_id")):
        for row in _rows("default", f"SELECT {columns}, count(*) FROM {table} GROUP BY {columns} HAVING count(*) > 1"):
            found.doubles += int(row[-1]) - 1
            found.problems.append(f"Double: {table} has {row}.")


def _check_breaks(
    found: Findings,
    wanted: Mapping[str, Wanted],
    landings: Mapping[str, list[Landing]],
    *,
    altered_by_the_erp: int,
    misnamed_by_the_erp: int,
) -> None:
    """Count open breaks that nothing the ERP did by itself explains, and alterations that no break reports."""
    opened = [
        (encode(Prefix.PROPOSAL, proposal_id) if isinstance(proposal_id, UUID) else "", kind, document)
        for proposal_id, kind, document in _rows(
            "default", "SELECT proposal_id, kind, document FROM reconciliation_break WHERE state = ANY(%s)", [sorted(map(str, UNRESOLVED))]
        )
    ]
    altered = {
        (item.reference, item.document)
        for reference, documents in landings.items()
        if reference in wanted
        for item in documents
        if _is_altered(wanted[reference], item)
    }
    reported = {(reference, document) for reference, _, document in opened}
    unexplained = [item for item in opened if (item[0], item[2]) not in altered]
    misnamed = [item for item in unexplained if item[1] == BreakKind.DIFFERS]
    if len(misnamed) <= misnamed_by_the_erp:
        unexplained = [item for item in unexplained if item[1] != BreakKind.DIFFERS]
    unreported = altered - reported
    beyond = max(0, len(altered) - altered_by_the_erp)
    found.unexplained_breaks = len(unexplained) + len(unreported) + beyond
    found.problems += [f"Unexplained break: {kind} {document} {reference}." for reference, kind, document in unexplained]
    found.problems += [f"Landed otherwise than approved without a break: {document} {reference}." for reference, document in unreported]
    if beyond:
        found.problems.append(f"{beyond} more landed otherwise than approved than the ERP altered: {sorted(altered)[:5]}.")


def _is_altered(wanted: Wanted, landing: Landing) -> bool:
    # A change of a customer names no date: it counts on the day on which it lands.
    wanted_on = landing.effective_on if wanted.tool == "update_customer" else wanted.effective_on
    approved = (wanted.company, wanted.amount_minor, wanted.currency, wanted_on, wanted.counterparty)
    return approved != (landing.company, landing.total_minor, landing.currency, landing.effective_on, landing.counterparty)


def _wanted() -> Iterable[Wanted]:
    for proposal_id, *values in _rows("default", PROPOSALS):
        state, is_log_only, tool, company, payload, *rest = values
        parsed = payload if isinstance(payload, dict) else parse_json(payload)
        assert isinstance(parsed, dict)
        yield Wanted(encode(Prefix.PROPOSAL, proposal_id), state, is_log_only, tool, company, parsed, *rest)


def _sealed() -> tuple[frozenset[str], Mapping[str, set[str]]]:
    """Return which proposals the chain says were approved, and which documents it says each landed as."""
    granted: Counter[str] = Counter()
    told: dict[str, set[str]] = defaultdict(set)
    for kind, proposal, stored in _rows("default", SEALED):
        if kind == "approval:granted":
            granted[proposal] += 1
            continue
        record = parse_json(bytes(stored))
        assert isinstance(record, dict)
        told[proposal].add(str(record["outcome"]["document"]))
    return frozenset(granted), told


def _rows(alias: str, statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters or [])
        return list(cursor.fetchall())
