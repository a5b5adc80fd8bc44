"""Preconditions and refusals that several writes share: the period, the company's currency, the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from gateway import facts
from gateway.catalogue.base import refuse, require_present
from gateway.catalogue.presentation import Budget
from gateway.errors import PeriodClosed
from gateway.port import Fact
from gateway.preconditions import NO_DUPLICATE, Comparator, Precondition, Severity
from kernel.money import Money


def require_company_currency(kept: str, currency: str, company: str) -> None:
    """Refuse a document in another currency than the company's books are kept in."""
    if kept == facts.ABSENT:
        raise refuse("/company", f"there is no company {company}", "a company of this ERP")
    if kept != currency:
        raise refuse("/payload/currency", f"the books of {company} are kept in {kept}, not in {currency}", kept)


def require_open_period(status: str, on: date, company: str, *, path: str) -> None:
    """Refuse an accounting date outside an open period."""
    if status == "open":
        return
    said = "does not exist" if status == facts.ABSENT else f"is {status}"
    message = f"period {on:%Y-%m} of {company} {said}"
    raise refuse(path, message, "a date in an open period; get_period_status tells which is", error=PeriodClosed)


def period_precondition(company: str, on: date, observed: str) -> Precondition:
    """Return the hard precondition that the period of `on` is open."""
    return Precondition(
        code="period_open",
        label=f"Period {on:%Y-%m} of {company} is open",
        fact=facts.period_status(company, on),
        comparator=Comparator.EQUALS,
        expected="open",
        severity=Severity.HARD,
        observed=observed,
    )


def no_duplicate(question: Fact, label: str, observed: str) -> tuple[Precondition, ...]:
    """Return the material precondition that nobody wrote the same since; none where the ERP can't tell how many there are."""
    if observed == facts.ABSENT:
        return ()
    return (
        Precondition(
            code=NO_DUPLICATE,
            label=label,
            fact=question,
            comparator=Comparator.AT_MOST,
            expected=observed,
            severity=Severity.MATERIAL,
            observed=observed,
        ),
    )


@dataclass(frozen=True, slots=True)
class SpendingFacts:
    """The budget of one cost centre and year, as questions and as what was answered under `key`."""

    company: str
    cost_centre: str
    year: int
    key: str = ""

    def questions(self) -> dict[str, Fact]:
        """Return the questions to ask together with others."""
        return {
            f"{self.key}cost_centre": facts.cost_centre_name(self.company, self.cost_centre),
            **{
                f"{self.key}budget_{name}": facts.budget(self.company, self.cost_centre, self.year, name)
                for name in ("amount", "consumed", "remaining")
            },
        }

    def require_cost_centre(self, found: Mapping[str, str], *, path: str) -> None:
        """Refuse a cost centre that the ERP does not have."""
        require_present(
            found[f"{self.key}cost_centre"],
            path=path,
            what=f"cost centre {self.cost_centre}",
            company=self.company,
            acceptable="a cost centre of the ERP",
        )

    def has_budget(self, found: Mapping[str, str]) -> bool:
        """Return whether a budget is kept for the cost centre in that year."""
        return found[f"{self.key}budget_remaining"] != facts.ABSENT


def budget_precondition(spending: SpendingFacts, amount: Money, found: Mapping[str, str]) -> Precondition:
    """Return the material precondition that the budget still has `amount` left."""
    return Precondition(
        code=f"budget_left:{spending.cost_centre}",
        label=f"The budget of cost centre {spending.cost_centre} for {spending.year} has at least {amount} left",
        fact=facts.budget(spending.company, spending.cost_centre, spending.year, "remaining"),
        comparator=Comparator.AT_LEAST,
        expected=amount.decimal_text(),
        severity=Severity.MATERIAL,
        observed=found[f"{spending.key}budget_remaining"],
    )


def budget_bar(spending: SpendingFacts, amount: Money, found: Mapping[str, str]) -> Budget | None:
    """Return the budget bar, or None where no budget is kept."""
    if not spending.has_budget(found):
        return None
    total, consumed = found[f"{spending.key}budget_amount"], found[f"{spending.key}budget_consumed"]
    spent = Money.parse(consumed, amount.currency)
    return Budget(
        label=f"{spending.cost_centre} {found[f'{spending.key}cost_centre']}, {spending.year}",
        amount=Money.parse(total, amount.currency),
        consumed=spent,
        after=spent + amount,
    )
