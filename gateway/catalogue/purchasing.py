"""Ordering goods from a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import Field

from gateway import facts
from gateway.catalogue.base import Effect, Risk, Tool, WriteTool, refuse, refuse_all, require_present
from gateway.catalogue.checks import (
    SpendingFacts,
    budget_bar,
    budget_precondition,
    no_duplicate,
    period_precondition,
    require_company_currency,
    require_open_period,
)
from gateway.catalogue.presentation import (
    NAME_LIMIT,
    Column,
    Presented,
    Table,
    amount_text,
    clipped,
    price_text,
    quantity_text,
)
from gateway.catalogue.reversals import reversing_entry
from gateway.catalogue.shapes import (
    LINE_LIMIT,
    CostCentreCode,
    Currency,
    DateText,
    DocumentNumber,
    ItemNumber,
    NonNegativeDecimal,
    Note,
    PositiveDecimal,
    Reference,
    StrictModel,
    Text,
    VendorNumber,
)
from gateway.errors import VendorNotActive
from gateway.port import Connector
from gateway.preconditions import Comparator, Precondition, Severity
from kernel.errors import FieldError, ValidationFailed
from kernel.money import Money, line_amount


class OrderLine(StrictModel):
    """One line of an order: quantity × unit price, rounded half-up to the currency's smallest unit."""

    item: ItemNumber = Field(description="Item number")
    description: Text | None = Field(default=None, description="What the vendor calls it, where that differs")
    quantity: PositiveDecimal = Field(description='Decimal string above zero, e.g. "550" or "2.5"')
    unit_price: NonNegativeDecimal = Field(description='Decimal string in the order\'s currency, e.g. "45.5805"; no tax')


class CreatePurchaseOrderPayload(StrictModel):
    """Payload of create_purchase_order."""

    vendor: VendorNumber = Field(description="Vendor number; find one with search_vendors")
    reference: Reference = Field(description="Your own reference of this order, up to 80 characters; unique per order is best")
    ordered_on: DateText = Field(description="Order date, YYYY-MM-DD; its period must be open")
    deliver_on: DateText | None = Field(default=None, description="Wanted delivery, YYYY-MM-DD, not before ordered_on")
    cost_centre: CostCentreCode = Field(description="Cost centre whose budget of the order year is consumed")
    currency: Currency = Field(description="ISO 4217 code; the currency of the company's books")
    lines: list[OrderLine] = Field(min_length=1, max_length=LINE_LIMIT, description=f"1 to {LINE_LIMIT} lines")
    note: Note | None = Field(default=None, description="For the vendor, up to 500 characters")


class LandedOrder(CreatePurchaseOrderPayload):
    """A purchase order as it landed in the ERP."""

    document: DocumentNumber
    total: str


def _amounts(payload: CreatePurchaseOrderPayload) -> list[Money]:
    return [line_amount(Decimal(line.quantity), Decimal(line.unit_price), payload.currency) for line in payload.lines]


