"""What other apps put into bundles: sections (documents of one proposal) and tables (rows as CSV, with control totals).

Audit knows nobody, so each app registers its parts once in AppConfig.ready. A section is told which proposals are wanted, reads what it
has about all of them at once, and returns what composes the members of one: path → exact bytes. A table is asked for a scope, one
proposal or a period, and yields rows; it is written line by line, so a table may be of any length. What a table says about itself
(columns with their meaning, number of rows, sums) goes into tables.json and into the data dictionary, and the verifier counts and adds up
again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from audit.verifier.countersign_verify import MEMBER_PATTERN, TABLES_SCHEMA, Members
from kernel.canonical import canonical_bytes

# Composes the members of one proposal from what was read about it and others.
Composer = Callable[[str], Mapping[str, bytes]]
# Reads about all of these proposals, in a number of statements that does not grow with them.
SectionReader = Callable[[Sequence[str]], Composer]
Row = TypeVar("Row")

OWN_PREFIXES = ("checkpoints/", "keys/", "payloads/", "proofs/", "tombstones/", "tsa/", "witness/")
OWN_MEMBERS = frozenset(
    {
        "README.txt", "bundle.json", "data_dictionary.md", "documents.jsonl", "events.jsonl", "manifest.dsse.json", "manifest.json",
        "tables.json", "verify.py",
    }
)  # fmt: skip
SECTION_NAME = re.compile(r"^[a-z][a-z_]*$")
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a bundle is about, and what of it the person who asked may see.

    One proposal, or the events recorded in since ≤ recorded_at < until, which stand at `first_sequence` to `last_sequence`.
    `companies` of None means every company. `visible` lists, for the kinds of subject in it, the ids that may be shown of
    events without a company. `as_of` is the instant of the checkpoint that the bundle leans on: nothing later is in it.
    """

    first_sequence: int
    last_sequence: int
    checkpoint_size: int
    as_of: datetime
    proposal: str = ""
    since: datetime | None = None
    until: datetime | None = None
    companies: frozenset[str] | None = None
    visible: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def shows(self, *, company: str, subject_kind: str, subject_id: str) -> bool:
        """Tell whether an event of this company about this subject may be shown."""
        if company:
            return self.companies is None or company in self.companies
        return subject_kind not in self.visible or subject_id in self.visible[subject_kind]

    def shows_company(self, company: str) -> bool:
        """Tell whether what belongs to this company may be shown."""
        return self.companies is None or company in self.companies


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; an `is_exact` one holds figures or identifiers of ours and is never changed for a spreadsheet."""

    name: str
    meaning: str
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of bundles: its member's path, its columns, its rows; `totals` names (amount, by) columns that are added up.

    With `of_kind`, the table has exactly one row for each event of that kind in the bundle.
    """

    path: str
    title: str
    columns: tuple[Column, ...]
    rows: Callable[[Scope], Iterable[Sequence[str]]]
    totals: tuple[tuple[str, str], ...] = ()
    of_kind: str = ""
    # Whether it stands in the bundle of one proposal too.
    is_for_proposals: bool = True


_sections: dict[str, SectionReader] = {}
_tables: dict[str, Table] = {}


def register_section(name: str, reader: SectionReader) -> None:
    """Make every bundle hold what `reader` composes of what it read; the same name registered again takes the place of the first."""
    if not SECTION_NAME.match(name):
        raise ValueError(f"{name!r} can't name a section")
    _sections[name] = reader


def register_table(table: Table) -> None:
    """Make every bundle hold the table; one of the same path takes its place."""
    if not MEMBER_PATTERN.match(table.path) or not table.path.endswith(".csv"):
        raise ValueError(f"{table.path!r} can't name a table")
    _refuse_own(table.path, "the table")
    _tables[table.path] = table


def section_names() -> list[str]:
    """Return the names of the sections, sorted."""
    return sorted(_sections)


def tables_for(scope: Scope) -> list[Table]:
    """Return the tables of a bundle, by path."""
    return [_tables[path] for path in sorted(_tables) if _tables[path].is_for_proposals or not scope.proposal]


