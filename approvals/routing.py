"""Finding the row and testing that people can satisfy it: pure, so that the gate, the tester, the checker and the backtest are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast

from approvals.models import PolicyRow
from approvals.states import RollingKey, StepRuleKind
from kernel.money import Money

# How a route is written down; the version enters the hashed action, so a later form of route is a later number.
ROUTE_VERSION = 1
ROUTE_PURPOSE = "countersign.route/1"

# earlier(days, by): minor units of the company's currency already proposed in the window, by what the sum is kept by.
Earlier = Callable[[int, str], int]


class StepRule(TypedDict):
    """One step as a policy row states it; what is absent is usual: a quorum of one group, distinct people, no fallback."""

    group: str
    min_approvals: int
    rule: NotRequired[str]
    further_groups: NotRequired[list[str]]
    is_distinct: NotRequired[bool]
    due_days: NotRequired[int]
    fallback: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Question:
    """A write as the matrix sees it; `amount` in the company's currency, `flags` the rules that struck.

    `vendor_class` is empty where the write is for no vendor, the vendor has no class, or the ERP tells none.
    """

    tool: str
    company: str
    cost_centre: str
    amount: Money
    may_be_automatic: bool
    accounts: tuple[str, ...] = ()
    counterparty: str = ""
    vendor_class: str = ""
    flags: frozenset[str] = frozenset()


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


def rule_kind(rule: StepRule) -> StepRuleKind:
    """Return whose approvals satisfy the step."""
    return StepRuleKind(rule.get("rule", StepRuleKind.QUORUM))


def groups_of(rule: StepRule) -> list[str]:
    """Return the codes of every group the step asks, its first one first."""
    return [rule["group"], *rule.get("further_groups", [])]


def first_match(rows: Iterable[PolicyRow], question: Question, earlier: Earlier) -> Match | None:
    """Return the first row by priority that covers the question, or None.

    A row with `rolling_days` compares what `earlier` gives plus this amount. An automatic row is passed over when the write may not
    be approved automatically, so the next row that asks somebody decides.
    """
    for row in sorted(rows, key=lambda item: item.priority):
        if why_passed_over(row, question):
            continue
        compared = compared_amount(row, question, earlier)
        if is_in_band(row, compared):
            return Match(row, compared)
    return None


def compared_amount(row: PolicyRow, question: Question, earlier: Earlier) -> Money:
    """Return what is held against the row's band: the single amount, or with what came before it."""
    if not row.rolling_days:
        return question.amount
    return Money(question.amount.minor + earlier(row.rolling_days, row.rolling_by), question.amount.currency)


def is_in_band(row: PolicyRow, compared: Money) -> bool:
    """Return whether the amount lies between the row's ends, both of which belong to it."""
    return row.from_minor <= compared.minor and (row.up_to_minor is None or compared.minor <= row.up_to_minor)


def why_passed_over(row: PolicyRow, question: Question) -> str:
    """Return why the row does not cover the question, whatever its amount, or an empty text when it does."""
    struck = question.flags
    missing = [code for code in row.flags_required if code not in struck]
    unwanted = [code for code in row.flags_forbidden if code in struck]
    reasons = (
        (row.tool != question.tool, f"it is for {row.tool}"),
        (row.currency != question.amount.currency, f"it compares in {row.currency}"),
        (row.company not in {"", question.company}, f"it is for {row.company}"),
        (not matches(row.cost_centre, question.cost_centre), f"it is for cost centre {row.cost_centre}"),
        (not matches(row.counterparty, question.counterparty), f"it is for counterparty {row.counterparty}"),
        (not matches(row.vendor_class, question.vendor_class), f"it is for vendors of class {row.vendor_class}"),
        (
            bool(row.account) and not any(matches(row.account, account) for account in question.accounts),
            f"it is for account {row.account}",
        ),
        (bool(missing), f"{', '.join(missing)} did not strike"),
        (bool(unwanted), f"{', '.join(unwanted)} struck"),
        (row.is_automatic and not question.may_be_automatic, "it is automatic, and this write may not be approved without a person"),
    )
    return next((text for applies, text in reasons if applies), "")


def matches(patterns: str, value: str) -> bool:
    """Return whether the value is one of the patterns, which are separated by commas: 4200, or 41* for what begins with 41."""
    listed = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    return not listed or any(value.startswith(item[:-1]) if item.endswith("*") else value == item for item in listed)


def band_text(row: PolicyRow) -> str:
    """Return the band of a row in words: "0.00 EUR to 25,000.00 EUR"."""
    lower = Money(row.from_minor, row.currency)
    return f"{lower} and more" if row.up_to_minor is None else f"{lower} to {Money(row.up_to_minor, row.currency)}"


def condition_texts(row: PolicyRow) -> list[str]:
    """Return what beside tool, company and amount the row asks for, each in words."""
    wanted = (
        (row.cost_centre, "cost centre"),
        (row.account, "account"),
        (row.counterparty, "counterparty"),
        (row.vendor_class, "vendor class"),
        (", ".join(row.flags_required), "flagged by"),
        (", ".join(row.flags_forbidden), "not flagged by"),
    )
    return [f"{words} {value}" for value, words in wanted if value]


ROLLING_WORDS = {RollingKey.COUNTERPARTY: "", RollingKey.ACCOUNT: " per account", RollingKey.COST_CENTRE: " per cost centre"}


def reason_text(match: Match, amount: Money, conversion: str = "") -> str:
    """Return why the row matched, in one sentence; then the rate, when the amount is in another currency; then the rolling sum."""
    row = match.row
    where = ", ".join(part for part in (row.company, *condition_texts(row)) if part)
    sentence = f"{row.title}: {row.tool}{f' in {where}' if where else ''}, {band_text(row)}."
    if conversion:
        sentence += f" {conversion}"
    if row.rolling_days and match.compared != amount:
        per = ROLLING_WORDS[RollingKey(row.rolling_by)]
        sentence += f" The rolling sum{per} of {match.compared} over {row.rolling_days} days counts, not the single amount of {amount}."
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