def _total(payload: CreatePurchaseOrderPayload) -> Money:
    return sum(_amounts(payload), start=Money(0, payload.currency))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePurchaseOrder(WriteTool[CreatePurchaseOrderPayload]):
    """Orders goods from a vendor."""

    def check(self, payload: CreatePurchaseOrderPayload) -> None:
        """Refuse a delivery before the order, and amounts that are nothing or too large to be held."""
        found: list[FieldError] = []
        if payload.deliver_on and payload.deliver_on < payload.ordered_on:
            acceptable = f"a date from {payload.ordered_on} on"
            found.append(FieldError("/payload/deliver_on", f"{payload.deliver_on} lies before ordered_on", acceptable))
        for index, line in enumerate(payload.lines):
            try:
                line_amount(Decimal(line.quantity), Decimal(line.unit_price), payload.currency)
            except ValidationFailed as error:
                found.append(FieldError(f"/payload/lines/{index}", error.detail.rstrip("."), "a smaller quantity or price"))
        refuse_all(found)
        try:
            total = _total(payload)
        except ValidationFailed as error:
            raise refuse("/payload/lines", error.detail.rstrip("."), "orders that are smaller") from error
        if total.minor == 0:
            raise refuse("/payload/lines", "the order's total is zero", "at least one line with an amount above zero")

    def effect(self, payload: CreatePurchaseOrderPayload, company: str, connector: Connector) -> Effect:
        """Return the sum of the rounded line amounts, owed to the vendor; no I/O."""
        return Effect(
            amount=_total(payload),
            counterparty=payload.vendor,
            counterparty_kind="vendor",
            cost_centre=payload.cost_centre,
            effective_on=date.fromisoformat(payload.ordered_on),
            accounts=(),
            reference=payload.reference,
        )

    def present(self, payload: CreatePurchaseOrderPayload, company: str, connector: Connector) -> Presented:
        """Return the order with the names of vendor and items, its budget bar and its preconditions."""
        total = _total(payload)
        same = facts.order_count(company, payload.vendor, payload.reference, total)
        ordered_on = date.fromisoformat(payload.ordered_on)
        spending = SpendingFacts(company, payload.cost_centre, ordered_on.year)
        items = list(dict.fromkeys(line.item for line in payload.lines))
        found = facts.ask(
            connector,
            {
                "currency": facts.company_currency(company),
                "period": facts.period_status(company, ordered_on),
                "vendor": facts.vendor(company, payload.vendor, "name"),
                "status": facts.vendor(company, payload.vendor, "status"),
                "bank": facts.vendor(company, payload.vendor, "bank_fingerprint"),
                "same": same,
                **spending.questions(),
                **{f"item:{number}": facts.item(company, number, "name") for number in items},
            },
        )
        vendor_name = self._require_masters(payload, company, found)
        require_company_currency(found["currency"], payload.currency, company)
        spending.require_cost_centre(found, path="/payload/cost_centre")
        require_open_period(found["period"], ordered_on, company, path="/payload/ordered_on")
        if not spending.has_budget(found):
            message = f"cost centre {payload.cost_centre} has no budget for {ordered_on.year}"
            raise refuse("/payload/cost_centre", message, "a cost centre with a budget for the year; see check_budget")
        return Presented(
            headline=self._headline(payload, total, vendor_name, found),
            counterparty_name=clipped(vendor_name, NAME_LIMIT),
            facts=(
                ("Vendor", f"{payload.vendor} {vendor_name}"),
                ("Reference", payload.reference),
                ("Ordered on", payload.ordered_on),
                *((("Deliver on", payload.deliver_on),) if payload.deliver_on else ()),
                ("Cost centre", f"{payload.cost_centre} {found['cost_centre']}"),
                ("Total", str(total)),
                *((("Note to the vendor", payload.note),) if payload.note else ()),
            ),
            table=_lines_table(payload, total, found),
            preconditions=(
                period_precondition(company, ordered_on, found["period"]),
                Precondition(
                    code="vendor_active",
                    label=f"Vendor {payload.vendor} {vendor_name} is active",
                    fact=facts.vendor(company, payload.vendor, "status"),
                    comparator=Comparator.EQUALS,
                    expected="active",
                    severity=Severity.HARD,
                    observed=found["status"],
                ),
                Precondition(
                    code="vendor_bank_unchanged",
                    label=f"The bank details of vendor {payload.vendor} are those of the submission",
                    fact=facts.vendor(company, payload.vendor, "bank_fingerprint"),
                    comparator=Comparator.EQUALS,
                    expected=found["bank"],
                    severity=Severity.HARD,
                    observed=found["bank"],
                ),
                budget_precondition(spending, total, found),
                *no_duplicate(
                    same, f"Nobody else ordered {payload.reference} over {total} from vendor {payload.vendor} since", found["same"]
                ),
            ),
            budget=budget_bar(spending, total, found),
        )

    def totals(self, payload: CreatePurchaseOrderPayload) -> Mapping[str, str]:
        """Return the total, which tax or a discount added by the ERP would change."""
        return {"total": _total(payload).decimal_text()}

    def reversal(self, payload: Mapping[str, object], document: str, landed: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
        """Return the entry that takes the order's commitment back and cancels it."""
        return reversing_entry(document, landed, effective_on=str(payload["ordered_on"]))

    def _require_masters(self, payload: CreatePurchaseOrderPayload, company: str, found: Mapping[str, str]) -> str:
        vendor_name = require_present(
            found["vendor"],
            path="/payload/vendor",
            what=f"vendor {payload.vendor}",
            company=company,
            acceptable="a vendor number found with search_vendors",
        )
        if found["status"] != "active":
            message = f"vendor {payload.vendor} {vendor_name} is {found['status']}"
            raise refuse("/payload/vendor", message, "an active vendor", error=VendorNotActive)
        refuse_all(
            [
                FieldError(f"/payload/lines/{index}/item", f"there is no item {line.item} in {company}", "an item number of the ERP")
                for index, line in enumerate(payload.lines)
                if found[f"item:{line.item}"] == facts.ABSENT
            ]
        )
        return vendor_name

    def _headline(self, payload: CreatePurchaseOrderPayload, total: Money, vendor_name: str, found: Mapping[str, str]) -> str:
        # The largest line is named, the first of equals: a small first line must not hide what the order is about.
        amounts = _amounts(payload)
        line = payload.lines[max(range(len(amounts)), key=lambda index: (amounts[index].minor, -index))]
        others = len(payload.lines) - 1
        more = f" and {others} more {'line' if others == 1 else 'lines'}" if others else ""
        goods = f"{quantity_text(line.quantity)} × {clipped(found[f'item:{line.item}'], 80)}"
        return f"Order {goods}{more} from {clipped(vendor_name, 80)} for {total}"


def _lines_table(payload: CreatePurchaseOrderPayload, total: Money, found: Mapping[str, str]) -> Table:
    rows = []
    for index, (line, amount) in enumerate(zip(payload.lines, _amounts(payload), strict=True), start=1):
        name = found[f"item:{line.item}"]
        rows.append(
            {
                "line": str(index),
                "item": line.item,
                "name": f"{name} ({line.description})" if line.description else name,
                "quantity": quantity_text(line.quantity),
                "unit_price": price_text(line.unit_price),
                "amount": amount_text(amount),
            }
        )
    return Table(
        caption="Order lines",
        columns=(
            Column("line", "Line", is_numeric=True),
            Column("item", "Item"),
            Column("name", "Name"),
            Column("quantity", "Quantity", is_numeric=True),
            Column("unit_price", f"Unit price ({payload.currency})", is_numeric=True),
            Column("amount", f"Amount ({payload.currency})", is_numeric=True),
        ),
        rows=tuple(rows),
        footer=("", "", "Total", "", "", amount_text(total)),
    )


TOOLS: tuple[Tool, ...] = (
    CreatePurchaseOrder(
        name="create_purchase_order",
        version=1,
        title="Create a purchase order",
        description=(
            "Proposes one purchase order with a vendor; people decide, then it is written once. Quantities and unit prices are "
            'decimal strings ("550", "45.5805"), never numbers; dates are YYYY-MM-DD. A line costs quantity × unit price rounded '
            "half-up to the currency's smallest unit, the order the sum of its lines; there is no tax. The total is taken from the "
            "cost centre's budget of the order year: read check_budget first. The order date must lie in an open period and "
            "the vendor must be active. When it has landed you get the order's document number."
        ),
        risk=Risk.MEDIUM,
        compensation="A journal entry that names the order in `reverses` takes its commitment back and cancels it.",
        input_model=CreatePurchaseOrderPayload,
        output_model=LandedOrder,
    ),
)
