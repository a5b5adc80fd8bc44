"""What an approver is shown of a proposal: computed from payload and ERP by the tool, never written by the agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.preconditions import Precondition
from kernel.money import Money

NAME_LIMIT = 120


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the lines table; numeric columns stand right-aligned in tabular figures."""

    key: str
    label: str
    is_numeric: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return the canonical form."""
        return {"key": self.key, "label": self.label, "is_numeric": self.is_numeric}


@dataclass(frozen=True, slots=True)
class Table:
    """The lines, with names beside the numbers; every row has every column's key, the footer one text per column."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, str], ...]
    footer: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the canonical form."""
        return {
            "caption": self.caption,
            "columns": [column.as_dict() for column in self.columns],
            "rows": [dict(row) for row in self.rows],
            "footer": list(self.footer),
        }


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget bar: what the cost centre may spend this year, what it has spent, and where this proposal would take it."""

    label: str
    amount: Money
    consumed: Money
    after: Money

    @property
    def is_exceeded(self) -> bool:
        """Return whether the proposal would overspend the budget."""
        return self.amount < self.after

    def as_dict(self) -> dict[str, object]:
        """Return the canonical form: minor units for the bar, text for people."""
        return {
            "label": self.label,
            "currency": self.amount.currency,
            "amount_minor": self.amount.minor,
            "consumed_minor": self.consumed.minor,
            "after_minor": self.after.minor,
            "amount": str(self.amount),
            "consumed": str(self.consumed),
            "after": str(self.after),
            "remaining_after": str(self.amount - self.after),
            "is_exceeded": self.is_exceeded,
        }


@dataclass(frozen=True, slots=True)
class Presented:
    """The facts of one proposal for the approver's page."""

    headline: str
    counterparty_name: str
    facts: tuple[tuple[str, str], ...]
    table: Table
    preconditions: tuple[Precondition, ...]
    budget: Budget | None = None
    warnings: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, object]:
        """Return the canonical form: strings, integers, booleans, lists and objects only."""
        return {
            "headline": self.headline,
            "counterparty_name": self.counterparty_name,
            "facts": [[label, value] for label, value in self.facts],
            "table": self.table.as_dict(),
            "preconditions": [item.as_dict() for item in self.preconditions],
            "budget": self.budget.as_dict() if self.budget else None,
            "warnings": list(self.warnings),
        }


def clipped(text: str, limit: int) -> str:
    """Return `text`, shortened with an ellipsis when it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def quantity_text(value: str) -> str:
    """Return a quantity for people: grouped, without trailing zeros ("1,550", "2.5")."""
    grouped = f"{Decimal(value):,f}"
    return grouped.rstrip("0").rstrip(".") if "." in grouped else grouped


def price_text(value: str) -> str:
    """Return a unit price for people: grouped, with two places or as many as it has ("50.26", "1,041.2925")."""
    number = Decimal(value)
    exponent = number.normalize().as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{number:,.{places}f}"


def amount_text(money: Money) -> str:
    """Return an amount for a column whose currency stands elsewhere: "1,234.50"."""
    return f"{Decimal(money.decimal_text()):,f}"
