"""What a report is made of: sections of sentences, figures and grids; every figure and row knows the row of a CSV that it comes from.

A link is a member's path and a row of it as RFC 7111 has it, `approvals.csv#row=3`: rows count from 1, and the header is the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from audit.bundle_parts import Column, Table
from reconciliation.evidence.safe_text import visible

NOT_TESTED = "Not tested"
FIGURES = "report/figures.csv"
ROWS_SHOWN_MAX = 40


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as it is printed, where it comes from, and whether it is an identifier."""

    text: str
    href: str = ""
    is_code: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return the form that the renderers read; the text is fit to be printed."""
        return {"text": visible(self.text), "href": self.href, "code": self.is_code}


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table within a section; `widths` are shares."""

    title: str
    columns: tuple[str, ...]
    widths: tuple[int, ...]
    rows: list[list[Cell]]
    note: str = ""


@dataclass
class Section:
    """One numbered section; `status` says so when it was not tested."""

    number: int
    title: str
    status: str = ""
    paragraphs: list[str] = field(default_factory=list)
    figures: list[tuple[str, Cell]] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    break_before: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return the form that the renderers read."""
        return {
            "number": self.number,
            "title": self.title,
            "status": self.status,
            "break_before": self.break_before,
            "paragraphs": [visible(text) for text in self.paragraphs],
            "figures": [{"label": visible(label), "value": value.as_dict()} for label, value in self.figures],
            "grids": [
                {
                    "title": visible(grid.title),
                    "columns": list(grid.columns),
                    "widths": list(grid.widths),
                    "rows": [[cell.as_dict() for cell in row] for row in grid.rows],
                    "note": visible(grid.note),
                }
                for grid in self.grids
            ],
        }


class FigureBook:
    """Every figure of the report as a row of report/figures.csv: what it says, and how and from what it was computed."""

    def __init__(self) -> None:
        """Begin with no figure."""
        self._rows: list[tuple[str, ...]] = []

    def add(self, section: Section, label: str, value: int | str | Decimal, *, source: str, how: str) -> Cell:
        """Put a figure into the section and the book; return it with the link to its row."""
        text = f"{value:,}" if isinstance(value, int) else f"{value:,f}" if isinstance(value, Decimal) else value
        exact = f"{value:f}" if isinstance(value, Decimal) else str(value)
        self._rows.append((str(section.number), label, exact, source, how))
        cell = Cell(text, f"{FIGURES}#row={len(self._rows) + 1}")
        section.figures.append((label, cell))
        return cell

    def cell(self, section: Section, label: str, value: int | Decimal, *, source: str, how: str) -> Cell:
        """Put a figure into the book only, for a grid; return it with the link to its row."""
        cell = self.add(section, label, value, source=source, how=how)
        section.figures.pop()
        return cell

    def table(self) -> Table:
        """Return the book as a table of the bundle."""
        columns = (
            Column("section", "section of the report", is_exact=True),
            Column("figure", "what is counted"),
            Column("value", "the figure", is_exact=True),
            Column("source", "member that it was computed from", is_exact=True),
            Column("how", "how it was computed"),
        )
        rows = list(self._rows)
        return Table(FIGURES, "Every figure of the report, and how it was computed.", columns, lambda _: rows)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a section gets from another part of the product: a sentence, figures, and rows that become report/section_NN.csv.

    The last `not_printed` columns are for programs: they stand in the CSV only.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    summary: Sequence[tuple[str, int | str | Decimal]] = ()
    sentence: str = ""
    not_printed: int = 0

    @property
    def printed_columns(self) -> tuple[str, ...]:
        """Return the columns that the report prints."""
        return self.columns[: len(self.columns) - self.not_printed]

    def printed(self, row: Sequence[str]) -> list[str]:
        """Return a row as the report prints it: sums with separators, as everywhere else in it."""
        return [grouped(text) if name.endswith("_sum") else text for name, text in zip(self.printed_columns, row, strict=False)]


def grouped(amount: str) -> str:
    """Return a decimal with separators of thousands, as figures are printed; nothing stays nothing."""
    return f"{Decimal(amount):,f}" if amount else ""


def rows_table(number: int, title: str, found: Rows, place: int) -> Table:
    """Return rows that a section got as a table of the bundle."""
    columns = tuple(Column(name, name.replace("_", " ")) for name in found.columns)
    ending = f"_{place + 1}" if place else ""
    return Table(f"report/section_{number:02d}{ending}.csv", title, columns, lambda _: found.rows)


def link(path: str, number: int) -> str:
    """Return the link to a row of a table, of which `number` counts the rows from 0."""
    return f"{path}#row={number + 2}"


def shown(items: Sequence[list[Cell]], path: str) -> tuple[list[list[Cell]], str]:
    """Return the rows that the report prints, and the note on the others."""
    rest = len(items) - ROWS_SHOWN_MAX
    return list(items[:ROWS_SHOWN_MAX]), f"{rest:,} more rows are in {path}." if rest > 0 else f"All rows are in {path}."


def cells(values: Iterable[str], *, href: str = "") -> list[Cell]:
    """Return plain cells, the first of them with the link."""
    return [Cell(value, href if number == 0 else "") for number, value in enumerate(values)]
