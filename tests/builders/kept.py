"""The start of many tests, made once per process: the second time its rows are copied instead of made.

What a start costs is mostly the services that make it, each with its checks and events; the tests of those call them themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

from django.db import connections

from tests.builders.snapshot import Table, replicating, sequences_of, tables_of, writes_of

T = TypeVar("T")
# How many rows were inserted, updated and deleted by this transaction, for each table of each database.
Writes: TypeAlias = dict[str, dict[str, tuple[int, ...]]]
Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """What was returned, and what the tables that were written to held then."""

    result: object
    tables: dict[str, list[Table]]
    sequences: dict[str, list[tuple[str, int]]]


@dataclass(slots=True)
class Place:
    """Which starts this transaction consists of so far, and what they wrote."""

    path: Path = ()
    writes: Writes = field(default_factory=dict)


_starts: dict[Path, Start] = {}
_place = Place()


def kept(name: str, make: Callable[[], T], *, aliases: Sequence[str] = ("default",)) -> T:
    """Return what `make` returns, with its rows in the databases named.

    Rows are copied only where they would be made just so: inside a test's own transaction in which nothing was written but other starts, in
    the same order. Everywhere else `make` is called. Instants in the rows are those of the first time.
    """
    if not all(connections[alias].in_atomic_block for alias in aliases):
        return make()
    before = {alias: writes_of(alias) for alias in aliases}
    if not any(before.values()):
        _place.path, _place.writes = (), {}
    elif any(before[alias] != _place.writes.get(alias, {}) for alias in aliases):
        return make()
    _place.path = (*_place.path, name)
    start = _starts.get(_place.path)
    if start is None:
        result = make()
        now = {alias: writes_of(alias) for alias in aliases}
        changed = {alias: [table for table, counts in now[alias].items() if before[alias].get(table) != counts] for alias in aliases}
        tables = {alias: tables_of(alias, changed[alias]) for alias in aliases}
        _starts[_place.path] = Start(deepcopy(result), tables, {alias: sequences_of(alias) for alias in aliases})
        _place.writes |= now
        return result
    for alias in aliases:
        with replicating(alias) as cursor:
            for table in start.tables[alias]:
                if before[alias]:
                    cursor.execute(table.delete())
                with cursor.copy(table.copy("FROM STDIN")) as copy:
                    copy.write(table.rows)
            for sequence, value in start.sequences[alias]:
                name = f'"{sequence}"'
                cursor.execute("SELECT setval(%s::regclass, greatest(%s, nextval(%s::regclass)))", [name, value, name])
    _place.writes |= {alias: writes_of(alias) for alias in aliases}
    return cast(T, deepcopy(start.result))
