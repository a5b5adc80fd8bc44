"""What the pages of the desk are made of: panels with facts and tables, the form of the period, the tabs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from identity.console import person_of
from identity.permissions import Permission, companies_with
from kernel.money import Money
from reconciliation.assurance.scope import Scope, scope_asked

TABS = (
    ("Population", "desk:home"),
    ("Search", "desk:search"),
    ("Tie-out", "desk:tie_out"),
    ("Control matrix", "desk:controls"),
    ("Journal-entry tests", "desk:rule_runs"),
    ("Samples", "desk:samples"),
    ("Access", "desk:access"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a text or a finished value, perhaps with a link and a line below."""

    text: object
    url: str = ""
    sub: object = ""
    is_numeric: bool = False
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row is its header."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def labelled(self) -> list[tuple[Cell, list[tuple[str, Cell]]]]:
        """Return each row as its header and its other cells under the names of their columns."""
        return [(row[0], list(zip(self.columns[1:], row[1:], strict=True))) for row in self.rows]

    @property
    def heads(self) -> list[tuple[str, bool]]:
        """Return the columns with whether they hold figures."""
        first = self.rows[0] if self.rows else [Cell("") for _ in self.columns]
        return [(name, cell.is_numeric) for name, cell in zip(self.columns, first, strict=True)]


@dataclass(frozen=True, slots=True)
class Panel:
    """One section of a page."""

    id: str
    title: str
    note: object = ""
    tag: object = ""
    facts: Sequence[tuple[str, object]] = ()
    table: Table | None = None
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the desk's pages; the period goes along."""

    title: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class DeskPage:
    """A page of the desk."""

    title: str
    lead: str
    tabs: Sequence[Tab]
    scope: Scope
    panels: Sequence[Panel]
    companies: Sequence[str] = ()
    company: str = ""
    crumb: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)


def scope_of(request: HttpRequest, query: QueryDict, now: datetime, permission: Permission = Permission.AUDIT_READ) -> Scope:
    """Return the period and companies that the fields ask for, within what the person may see."""
    return scope_asked(
        since=query.get("since", ""),
        until=query.get("until", ""),
        company=query.get("company", "").strip()[:12],
        allowed=companies_with(person_of(request), permission),
        now=now,
    )


def desk_page(
    request: HttpRequest, scope: Scope, current: str, *, title: str, lead: str, panels: Sequence[Panel], **more: object
) -> DeskPage:
    """Return a page of the desk, its tabs leading to the same period."""
    query = QueryDict(mutable=True)
    query.update({"since": scope.first_day.isoformat(), "until": scope.last_day.isoformat()})
    company = request.GET.get("company", "").strip()[:12]
    if company:
        query["company"] = company
    crumb = str(more.pop("crumb", ""))
    return DeskPage(
        title=title,
        lead=lead,
        tabs=[Tab(name, f"{reverse(url)}?{query.urlencode()}", url == current) for name, url in TABS],
        scope=scope,
        panels=panels,
        companies=sorted(companies_with(person_of(request), Permission.AUDIT_READ)),
        company=company,
        crumb=crumb,
        extra=more,
    )


def money_texts(totals: Mapping[str, int]) -> str:
    """Return sums in several currencies in one text, or a dash."""
    return ", ".join(str(Money(minor, currency)) for currency, minor in sorted(totals.items())) or "–"


def figure(value: object, sub: object = "") -> Cell:
    """Return a cell with a figure."""
    return Cell(f"{value:,}" if isinstance(value, int) else value, sub=sub, is_numeric=True)


def proposal_cell(proposal: str) -> Cell:
    """Return a cell that leads to the timeline of a proposal."""
    return Cell(proposal, url=reverse("audit:proposal", args=[proposal]), is_code=True)


def codes(values: Iterable[object]) -> str:
    """Return values joined for a line of text."""
    return ", ".join(str(value) for value in values)
