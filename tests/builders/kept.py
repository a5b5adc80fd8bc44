"""The start of many tests, made once per process: the second time its rows are copied instead of made.

What a start costs is mostly the services that make it, each with its checks and events; the tests of those call them themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

from django.db import connections

from tests.builders.snapshot import Table, Written, replicating, sequences_of, tables_of, written_by

T = TypeVar("T")
Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """What was returned, and what the tables that were written to held then."""

    result: object
    tables: dict[str, list[Table]]
    sequences: dict[str, list[tuple[str, int]]]


@dataclass(slots=True)
class Place:
    """Which starts a test consists of so far, and how each database was left."""

    path: Path = ()
    left: dict[str, Written] = field(default_factory=dict)


_starts: dict[Path, Start] = {}
_place = Place()


def kept(name: str, make: Callable[[], T], *, aliases: Sequence[str] = ("default",)) -> T:
    """Return what `make` returns, with its rows in the databases named.

    Rows are copied only where they would be made just so: inside a test's own transaction in which nothing was written but other starts, in
    the same order. Everywhere else `make` is called. Instants in the rows are those of the first time.
    """
    if not all(connections[alias].in_atomic_block for alias in aliases):
        return make()
    before = {alias: written_by(alias) for alias in aliases}
    if all(written.transaction is None for written in before.values()):
        _place.path, _place.left = (), {}
    elif any(written.transaction is not None and written != _place.left.get(alias) for alias, written in before.items()):
        return make()
    path = (*_place.path, name)
    start = _starts.get(path)
    if start is None:
        result = make()  # which may consist of such starts itself
        for alias in aliases:
            _place.left[alias] = written_by(alias)
        tables = {alias: tables_of(alias, _place.left[alias].since(before[alias])) for alias in aliases}
        _starts[path] = Start(deepcopy(result), tables, {alias: sequences_of(alias) for alias in aliases})
        _place.path = path
        return result
    for alias in aliases:
        with replicating(alias) as cursor:
            for table in start.tables[alias]:
                if before[alias].transaction is not None:
                    cursor.execute(table.delete())
                with cursor.copy(table.copy("FROM STDIN")) as copy:
                    copy.write(table.rows)
            for sequence, value in start.sequences[alias]:
                name = f'"{sequence}"'
                cursor.execute("SELECT setval(%s::regclass, greatest(%s, nextval(%s::regclass)))", [name, value, name])
        _place.left[alias] = written_by(alias)
    _place.path = path
    return cast("T", deepcopy(start.result))
