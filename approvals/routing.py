"""Finding the row and testing that people can satisfy it: pure, so that the routing tester and the gate are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

from approvals.models import PolicyRow
from kernel.money import Money

# How a route is written down; the version enters the hashed action, so a later form of route is a later number.
ROUTE_VERSION = 1
ROUTE_PURPOSE = "countersign.route/1"


class StepRule(TypedDict):
    """One step as a policy row states it."""

    group: str
    min_approvals: int


@dataclass(frozen=True, slots=True)
class Question:
    """A write as the matrix sees it."""

    tool: str
    company: str
    cost_centre: str
    amount: Money
    may_be_automatic: bool


@dataclass(frozen=True, slots=True)
class Match:
    """The row that decides, and the amount that was held against its band."""

    row: PolicyRow
    compared: Money


@dataclass(frozen=True, slots=True)
class StepNeed:
    """How many different people one step needs, and who could be asked."""

    position: int
    group_title: str
    min_approvals: int
    people: frozenset[int]


def step_rules(row: PolicyRow) -> list[StepRule]:
    """Return the steps of a row, in the order in which they are asked."""
    return cast("list[StepRule]", row.steps)


def first_match(rows: Iterable[PolicyRow], question: Question, earlier: Callable[[int], int]) -> Match | None:
    """Return the first row by priority that covers the question, or None.

    `earlier(days)` gives the minor units already proposed in the window for the same agent and counterparty; a row with
    `rolling_days` compares that plus this amount. An automatic row is passed over when the write may not be approved
    automatically, so the next row that asks somebody decides.
    """
    for row in sorted(rows, key=lambda item: item.priority):
        if not _covers(row, question):
            continue
        compared = question.amount
        if row.rolling_days:
            compared = Money(compared.minor + earlier(row.rolling_days), compared.currency)
        if row.from_minor <= compared.minor and (row.up_to_minor is None or compared.minor <= row.up_to_minor):
            return Match(row, compared)
    return None


def _covers(row: PolicyRow, question: Question) -> bool:
    return (
        row.tool == question.tool
        and row.currency == question.amount.currency
        and row.company in {"", question.company}
        and row.cost_centre in {"", question.cost_centre}
        and (question.may_be_automatic or not row.is_automatic)
    )


def band_text(row: PolicyRow) -> str:
    """Return the band of a row in words: "0.00 EUR to 25,000.00 EUR"."""
    lower = Money(row.from_minor, row.currency)
    return f"{lower} and more" if row.up_to_minor is None else f"{lower} to {Money(row.up_to_minor, row.currency)}"


def reason_text(match: Match, amount: Money) -> str:
    """Return why the row matched, in one sentence."""
    row = match.row
    where = ", ".join(part for part in (row.company, f"cost centre {row.cost_centre}" if row.cost_centre else "") if part)
    sentence = f"{row.title}: {row.tool}{f' in {where}' if where else ''}, {band_text(row)}."
    if row.rolling_days and match.compared != amount:
        sentence += f" The rolling sum of {match.compared} over {row.rolling_days} days counts, not the single amount of {amount}."
    return sentence


def unsatisfiable_step(needs: Sequence[StepNeed]) -> StepNeed | None:
    """Return None when different people can satisfy every step, else the first step that runs out of people.

    One person decides once across all steps, so this is a matching of places to people, found by augmenting paths.
    """
    place_of: dict[int, int] = {}
    places: list[frozenset[int]] = []

    def seat(place: int, tried: set[int]) -> bool:
        for person in sorted(places[place] - tried):
            tried.add(person)
            taken = place_of.get(person)
            if taken is None or seat(taken, tried):
                place_of[person] = place
                return True
        return False

    for need in needs:
        for _ in range(need.min_approvals):
            places.append(need.people)
            if not seat(len(places) - 1, set()):
                return need
    return None
