"""Where the current work came from: the request or task that everything below it belongs to.

Set once at the door (middleware, task, command), read when an audit event is recorded. Never used to decide anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Channel (`api`, `mcp`, `console`, `task`, `command`), request id, remote address and W3C trace id."""

    channel: str = "command"
    request_id: str = ""
    ip: str = ""
    trace_id: str = ""


_NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("countersign_origin", default=_NOWHERE)


def current_origin() -> Origin:
    """Return the origin of the work in progress."""
    return _origin.get()


@contextmanager
def origin(value: Origin) -> Iterator[None]:
    """Make `value` the origin of everything done inside the block."""
    token = _origin.set(value)
    try:
        yield
    finally:
        _origin.reset(token)
