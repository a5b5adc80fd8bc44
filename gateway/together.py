"""Asking the ERP once for many: each caller is written as if it asked alone, and what all of them ask goes out in one question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from gateway.port import Connector, Fact
from kernel.errors import DomainError

Result = TypeVar("Result")
_Key = tuple[str, str, tuple[tuple[str, str], ...]]


class _NotAsked(Exception):
    """Somebody needs answers that are not there yet."""

    def __init__(self, facts: Iterable[tuple[_Key, Fact]]) -> None:
        super().__init__()
        self.facts = tuple(facts)


class _Remembering:
    """The connection, answering questions of fact from what was asked for everybody; everything else goes through."""

    def __init__(self, connector: Connector, answers: dict[_Key, str]) -> None:
        self._connector = connector
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        keyed = [(_key_of(fact), fact) for fact in facts]
        missing = [pair for pair in keyed if pair[0] not in self._answers]
        if missing:
            raise _NotAsked(missing)
        return [self._answers[key] for key, _ in keyed]


def ask_together(connector: Connector, callers: Sequence[Callable[[Connector], Result]]) -> list[Result | DomainError]:
    """Return what each caller makes of the ERP's answers, or its refusal; a question that several ask goes out once.

    A caller runs again whenever answers it lacked have arrived, so it must do nothing but ask and compute. Every round answers at
    least one new question of each that waits, so as many rounds are needed as the most curious caller asks in turn. When the
    ERP refuses a round, all who wait are refused.
    """
    answers: dict[_Key, str] = {}
    remembering = cast("Connector", _Remembering(connector, answers))
    results: dict[int, Result | DomainError] = {}
    waiting = list(range(len(callers)))
    while waiting:
        asked: dict[_Key, Fact] = {}
        still = []
        for index in waiting:
            try:
                results[index] = callers[index](remembering)
            except _NotAsked as missing:
                asked.update(missing.facts)
                still.append(index)
            except DomainError as refusal:
                results[index] = refusal
        waiting = still
        if not asked:
            continue
        try:
            answers.update(zip(asked, connector.observe(list(asked.values())), strict=True))
        except DomainError as refusal:
            results.update(dict.fromkeys(waiting, refusal))
            break
    return [results[index] for index in range(len(callers))]


def _key_of(fact: Fact) -> _Key:
    return fact.name, fact.company, tuple(sorted(fact.arguments.items()))
