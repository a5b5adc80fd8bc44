"""Sections 4, 5 and 9 as the auditor's desk computes them: the tie-out with the ERP, the control matrix, the rules J1-J17."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from approvals.flags.queries import InForce, thresholds_in_force
from approvals.rules.catalogue import RULES
from approvals.rules.engine import evaluate
from approvals.rules.results import Hit
from audit.bundle_parts import Scope
from commits.models import Receipt
from kernel.canonical import canonical_bytes
from kernel.ids import Prefix, decode, encode
from kernel.money import Money
from proposals.models import Proposal
from reconciliation.assurance.cases import cases
from reconciliation.assurance.controls import control_rows
from reconciliation.assurance.hit_words import names_in, seen_text, threshold_text
from reconciliation.assurance.scope import DAYS
from reconciliation.assurance.scope import Scope as Desk
from reconciliation.assurance.tie_out import tie_out
from reconciliation.evidence.report.parts import Rows

HITS_MAX = 100_000
# Key and company of what was proposed.
Proposed = tuple[UUID, str]
ALL_TIME = datetime(9999, 1, 1, tzinfo=UTC)


def tie_out_rows(scope: Scope) -> Sequence[Rows]:
    """Return one row for each company and currency: what the gate sent, what the ERP has, and where they are not the same."""
    desk = _desk(scope)
    if desk is None:
        return ()
    lines = []
    differing = only_gate = only_erp = not_compared = 0
    for found in tie_out(desk):
        differing, only_gate, only_erp = (
            differing + found.differing_count,
            only_gate + found.only_gate_count,
            only_erp + found.only_erp_count,
        )
        not_compared += bool(found.why)
        for currency in sorted({*found.gate_totals, *found.erp_totals}) or [""]:
            sums = [
                Money(totals.get(currency, 0), currency).decimal_text() if currency else ""
                for totals in (found.gate_totals, found.erp_totals)
            ]
            counts = (found.gate_count, found.erp_count, found.matched, found.differing_count, found.only_gate_count, found.only_erp_count)
            lines.append((found.company, currency, *sums, *map(str, counts), found.why or ("tied" if found.is_tied else "not tied")))
    columns = ("company", "currency", "gate_sum", "erp_sum", "gate", "erp", "matched", "differing", "only_gate", "only_erp", "result")
    summary = (
        ("Documents that differ between gate and ERP", differing),
        ("Documents known to the gate only", only_gate),
        ("Documents known to the ERP only", only_erp),
        ("Companies that could not be compared", not_compared),
    )
    sentence = "Tie-out of gate and ERP: each document of the period is compared by its reference, as the ERP holds it now."
    return (Rows(columns, lines, summary, sentence),)


def control_matrix(scope: Scope) -> Sequence[Rows]:
    """Return one row for each control with its result."""
    desk = _desk(scope) or _desk_of_proposal(scope)
    if desk is None:
        return ()
    found = control_rows(desk)
    lines = [
        (
            row.control.code,
            row.control.title,
            row.control.coso,
            row.control.itgc,
            str(row.result.label),
            str(row.tested),
            str(row.exception_count),
            row.sentence,
        )
        for row in found
    ]
    results = Counter(str(row.result.label) for row in found)
    columns = ("control", "title", "coso", "itgc", "result", "tested", "exceptions", "finding")
    return (Rows(columns, lines, tuple((f"Controls: {name}", count) for name, count in sorted(results.items()))),)


def journal_tests(scope: Scope) -> Sequence[Rows]:
    """Return one row for each rule with what it tested and struck, and one for each write that it struck."""
    desk = _desk(scope) or _desk_around_landing(scope)
    if desk is None:
        return ()
    tested: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    not_applicable: Counter[str] = Counter()
    not_tested: Counter[str] = Counter()
    hits: list[tuple[Proposed, Hit]] = []
    population = 0
    in_force = thresholds_in_force(desk.companies)
    for company in desk.companies:
        settings = in_force.get(company, InForce.default())
        for item in cases(desk, company, settings):
            if desk.proposal is not None and item.key != desk.proposal:
                continue
            population += 1
            evaluation = evaluate(item.case, settings.thresholds)
            tested.update(evaluation.tested)
            not_applicable.update(evaluation.not_applicable)
            not_tested.update(list(evaluation.not_tested))
            for hit in evaluation.hits:
                struck[hit.rule] += 1
                if len(hits) < HITS_MAX:
                    hits.append(((item.key, company), hit))
    lines = [
        (
            rule.code,
            rule.title,
            str(rule.version),
            str(tested[rule.code]),
            str(struck[rule.code]),
            str(not_applicable[rule.code]),
            str(not_tested[rule.code]),
        )
        for rule in RULES
    ]
    summary = (
        ("Writes that landed" if desk.proposal else "Writes that landed in the period", population),
        ("Rules that struck something", sum(count > 0 for count in struck.values())),
    )
    what = f"This write and the {DAYS} days before it are" if desk.proposal else "Each write that landed in the period is"
    sentence = f"{what} held against the rules J1 to J17 with the thresholds in force. A hit is a reason to look."
    columns = ("rule", "title", "version", "tested", "hits", "not_applicable", "not_tested")
    return (
        Rows(columns, lines, summary, sentence),
        _hit_rows(hits, sum(struck.values())),
    )


def _hit_rows(hits: Sequence[tuple[Proposed, Hit]], count: int) -> Rows:
    """Return one row for each hit: in words for people, and as the rule recorded it for programs, which is not printed."""
    names = names_in([hit for _, hit in hits])
    lines = [
        (
            hit.rule,
            encode(Prefix.PROPOSAL, key),
            company,
            hit.text,
            seen_text(hit, names),
            threshold_text(hit),
            _text(hit.observed),
            _text(hit.threshold),
        )
        for (key, company), hit in hits
    ]
    columns = ("rule", "proposal", "company", "finding", "seen", "held_against", "observed", "threshold")
    return Rows(columns, lines, (("Hits", count),), not_printed=2)


def _desk_of_proposal(scope: Scope) -> Desk | None:
    """Return the desk's scope of the bundle of one proposal: from its submission on, that proposal only."""
    found = Proposal.objects.filter(pk=decode(Prefix.PROPOSAL, scope.proposal)).first()
    return Desk(found.created_at, ALL_TIME, (found.company,), found.pk) if found else None


def _desk_around_landing(scope: Scope) -> Desk | None:
    """Return the desk's scope that ends with what landed of one proposal, so that rules can look back; None where nothing has landed."""
    receipt = Receipt.objects.select_related("commit").filter(commit__proposal_id=decode(Prefix.PROPOSAL, scope.proposal)).first()
    if receipt is None:
        return None
    commit, until = receipt.commit, receipt.recorded_at + timedelta(microseconds=1)
    return Desk(until - timedelta(days=DAYS), until, (commit.company,), commit.proposal_id)


def _desk(scope: Scope) -> Desk | None:
    """Return the desk's scope of a period; None for the bundle of a single proposal."""
    if scope.since is None or scope.until is None:
        return None
    companies = scope.companies
    if companies is None:
        companies = frozenset(Proposal.objects.order_by().values_list("company", flat=True).distinct())
    return Desk(scope.since, scope.until, tuple(sorted(companies))) if companies else None


def _text(value: object) -> str:
    return canonical_bytes(value).decode("utf-8")
