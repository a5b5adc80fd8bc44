"""Many ask the ERP as if each asked alone; each question goes out once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from gateway import facts
from gateway.errors import ErpUnavailable
from gateway.port import Connector, Fact
from gateway.together import ask_together
from kernel.errors import ValidationFailed
from tests.builders.proposals import PlainErp


class Counting(PlainErp):
    """Notes every round of questions."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.rounds: list[int] = []

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        self.rounds.append(len(facts))
        return super().observe(facts)


def asking(*names: str) -> Callable[[Connector], list[str]]:
    """Return a caller that asks one question after the other."""
    return lambda connector: [connector.observe([facts.vendor("DE01", "1580", name)])[0] for name in names]


def test_a_question_of_many_goes_out_once() -> None:
    erp = Counting()
    assert ask_together(erp, [asking("name"), asking("name", "status"), asking("status")]) == [
        ["Litware, Inc."], ["Litware, Inc.", "active"], ["active"],
    ]  # fmt: skip
    # Two different questions at first; the one who asks in turn finds the second answered.
    assert erp.rounds == [2]


def test_whoever_asks_in_turn_gets_a_round_more() -> None:
    erp = Counting()
    assert ask_together(erp, [asking("name", "status", "bank_fingerprint")]) == [["Litware, Inc.", "active", "f1"]]
    assert erp.rounds == [1, 1, 1]


def test_a_refusal_is_its_own_and_spoils_no_other() -> None:
    def refusing(connector: Connector) -> list[str]:
        raise ValidationFailed(detail=connector.observe([facts.vendor("DE01", "1580", "name")])[0])

    refused, answered = ask_together(Counting(), [refusing, asking("name")])
    assert isinstance(refused, ValidationFailed)
    assert refused.detail == "Litware, Inc."
    assert answered == ["Litware, Inc."]


def test_an_erp_that_is_down_refuses_all_who_wait() -> None:
    erp = Counting()
    erp.is_down = True
    results = ask_together(erp, [asking(), asking("name"), asking("status")])
    assert results[0] == []
    assert [type(result) for result in results[1:]] == [ErpUnavailable, ErpUnavailable]


def test_what_is_no_question_of_fact_goes_through() -> None:
    assert ask_together(PlainErp(), [lambda connector: connector.name]) == ["plain"]


def test_nobody_asks() -> None:
    assert ask_together(PlainErp(), []) == []


def test_a_defect_of_one_caller_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        ask_together(PlainErp(), [lambda _: 1 // 0])
