"""Budgets of cost centres."""

from __future__ import annotations

from pydantic import Field

from gateway.catalogue.base import Risk, Tool, ToolKind
from gateway.catalogue.shapes import FIRST_YEAR, LAST_YEAR, CostCentreCode, ResultModel, StrictModel


class CheckBudget(StrictModel):
    """Arguments of check_budget."""

    cost_centre: CostCentreCode = Field(description="Cost centre")
    year: int = Field(ge=FIRST_YEAR, le=LAST_YEAR, description=f"Calendar year, an integer from {FIRST_YEAR} to {LAST_YEAR}")


class BudgetDetails(ResultModel):
    """Result of check_budget; amounts are decimal text."""

    company: str
    cost_centre: str
    year: int
    currency: str
    amount: str = Field(description="What may be spent in the year")
    consumed: str = Field(description="What orders, expenses and releases have taken so far")
    remaining: str = Field(description="amount - consumed")


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="check_budget",
        version=1,
        title="Check a budget",
        description=(
            "Returns what one cost centre may spend in one year, what is consumed and what remains, as decimal strings in the "
            "budget's currency. Purchase orders consume when they are written, expenses and releases when they are posted; "
            "proposals that are not decided yet do not."
        ),
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=CheckBudget,
        output_model=BudgetDetails,
    ),
)