def section_members(proposals: Sequence[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield each proposal with every member that the sections have for it; raises ValueError when one takes a place that is not its own.

    What is stored is read for all of them first; what is made of it, pages above all, is made for one at a time.
    """
    composers = [(name, _sections[name](proposals)) for name in sorted(_sections)]
    for proposal in proposals:
        members: dict[str, bytes] = {}
        for name, compose in composers:
            for path, content in compose(proposal).items():
                _refuse_own(path, f"the section {name}")
                if not MEMBER_PATTERN.match(path) or path in members:
                    raise ValueError(f"the section {name} may not add a member {path!r}")
                members[path] = bytes(content)
        yield proposal, members


def grouped(rows: Iterable[Row], key_of: Callable[[Row], UUID]) -> dict[UUID, list[Row]]:
    """Return the rows of each proposal, or of whatever the key is of, in their order."""
    found: dict[UUID, list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row), []).append(row)
    return found


def _refuse_own(path: str, whose: str) -> None:
    if path.startswith(OWN_PREFIXES) or path in OWN_MEMBERS:
        raise ValueError(f"{whose} may not add a member {path!r}")


class _Echo:
    """A file that hands back what is written to it: `csv.writer` then makes lines one at a time."""

    def write(self, text: str) -> str:
        return text


class TableWriter:
    """Makes the lines of one table and keeps its count and sums, so that both are of the very rows that were written."""

    def __init__(self, table: Table) -> None:
        """Begin before the header."""
        self.table = table
        self.rows = 0
        names = [column.name for column in table.columns]
        self._places = [(amount, by, names.index(amount), names.index(by)) for amount, by in table.totals]
        self._sums: dict[str, dict[str, Decimal]] = {amount: {} for amount, _ in table.totals}

    def lines(self, scope: Scope) -> Iterator[bytes]:
        """Yield the header and each row as bytes of a line."""
        writer = csv.writer(_Echo())
        exact = [column.is_exact for column in self.table.columns]
        yield str(writer.writerow([column.name for column in self.table.columns])).encode("utf-8")
        for row in self.table.rows(scope):
            if len(row) != len(exact):
                raise ValueError(f"{self.table.path} has {len(exact)} columns; a row of {len(row)} does not fit")
            self.rows += 1
            for amount, _, place, by_place in self._places:
                if row[place]:
                    sums = self._sums[amount]
                    sums[row[by_place]] = sums.get(row[by_place], Decimal(0)) + Decimal(row[place])
            yield str(writer.writerow([value if kept else harmless(value) for value, kept in zip(row, exact, strict=True)])).encode("utf-8")

    def described(self) -> dict[str, object]:
        """Return what tables.json says about the table."""
        return {
            "path": self.table.path,
            "title": self.table.title,
            "columns": [{"name": column.name, "meaning": column.meaning} for column in self.table.columns],
            "rows": self.rows,
            "of_kind": self.table.of_kind,
            "totals": [
                {"column": amount, "by": by, "sums": {key: f"{total:f}" for key, total in sorted(self._sums[amount].items())}}
                for amount, by in self.table.totals
            ],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What the report adds to a bundle: its members, and the tables among them as tables.json describes them."""

    members: Mapping[str, bytes] = field(default_factory=dict)
    tables: Sequence[Mapping[str, object]] = ()


Reporter = Callable[[Scope, Members, Sequence[Mapping[str, object]]], Report]
_reporters: list[Reporter] = []


def register_reporter(reporter: Reporter) -> None:
    """Make every bundle hold the report that `reporter` composes from the scope, the members so far and what their tables state."""
    _reporters[:] = [reporter]


def compose_report(scope: Scope, members: Members, described: Sequence[Mapping[str, object]]) -> Report:
    """Return the report; an empty one when nobody composes any."""
    report = _reporters[0](scope, members, described) if _reporters else Report()
    for path in report.members:
        _refuse_own(path, "the report")
        if path in members:
            raise ValueError(f"the report may not add a member {path!r}")
    return report


def table_bytes(table: Table, scope: Scope) -> tuple[bytes, dict[str, object]]:
    """Return a short table whole, and what tables.json says about it."""
    writer = TableWriter(table)
    return b"".join(writer.lines(scope)), writer.described()


def tables_document(described: Sequence[Mapping[str, object]]) -> bytes:
    """Return tables.json: every table with its columns and control totals."""
    return canonical_bytes({"schema": TABLES_SCHEMA, "tables": list(described)})


def dictionary_of(described: Sequence[Mapping[str, object]]) -> bytes:
    """Return the part of the data dictionary that describes the columns of these tables."""
    parts = ["\n## Tables\n"]
    for table in sorted(described, key=lambda item: str(item["path"])):
        parts.append(f"\n### {table['path']}\n\n{table['title']}\n\n| column | meaning |\n|---|---|\n")
        columns = table["columns"]
        parts += [f"| {column['name']} | {column['meaning']} |\n" for column in columns] if isinstance(columns, list) else []
    return "".join(parts).encode("utf-8") if described else b""


def harmless(text: str) -> str:
    """Return the text so that a spreadsheet shows it and does not run it: a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA) else text
