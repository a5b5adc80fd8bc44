"""Several statements in one message: what is asked at the same moment needs to cross to the database and back only once.

PostgreSQL runs them one after the other, each with a snapshot of its own as if it had been sent alone, so a statement that waits for
a lock is followed by statements that see what the wait was for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(slots=True)
class Reply:
    """One statement of a message; `rows` and `count` (rows returned or touched) are there once the message was sent."""

    statement: str
    parameters: Parameters
    then: Callable[[Reply], None] | None = None
    rows: list[Row] = field(default_factory=list)
    count: int = 0


class Together:
    """Statements that go to one database in one message, in the order in which they were asked."""

    def __init__(self, using: str = "default") -> None:
        """Begin with nothing asked."""
        self._using = using
        self._asked: list[Reply] = []

    def ask(self, statement: str, parameters: Parameters = (), *, then: Callable[[Reply], None] | None = None) -> Reply:
        """Add one statement without a semicolon at its end; `then` is called with its answer, may raise, and must not ask."""
        asked = Reply(statement, parameters, then)
        self._asked.append(asked)
        return asked

    def send(self) -> None:
        """Every statement asked since the last time has its answer; the first that fails ends the message, and nothing of it happened.

        Outside of a transaction the message is one. Raises what the statements raise.
        """
        sent, self._asked = self._asked, []
        if not sent:
            return
        with connections[self._using].cursor() as cursor:
            # Bound one by one, because each has parameters of its own; the cursor of the product binds on this side anyway.
            texts = [cursor.cursor.mogrify(item.statement, item.parameters or None) for item in sent]
            cursor.execute(";\n".join(texts))
            for item in sent:
                item.count = cursor.rowcount
                if cursor.description is not None:
                    item.rows = cursor.fetchall()
                cursor.nextset()
        for item in sent:
            if item.then is not None:
                item.then(item)


_gathering: ContextVar[Together | None] = ContextVar("gathering", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """What is said by `write` inside the block goes to the database in one message at the end of it, and nothing if the block raises.

    Whoever reads inside the block what may have been written in it calls `send_gathered` first. Inside one transaction only.
    """
    if _gathering.get() is not None:
        # Whoever called gathers already, and what it wrote comes first.
        yield
        return
    together = Together()
    token = _gathering.set(together)
    try:
        yield
        together.send()
    finally:
        _gathering.reset(token)


def write(statement: str, parameters: Parameters, *, then: Callable[[Reply], None] | None = None) -> None:
    """Run a statement on the default database: at once, or inside `gathered` with the others; `then` gets its answer."""
    together = _gathering.get()
    if together is not None:
        together.ask(statement, parameters, then=then)
        return
    alone = Together()
    alone.ask(statement, parameters, then=then)
    alone.send()


def under_way() -> Together:
    """Return the message that is being gathered, so that a question joins what was written before it; outside of `gathered` a new one."""
    return _gathering.get() or Together()


def send_gathered() -> None:
    """What was said by `write` until now is in the database; nothing to do outside of `gathered`."""
    together = _gathering.get()
    if together is not None:
        together.send()
