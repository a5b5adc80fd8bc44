"""Stock and its release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import Field

from gateway import facts
from gateway.catalogue.base import Effect, Risk, Tool, ToolKind, WriteTool, refuse, require_present
from gateway.catalogue.checks import (
    SpendingFacts,
    budget_bar,
    budget_precondition,
    no_duplicate,
    period_precondition,
    require_open_period,
)
from gateway.catalogue.presentation import NAME_LIMIT, Column, Presented, Table, clipped, price_text, quantity_text
from gateway.catalogue.reversals import reversing_entry
from gateway.catalogue.shapes import (
    CostCentreCode,
    DateText,
    DocumentNumber,
    ItemNumber,
    Location,
    PositiveDecimal,
    Reference,
    ResultModel,
    StrictModel,
)
from gateway.port import Connector, Fact
from gateway.preconditions import Comparator, Precondition, Severity
from kernel.errors import ValidationFailed
from kernel.money import Money, line_amount


class GetStock(StrictModel):
    """Arguments of get_stock."""

    item: ItemNumber = Field(description="Item number")
    location: Location | None = Field(default=None, description="Only this location")


class StockAt(ResultModel):
    """What lies at one location."""

    location: str
    quantity: str = Field(description="Decimal text")
    version: int = Field(description="Counts changes of this stock")


class StockDetails(ResultModel):
    """Result of get_stock."""

    company: str
    item: str
    name: str
    standard_cost: str = Field(description="Decimal text per unit, in the company's currency")
    currency: str
    locations: list[StockAt]


# By how many percent a standard cost may move between approval and commit.
COST_TOLERANCE = "0.5"


class ReleaseInventoryPayload(StrictModel):
    """Payload of release_inventory."""

    item: ItemNumber = Field(description="Item number")
    location: Location = Field(description="Where it is taken from")
    quantity: PositiveDecimal = Field(description='Decimal string above zero, e.g. "40"; not more than lies there')
    order: Reference = Field(description="Sales, production or service order that it is released for, up to 80 characters")
    effective_on: DateText = Field(description="Accounting date, YYYY-MM-DD; its period must be open")
    cost_centre: CostCentreCode | None = Field(default=None, description="Cost centre that bears the cost; its budget is consumed")


class LandedRelease(ReleaseInventoryPayload):
    """A release as it landed in the ERP."""

    document: DocumentNumber
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInventory(WriteTool[ReleaseInventoryPayload]):
    """Takes stock from a location, at standard cost."""

    def check(self, payload: ReleaseInventoryPayload) -> None:
        """Accept every well-formed payload: what it needs besides is known to the ERP only."""

    def effect(self, payload: ReleaseInventoryPayload, company: str, connector: Connector) -> Effect:
        """Return quantity × standard cost as the ERP has it now; one round trip."""
        found = facts.ask(connector, _value_questions(payload, company))
        return Effect(
            amount=_value(payload, company, found),
            counterparty=payload.item,
            counterparty_kind="item",
            cost_centre=payload.cost_centre or "",
            effective_on=date.fromisoformat(payload.effective_on),
            accounts=(),
            reference=payload.order,
        )

    def present(self, payload: ReleaseInventoryPayload, company: str, connector: Connector) -> Presented:
        """Return what is taken from where, what remains, its value, and the preconditions."""
        effective_on = date.fromisoformat(payload.effective_on)
        spending = SpendingFacts(company, payload.cost_centre, effective_on.year) if payload.cost_centre else None
        found = facts.ask(
            connector,
            {
                **_value_questions(payload, company),
                "period": facts.period_status(company, effective_on),
                "name": facts.item(company, payload.item, "name"),
                "stock": facts.stock_quantity(company, payload.item, payload.location),
                "same": facts.release_count(company, payload.item, payload.order, payload.quantity),
                **(spending.questions() if spending else {}),
            },
        )
        value = _value(payload, company, found)
        if spending:
            spending.require_cost_centre(found, path="/payload/cost_centre")
        require_open_period(found["period"], effective_on, company, path="/payload/effective_on")
        stock = Decimal("0" if found["stock"] == facts.ABSENT else found["stock"])
        quantity = quantity_text(payload.quantity)
        return Presented(
            headline=(f"Release {quantity} × {clipped(found['name'], 80)} from {payload.location} for order {payload.order}"),
            counterparty_name=clipped(found["name"], NAME_LIMIT),
            facts=(
                ("Item", f"{payload.item} {found['name']}"),
                ("For order", payload.order),
                ("Effective on", payload.effective_on),
                *((("Cost centre", f"{payload.cost_centre} {found['cost_centre']}"),) if spending else ()),
                ("Standard cost", f"{price_text(found['cost'])} {found['currency']}"),
                ("Value", str(value)),
            ),
            table=Table(
                caption="Stock",
                columns=(
                    Column("location", "Location"),
                    Column("now", "On hand now", is_numeric=True),
                    Column("released", "Released", is_numeric=True),
                    Column("after", "On hand after", is_numeric=True),
                ),
                rows=(
                    {
                        "location": payload.location,
                        "now": quantity_text(str(stock)),
                        "released": quantity,
                        "after": quantity_text(str(stock - Decimal(payload.quantity))),
                    },
                ),
            ),
            preconditions=_preconditions(payload, company, value, spending, found),
            budget=budget_bar(spending, value, found) if spending else None,
        )

    def totals(self, payload: ReleaseInventoryPayload) -> Mapping[str, str]:
        """Return nothing: the value is the ERP's, at its standard cost."""
        return {}

    def reversal(self, payload: Mapping[str, object], document: str, landed: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
        """Return the entry that takes the cost back and returns the stock to its location."""
        return reversing_entry(document, landed, effective_on=str(payload["effective_on"]))


def _preconditions(
    payload: ReleaseInventoryPayload, company: str, value: Money, spending: SpendingFacts | None, found: Mapping[str, str]
) -> tuple[Precondition, ...]:
    item = f"{payload.item} {found['name']}"
    result = [
        period_precondition(company, date.fromisoformat(payload.effective_on), found["period"]),
        Precondition(
            code="stock_left",
            label=f"At least {quantity_text(payload.quantity)} of {item} lie at {payload.location}",
            fact=facts.stock_quantity(company, payload.item, payload.location),
            comparator=Comparator.AT_LEAST,
            expected=payload.quantity,
            severity=Severity.MATERIAL,
            observed=found["stock"],
        ),
        # The value that was approved is quantity × this cost.
        Precondition(
            code="standard_cost_unchanged",
            label=f"The standard cost of {item} is still {price_text(found['cost'])} {found['currency']}, give or take {COST_TOLERANCE} %",
            fact=facts.item(company, payload.item, "standard_cost"),
            comparator=Comparator.WITHIN,
            expected=found["cost"],
            severity=Severity.MATERIAL,
            observed=found["cost"],
            tolerance=COST_TOLERANCE,
        ),
        *no_duplicate(
            facts.release_count(company, payload.item, payload.order, payload.quantity),
            f"Nobody else released {quantity_text(payload.quantity)} of {item} for {payload.order} since",
            found["same"],
        ),
    ]
    if spending and spending.has_budget(found):
        result.append(budget_precondition(spending, value, found))
    return tuple(result)


def _value_questions(payload: ReleaseInventoryPayload, company: str) -> dict[str, Fact]:
    return {
        "currency": facts.company_currency(company),
        "cost": facts.item(company, payload.item, "standard_cost"),
    }


def _value(payload: ReleaseInventoryPayload, company: str, found: Mapping[str, str]) -> Money:
    cost = require_present(
        found["cost"],
        path="/payload/item",
        what=f"item {payload.item}",
        company=company,
        acceptable="an item number of the ERP; get_stock tells what lies where",
    )
    try:
        return line_amount(Decimal(payload.quantity), Decimal(cost), found["currency"])
    except ValidationFailed as error:
        raise refuse("/payload/quantity", error.detail.rstrip("."), "a smaller quantity") from error


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get_stock",
        version=1,
        title="Get stock",
        description=(
            "Returns how much of one item lies at each location (or at one), its name and its standard cost per unit in the "
            "company's currency. Quantities and costs are decimal strings."
        ),
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=GetStock,
        output_model=StockDetails,
    ),
    ReleaseInventory(
        name="release_inventory",
        version=1,
        title="Release inventory",
        description=(
            "Proposes to take a quantity of one item from one location for an order; people decide, then it is done once. The "
            'quantity is a decimal string ("40"); it must not exceed what lies there: read get_stock first. The release is valued '
            "at standard cost and posted from inventory to cost of goods sold; with a cost centre it consumes that budget. The "
            "effective date (YYYY-MM-DD) must lie in an open period. When it has landed you get the movement's document number."
        ),
        risk=Risk.MEDIUM,
        compensation="A journal entry that names the movement in `reverses` takes the cost back and returns the stock.",
        input_model=ReleaseInventoryPayload,
        output_model=LandedRelease,
    ),
)
