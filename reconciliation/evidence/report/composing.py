"""Composing the report: verify, count, render; what nobody computed says that it was not tested."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string

from audit.bundle_parts import Report, Scope, Table, table_bytes
from audit.keys import verifying_key
from audit.verification import is_signed_fast
from audit.verifier.countersign_verify import Bundle, Findings, Members, check_content, subject_of
from kernel.canonical import canonical_bytes, to_json_text
from kernel.display import utc
from reconciliation.evidence import typesetting
from reconciliation.evidence.report import assurance, checks, counts, one_by_one
from reconciliation.evidence.report.parts import NOT_TESTED, Cell, FigureBook, Grid, Rows, Section, cells, link, rows_table, shown
from reconciliation.evidence.report_key import parse_identity

RowBuilder = Callable[[Scope], Sequence[Rows]]

# Sections of the auditor's desk: their number and their title.
FOREIGN = {4: "Population and completeness", 5: "Control matrix", 9: "Journal-entry tests"}
UNTESTED = {9: "The rules are tested on what landed; nothing of this proposal has."}
HEADINGS = {"coso": "COSO", "itgc": "ITGC", "gate_sum": "Gate sum", "erp_sum": "ERP sum", "erp": "ERP", "only_erp": "Only ERP"}
WIDTH_MAX = 42
ATTACHED_BYTES_MAX = 512 * 1024
TYPESETTING_SECONDS = 300

BUILDERS: Mapping[int, RowBuilder] = {4: assurance.tie_out_rows, 5: assurance.control_matrix, 9: assurance.journal_tests}


class ReportFailed(Exception):
    """The typesetter refused the report: a defect, since text is made fit for it beforehand."""


def compose(scope: Scope, members: Members, described: Sequence[Mapping[str, object]]) -> Report:
    """Return report.html, report.pdf and the tables behind them."""
    del described  # what tables state is read from them again
    findings = Findings()
    bundle = Bundle(members, [verifying_key()], findings, is_signed_with=is_signed_fast)
    # pyHanko and what it brings cost every process a second at its start; only who makes a report pays it.
    from reconciliation.evidence.pdf_signing import signed_pdf

    check_content(bundle)
    book = FigureBook()
    sections, extra = _sections(scope, bundle, book)
    data = _data(scope, bundle, sections)
    found: dict[str, bytes] = {}
    stated = []
    for table in (book.table(), *extra):
        found[table.path], description = table_bytes(table, scope)
        stated.append(description)
    found["report/report.json"] = canonical_bytes({"schema": "countersign.report/1", **data})
    found["report.html"] = render_to_string("evidence/report.html", {"report": data}).encode("utf-8")
    found["report.pdf"] = signed_pdf(
        unsigned_pdf(data, _attachments(members, found), timestamp=int(scope.as_of.timestamp())),
        identity=parse_identity(settings.AUDIT_REPORT_IDENTITY),
        at=scope.as_of,
    )
    return Report(found, stated)


def unsigned_pdf(data: Mapping[str, object], attachments: Sequence[Mapping[str, str]], *, timestamp: int) -> bytes:
    """Return the typeset report, made by a process of its own; raises ReportFailed."""
    request = to_json_text({"timestamp": timestamp, "report": dict(data), "attachments": list(attachments)})
    done = subprocess.run(
        [sys.executable, "-m", typesetting.__name__],
        input=request.encode("utf-8"),
        capture_output=True,
        check=False,
        timeout=TYPESETTING_SECONDS,
        cwd=Path(typesetting.__file__).parents[2],
    )
    if done.returncode:
        raise ReportFailed(done.stderr.decode("utf-8", errors="replace")[-2000:])
    return done.stdout


def _sections(scope: Scope, bundle: Bundle, book: FigureBook) -> tuple[list[Section], list[Table]]:
    members = bundle.members
    foreign: dict[int, Section] = {}
    extra: list[Table] = []
    for number, title in FOREIGN.items():
        foreign[number], tables = _foreign(scope, number, title, book)
        extra += tables
    sections = [
        checks.cover(scope, bundle, book),
        checks.how_to_verify(bundle),
        checks.result(bundle),
        counts.population(foreign[4], bundle, book),
        foreign[5],
        counts.approvals(members, book),
        counts.duties_and_access(members, book),
        counts.changes(scope, members, book),
        foreign[9],
        counts.exactly_once(members, book),
        counts.reconciliation(scope, members, book),
        counts.use_of_models(members, book),
        counts.data_used(members, book),
        counts.retention(members, book),
        checks.residency(bundle, book),
        counts.exceptions(members, book),
        one_by_one.pages(members, book),
    ]
    return sections, extra


def _foreign(scope: Scope, number: int, title: str, book: FigureBook) -> tuple[Section, list[Table]]:
    """Return a section that others compute, and its tables; it says so when nobody computed anything."""
    section = Section(number, title)
    found = BUILDERS[number](scope)
    if not found:
        section.status = NOT_TESTED
        section.paragraphs.append(UNTESTED.get(number, "There is nothing that it could be tested on."))
        return section, []
    tables: list[Table] = []
    for place, rows in enumerate(found):
        table = rows_table(number, f"{title}: rows behind section {number}.", rows, place)
        tables.append(table)
        if rows.sentence:
            section.paragraphs.append(rows.sentence)
        for label, value in rows.summary:
            book.add(section, label, value, source=table.path, how="Stated by the test; its rows are in the source.")
        if rows.rows:
            lines = [cells(rows.printed(row), href=link(table.path, at)) for at, row in enumerate(rows.rows)]
            printed, note = shown(lines, table.path)
            names = tuple(HEADINGS.get(name, name.replace("_", " ").capitalize()) for name in rows.printed_columns)
            section.grids.append(Grid("", names, _widths(names, printed), printed, note))
    return section, tables


def _widths(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> tuple[int, ...]:
    """Return shares of the page: a column is as wide as its longest text asks for, within reason."""
    return tuple(
        max(len(name) + 2, min(WIDTH_MAX, max((len(row[place].text) for row in rows), default=0))) for place, name in enumerate(names)
    )


def _data(scope: Scope, bundle: Bundle, sections: Sequence[Section]) -> dict[str, object]:
    about = subject_of(bundle.header)
    return {
        "title": "Evidence report",
        "subtitle": f"{about[:1].upper()}{about[1:]} of {bundle.header['chain_id']}",
        "about": about,
        "as_of": utc(scope.as_of),
        "date": {"year": scope.as_of.year, "month": scope.as_of.month, "day": scope.as_of.day},
        "sections": [section.as_dict() for section in sections],
    }


def _attachments(members: Members, found: Mapping[str, bytes]) -> list[dict[str, str]]:
    """Return what the PDF carries inside: the report as data, its figures, and what the bundle says of itself and its tables."""
    inside = {**found, **{path: members[path] for path in ("bundle.json", "tables.json") if path in members}}
    kinds = {".json": "application/json", ".csv": "text/csv"}
    return [
        {"name": path.replace("/", "_"), "content": content.decode("utf-8"), "mime_type": kind, "description": f"{path} of the bundle"}
        for path, content in sorted(inside.items())
        if (kind := kinds.get(Path(path).suffix, "")) and len(content) <= ATTACHED_BYTES_MAX
    ]
