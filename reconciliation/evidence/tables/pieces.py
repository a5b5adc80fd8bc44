"""Reading rows that belong to events, a piece at a time: memory stays flat and a table costs a constant number of queries a piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.contrib.auth.models import User

from kernel.clock import wire_time

PIECE = 500
Item = TypeVar("Item")


def in_pieces(items: Iterable[Item], size: int = PIECE) -> Iterator[list[Item]]:
    """Yield the items in lists of at most `size`."""
    source = iter(items)
    while piece := list(islice(source, size)):
        yield piece


def names_of(ids: Iterable[str]) -> dict[str, str]:
    """Return the names of people by their id as text."""
    keys = {int(text) for text in ids if text.isascii() and text.isdecimal() and len(text) < 19}
    people = User.objects.filter(pk__in=keys)
    return {str(person.pk): person.get_full_name() or person.get_username() for person in people}


def moment(instant: datetime | None) -> str:
    """Return the instant as it is written everywhere, or nothing."""
    return wire_time(instant) if instant else ""


def texts(*values: object) -> Sequence[str]:
    """Return the values of one row as text."""
    return [value if isinstance(value, str) else "" if value is None else str(value) for value in values]
