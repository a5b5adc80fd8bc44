"""Accounting periods: reading their status; opening and closing them is for people only."""

from __future__ import annotations

from pydantic import Field

from gateway.catalogue.base import Risk, Tool, ToolKind
from gateway.catalogue.shapes import FIRST_YEAR, LAST_YEAR, DateText, ResultModel, StrictModel


class GetPeriodStatus(StrictModel):
    """Arguments of get_period_status."""

    on: DateText = Field(description="Accounting date, YYYY-MM-DD")


class PeriodStatus(ResultModel):
    """Result of get_period_status."""

    company: str
    on: str
    year: int
    month: int
    status: str = Field(description="open, closed, or missing; documents may be dated into open periods only")
    starts_on: str = Field(description="First day of the period; empty when it is missing")
    ends_on: str = Field(description="Last day of the period; empty when it is missing")


class ChangedPeriod(ResultModel):
    """What opening or closing a period returns."""

    year: int
    month: int
    status: str


class ChangePeriod(StrictModel):
    """Payload of open_period and close_period."""

    year: int = Field(ge=FIRST_YEAR, le=LAST_YEAR, description="Calendar year")
    month: int = Field(ge=1, le=12, description="Month, 1 to 12")


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get_period_status",
        version=1,
        title="Get a period's status",
        description="Returns the accounting period that a date (YYYY-MM-DD) lies in, its first and last day, and whether it is open.",
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=GetPeriodStatus,
        output_model=PeriodStatus,
    ),
    Tool(
        name="close_period",
        version=1,
        title="Close a period",
        description="Closes an accounting period. Privileged: people do this in the ERP; it can't be granted to an agent.",
        kind=ToolKind.WRITE,
        risk=Risk.PRIVILEGED,
        input_model=ChangePeriod,
        output_model=ChangedPeriod,
        is_reversible=False,
    ),
    Tool(
        name="open_period",
        version=1,
        title="Open a period",
        description="Opens an accounting period. Privileged: people do this in the ERP; it can't be granted to an agent.",
        kind=ToolKind.WRITE,
        risk=Risk.PRIVILEGED,
        input_model=ChangePeriod,
        output_model=ChangedPeriod,
        is_reversible=False,
    ),
)
