"""The tables of a bundle read again: counted, added up and looked up one row at a time, as anybody else would."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal

from audit.verifier.countersign_verify import Members

Row = dict[str, str]


def rows_of(members: Members, path: str) -> Iterator[tuple[int, Row]]:
    """Yield each row of a table with its number from 0; none when the bundle has no such table."""
    if path not in members:
        return
    with io.TextIOWrapper(members.open(path), encoding="utf-8", newline="") as text:
        yield from enumerate(csv.DictReader(text, strict=True))


def counted(members: Members, path: str, key: Callable[[Row], str]) -> Counter[str]:
    """Return how many rows have each key."""
    return Counter(key(row) for _, row in rows_of(members, path))


def first_rows(members: Members, path: str, key: Callable[[Row], str]) -> dict[str, int]:
    """Return the first row of each key."""
    found: dict[str, int] = {}
    for number, row in rows_of(members, path):
        found.setdefault(key(row), number)
    return found


def added(members: Members, path: str, amount: str, by: str, only: Callable[[Row], bool] = lambda _: True) -> dict[str, Decimal]:
    """Return the sum of a column by another one, sorted."""
    sums: dict[str, Decimal] = {}
    for _, row in rows_of(members, path):
        if row[amount] and only(row):
            sums[row[by]] = sums.get(row[by], Decimal(0)) + Decimal(row[amount])
    return dict(sorted(sums.items()))
