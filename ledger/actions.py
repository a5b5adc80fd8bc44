"""Payloads of the four tools, read strictly into typed values: a field nobody knows is refused, never ignored.

An ignored field would be approved and then not posted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from kernel.errors import DomainError
from kernel.money import Money, exponent, line_amount, parse_decimal
from ledger.contracts import Tool
from ledger.refusals import Refusal, RefusalCode, refusal_of
from ledger.states import CustomerStatus

LINES_LIMIT = 500
DATE_PATTERN = re.compile(r"^\d{4}-\d{2}-\d{2}$", re.ASCII)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order; `amount_minor` is rounded already."""

    item: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    amount_minor: int


@dataclass(frozen=True, slots=True)
class OrderAction:
    """create_purchase_order."""

    vendor: str
    order_reference: str
    ordered_on: date
    deliver_on: date | None
    cost_centre: str
    currency: str
    lines: tuple[OrderLine, ...]
    note: str

    @property
    def total_minor(self) -> int:
        """Return the sum of the rounded lines."""
        return sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One posting: exactly one of the two amounts is above zero."""

    account: str
    cost_centre: str
    debit_minor: int
    credit_minor: int
    text: str


@dataclass(frozen=True, slots=True)
class EntryAction:
    """post_journal_entry."""

    effective_on: date
    currency: str
    description: str
    lines: tuple[EntryLine, ...]
    reverses: str

    @property
    def debit_minor(self) -> int:
        """Return the sum of the debits."""
        return sum(line.debit_minor for line in self.lines)

    @property
    def credit_minor(self) -> int:
        """Return the sum of the credits."""
        return sum(line.credit_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class ReleaseAction:
    """release_inventory."""

    item: str
    location: str
    quantity: Decimal
    order: str
    effective_on: date
    cost_centre: str


@dataclass(frozen=True, slots=True)
class CustomerAction:
    """update_customer; a field that is None is left alone. The limit stays text until the customer's currency is known."""

    customer: str
    expected_version: int
    credit_limit: str | None
    payment_terms_days: int | None
    status: str | None
    reason: str


Action = OrderAction | EntryAction | ReleaseAction | CustomerAction


def parse_action(tool: str, action: Mapping[str, object]) -> Action:
    """Return the typed action; raises Refusal TOOL_UNKNOWN or INVALID_ACTION naming the field and what it takes."""
    try:
        known = Tool(tool)
    except ValueError:
        tools = ", ".join(sorted(Tool))
        raise Refusal(RefusalCode.TOOL_UNKNOWN, f"The ledger has no tool {tool!r}.", acceptable=tools) from None
    fields = _Fields(action, "")
    try:
        match known:
            case Tool.CREATE_PURCHASE_ORDER:
                return _order(fields)
            case Tool.POST_JOURNAL_ENTRY:
                return _entry(fields)
            case Tool.RELEASE_INVENTORY:
                return _release(fields)
            case Tool.UPDATE_CUSTOMER:
                return _customer(fields)
    except DomainError as error:  # kernel.money refuses amounts and decimals with a sentence and a path of its own
        raise refusal_of(error) from error


def _order(fields: _Fields) -> OrderAction:
    fields.know("vendor", "reference", "ordered_on", "deliver_on", "cost_centre", "currency", "lines", "note")
    currency = fields.currency("currency")
    lines = []
    for line in fields.lines("lines", at_least=1):
        line.know("item", "description", "quantity", "unit_price")
        quantity = line.decimal("quantity")
        if quantity <= 0:
            raise line.invalid("quantity", "must be above zero", 'a decimal above zero, e.g. "12.5"')
        unit_price = line.decimal("unit_price")
        if unit_price < 0:
            raise line.invalid("unit_price", "must not be negative", 'a decimal from zero up, e.g. "45.5805"')
        lines.append(
            OrderLine(
                item=line.text("item", limit=40),
                description=line.optional_text("description", limit=500),
                quantity=quantity,
                unit_price=unit_price,
                amount_minor=line_amount(quantity, unit_price, currency).minor,
            )
        )
    ordered_on, deliver_on = fields.accounting_date("ordered_on"), fields.optional_date("deliver_on")
    if deliver_on is not None and deliver_on < ordered_on:
        raise fields.invalid("deliver_on", "lies before ordered_on", f"a date from {ordered_on} on")
    return OrderAction(
        vendor=fields.text("vendor", limit=40),
        order_reference=fields.optional_text("reference", limit=140),
        ordered_on=ordered_on,
        deliver_on=deliver_on,
        cost_centre=fields.text("cost_centre", limit=20),
        currency=currency,
        lines=tuple(lines),
        note=fields.optional_text("note", limit=2000),
    )


def _entry(fields: _Fields) -> EntryAction:
    fields.know("effective_on", "currency", "description", "lines", "reverses")
    currency = fields.currency("currency")
    lines = []
    for line in fields.lines("lines", at_least=2):
        line.know("account", "cost_centre", "debit", "credit", "text")
        debit, credit = line.optional_text("debit", limit=40), line.optional_text("credit", limit=40)
        if bool(debit) == bool(credit):
            raise line.invalid("", "must have exactly one of debit and credit", "one of debit and credit")
        side = "debit" if debit else "credit"
        amount = Money.parse(debit or credit, currency, path=line.at(side)).minor
        if amount <= 0:
            raise line.invalid(side, "must be above zero", "an amount above zero; swap debit and credit for the opposite")
        lines.append(
            EntryLine(
                account=line.text("account", limit=20),
                cost_centre=line.optional_text("cost_centre", limit=20),
                debit_minor=amount if debit else 0,
                credit_minor=amount if credit else 0,
                text=line.optional_text("text", limit=500),
            )
        )
    return EntryAction(
        effective_on=fields.accounting_date("effective_on"),
        currency=currency,
        description=fields.optional_text("description", limit=500),
        lines=tuple(lines),
        reverses=fields.optional_text("reverses", limit=24),
    )


