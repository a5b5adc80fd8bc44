"""A request that is held open while its caller waits, and looked at again and again until there is something new.

What such a request may do once, it did at the first look. Set in front of Django, in the server's own process: no header of a
caller can pretend it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

_held_since: ContextVar[datetime | None] = ContextVar("countersign_held_since", default=None)


def held_since() -> datetime | None:
    """Return when the request in progress was first looked at; None at the first look."""
    return _held_since.get()


@contextmanager
def looked_at_again(first: datetime) -> Iterator[None]:
    """Make everything done inside the block a further look at a request that was first looked at then."""
    token = _held_since.set(first)
    try:
        yield
    finally:
        _held_since.reset(token)
