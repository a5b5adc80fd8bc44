"""One page of a long list: real links, no count of everything (a count of millions costs more than the page)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from django.http import QueryDict

PAGE_SIZE = 50
PAGE_NUMBER_MAX = 2_000

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page and the addresses of its neighbours; empty addresses where there is none."""

    rows: Sequence[Row]
    number: int
    first: int
    previous_url: str
    next_url: str

    @property
    def has_other_pages(self) -> bool:
        """Return whether there is anything before or after."""
        return bool(self.previous_url or self.next_url)

    @property
    def text(self) -> str:
        """Return which rows these are: Rows 51 to 100."""
        return f"Rows {self.first:,} to {self.first + len(self.rows) - 1:,}"

    def with_rows(self, rows: Sequence[Any]) -> Page[Any]:
        """Return the same page with its rows in another form."""
        return replace(self, rows=rows)


def page_number(query: QueryDict) -> int:
    """Return the page asked for, from 1; anything that is no sensible number is the first."""
    text = query.get("page", "1")
    return min(max(int(text), 1), PAGE_NUMBER_MAX) if text.isascii() and text.isdigit() else 1


def page_of(rows: QuerySet[Any] | Sequence[Row], query: QueryDict, *, size: int = PAGE_SIZE) -> Page[Any]:
    """Return the page that `query` asks for, reading one row more than it shows to know whether there is a next one."""
    number = page_number(query)
    start = (number - 1) * size
    found = list(rows[start : start + size + 1])
    return Page(
        rows=found[:size],
        number=number,
        first=start + 1,
        previous_url=_address(query, number - 1) if number > 1 else "",
        next_url=_address(query, number + 1) if len(found) > size else "",
    )


def _address(query: QueryDict, number: int) -> str:
    changed = query.copy()
    changed["page"] = str(number)
    return f"?{changed.urlencode()}"


def address_with(query: QueryDict, **changes: str) -> str:
    """Return this list's address with some parameters set, or dropped where the new value is empty; always its first page."""
    changed = query.copy()
    changed.pop("page", None)
    for name, value in changes.items():
        if value:
            changed[name] = value
        else:
            changed.pop(name, None)
    return f"?{changed.urlencode()}"