def _release(fields: _Fields) -> ReleaseAction:
    fields.know("item", "location", "quantity", "order", "effective_on", "cost_centre")
    quantity = fields.decimal("quantity")
    if quantity <= 0:
        raise fields.invalid("quantity", "must be above zero", 'a decimal above zero, e.g. "12.5"')
    return ReleaseAction(
        item=fields.text("item", limit=40),
        location=fields.text("location", limit=40),
        quantity=quantity,
        order=fields.optional_text("order", limit=140),
        effective_on=fields.accounting_date("effective_on"),
        cost_centre=fields.optional_text("cost_centre", limit=20),
    )


def _customer(fields: _Fields) -> CustomerAction:
    fields.know("customer", "expected_version", "changes", "reason")
    changes = fields.child("changes")
    changes.know("credit_limit", "payment_terms_days", "status")
    if not changes.is_any_present("credit_limit", "payment_terms_days", "status"):
        raise fields.invalid("changes", "changes nothing", "at least one of credit_limit, payment_terms_days, status")
    status = changes.optional_text("status", limit=8) or None
    if status is not None and status not in CustomerStatus.values:
        raise changes.invalid("status", f"{status!r} is no status", ", ".join(CustomerStatus.values))
    credit_limit = changes.optional_text("credit_limit", limit=40) or None
    if credit_limit is not None and parse_decimal(credit_limit, path=changes.at("credit_limit")) < 0:
        raise changes.invalid("credit_limit", "must not be negative", 'an amount from zero up, e.g. "25000.00"')
    return CustomerAction(
        customer=fields.text("customer", limit=40),
        expected_version=fields.integer("expected_version", low=1, high=2**31 - 1),
        credit_limit=credit_limit,
        payment_terms_days=changes.optional_integer("payment_terms_days", low=0, high=365),
        status=status,
        reason=fields.text("reason", limit=500),
    )


class _Fields:
    """One object of a payload, read field by field with the path of each."""

    __slots__ = ("path", "values")

    def __init__(self, values: object, path: str) -> None:
        if not isinstance(values, Mapping):
            raise Refusal(RefusalCode.INVALID_ACTION, f"{path or 'The action'} is not an object.", path, "an object")
        self.values = cast("Mapping[str, object]", values)
        self.path = path

    def at(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path

    def invalid(self, name: str, problem: str, acceptable: str) -> Refusal:
        return Refusal(RefusalCode.INVALID_ACTION, f"{self.at(name)} {problem}.", self.at(name), acceptable)

    def know(self, *names: str) -> None:
        unknown = self.values.keys() - names
        if unknown:
            name = min(unknown)
            raise self.invalid(name, "is not a field of this tool", ", ".join(names))

    def is_any_present(self, *names: str) -> bool:
        return any(self.values.get(name) not in (None, "") for name in names)

    def text(self, name: str, *, limit: int) -> str:
        value = self.optional_text(name, limit=limit)
        if not value:
            raise self.invalid(name, "is missing", f"text of 1 to {limit} characters")
        return value

    def optional_text(self, name: str, *, limit: int) -> str:
        value = self.values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > limit or "\0" in value:
            raise self.invalid(name, f"is not text of up to {limit} characters", f"text of up to {limit} characters")
        return value

    def accounting_date(self, name: str) -> date:
        value = self.values.get(name)
        if isinstance(value, str) and DATE_PATTERN.match(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        raise self.invalid(name, f"{value!r} is not a date", 'a date such as "2026-03-31"')

    def optional_date(self, name: str) -> date | None:
        return self.accounting_date(name) if self.values.get(name) not in (None, "") else None

    def decimal(self, name: str) -> Decimal:
        return parse_decimal(cast("str", self.values.get(name)), path=self.at(name))

    def currency(self, name: str) -> str:
        value = self.text(name, limit=3)
        exponent(value)
        return value

    def integer(self, name: str, *, low: int, high: int) -> int:
        value = self.optional_integer(name, low=low, high=high)
        if value is None:
            raise self.invalid(name, "is missing", f"an integer from {low} to {high}")
        return value

    def optional_integer(self, name: str, *, low: int, high: int) -> int | None:
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.invalid(name, f"{value!r} is out of range", f"an integer from {low} to {high}")
        return value

    def child(self, name: str) -> _Fields:
        return _Fields(self.values.get(name), self.at(name))

    def lines(self, name: str, *, at_least: int) -> list[_Fields]:
        value = self.values.get(name)
        if not isinstance(value, Sequence) or isinstance(value, str) or not at_least <= len(value) <= LINES_LIMIT:
            raise self.invalid(name, "is not a list of lines", f"{at_least} to {LINES_LIMIT} lines")
        return [_Fields(line, f"{self.at(name)}/{index}") for index, line in enumerate(value)]
