"""Rows of the desk as comma-separated values: streamed, harmless in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet

from approvals.rules import BY_CODE
from kernel.canonical import to_json_text
from proposals.models import Proposal
from reconciliation.assurance.controls import ControlRow
from reconciliation.assurance.models import RuleHit, RuleRun, SampleItem
from reconciliation.exporting import harmless

CHUNK_ROWS = 1_000
HIT_COLUMNS = (
    "rule", "version", "title", "proposal", "company", "amount", "currency", "effective_on", "text", "inputs", "threshold", "observed",
)  # fmt: skip
SAMPLE_COLUMNS = (
    "position",
    "proposal",
    "company",
    "tool",
    "amount",
    "currency",
    "effective_on",
    "document",
    "stratum",
    "because",
    "headline",
)
CONTROL_COLUMNS = ("control", "title", "objective", "coso", "itgc", "result", "tested", "exceptions", "sentence", "exception_ids")


class _Echo:
    """A file that hands back what is written to it: `csv.writer` then makes lines one at a time."""

    def write(self, text: str) -> str:
        return text


def hits_of(run: RuleRun, rule: str) -> QuerySet[RuleHit]:
    """Return the hits of a run, of one rule or of all, in the order of the rules."""
    rows = (
        run.hits.select_related("proposal").defer("proposal__action_bytes", "proposal__payload", "proposal__facts").order_by("rule", "pk")
    )
    return rows.filter(rule=rule) if rule in BY_CODE else rows


def hit_lines(rows: QuerySet[RuleHit]) -> Iterator[str]:
    """Yield the hits line by line, the header first."""
    return _lines(HIT_COLUMNS, (_hit(row) for row in rows.iterator(chunk_size=CHUNK_ROWS)))


def sample_lines(rows: QuerySet[SampleItem]) -> Iterator[str]:
    """Yield the items of a sample line by line, the header first."""
    return _lines(SAMPLE_COLUMNS, (_item(row) for row in rows.iterator(chunk_size=CHUNK_ROWS)))


def control_lines(rows: Sequence[ControlRow]) -> Iterator[str]:
    """Yield the control matrix line by line, the header first."""
    return _lines(CONTROL_COLUMNS, (_control(row) for row in rows))


def document_of(proposal: Proposal) -> str:
    """Return the document that the proposal landed as, or nothing."""
    try:
        return proposal.commit.receipt.document
    except ObjectDoesNotExist:
        return ""


def _lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield str(writer.writerow(columns))
    for row in rows:
        yield str(writer.writerow([harmless(str(value)) for value in row]))


def _hit(hit: RuleHit) -> tuple[object, ...]:
    proposal = hit.proposal
    return (
        hit.rule,
        hit.rule_version,
        BY_CODE[hit.rule].title,
        proposal.public_id,
        proposal.company,
        proposal.amount.decimal_text(),
        proposal.currency,
        proposal.effective_on.isoformat(),
        hit.text,
        *(to_json_text(value) for value in (hit.inputs, hit.threshold, hit.observed)),
    )


def _item(item: SampleItem) -> tuple[object, ...]:
    proposal = item.proposal
    return (
        item.position,
        proposal.public_id,
        proposal.company,
        proposal.tool,
        proposal.amount.decimal_text(),
        proposal.currency,
        proposal.effective_on.isoformat(),
        document_of(proposal),
        item.stratum,
        item.because,
        proposal.headline,
    )


def _control(row: ControlRow) -> tuple[object, ...]:
    control = row.control
    return (
        control.code,
        control.title,
        control.objective,
        control.coso,
        control.itgc,
        row.result.value,
        row.tested,
        row.exception_count,
        row.sentence,
        " ".join(row.exceptions),
    )
