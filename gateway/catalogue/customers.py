"""Customers: reading one, and changing credit limit, payment terms or status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, cast

from pydantic import Field

from gateway import facts
from gateway.catalogue.base import Effect, Risk, Tool, ToolKind, WriteTool, refuse, require_present
from gateway.catalogue.presentation import NAME_LIMIT, Column, Presented, Table, clipped
from gateway.catalogue.shapes import (
    CustomerNumber,
    DocumentNumber,
    NonNegativeDecimal,
    ResultModel,
    StrictModel,
    Text,
)
from gateway.errors import CustomerVersionStale
from gateway.port import Connector, Fact
from gateway.preconditions import Comparator, Precondition, Severity
from kernel.money import Money

FIELDS = ("name", "status", "version", "currency", "credit_limit", "payment_terms_days")
LABELS = {"credit_limit": "credit limit", "payment_terms_days": "payment terms", "status": "status"}
REASON_LIMIT = 500


class GetCustomer(StrictModel):
    """Arguments of get_customer."""

    customer: CustomerNumber = Field(description="Customer number")


class CustomerDetails(ResultModel):
    """Result of get_customer."""

    company: str
    customer: str
    name: str
    status: str = Field(description="active, on_hold or blocked")
    currency: str
    credit_limit: str = Field(description="Decimal text in the customer's currency")
    payment_terms_days: int
    version: int = Field(description="Counts changes; send it as expected_version of update_customer")


class CustomerChanges(StrictModel):
    """The fields to change; what is left out stays as it is."""

    credit_limit: NonNegativeDecimal | None = Field(
        default=None, description='New limit as a decimal string in the customer\'s currency, e.g. "35000.00"'
    )
    payment_terms_days: int | None = Field(default=None, ge=0, le=365, description="New payment terms in days, 0 to 365")
    status: Literal["active", "on_hold", "blocked"] | None = Field(default=None, description="New status")


class UpdateCustomerPayload(StrictModel):
    """Payload of update_customer."""

    customer: CustomerNumber = Field(description="Customer number")
    expected_version: int = Field(ge=1, lt=2**31, description="The version that get_customer returned, an integer from 1")
    changes: CustomerChanges = Field(description="At least one of credit_limit, payment_terms_days, status")
    reason: Text = Field(description="Why, up to 500 characters; kept with the change")


class LandedCustomerChange(UpdateCustomerPayload):
    """A customer change as it landed in the ERP."""

    document: DocumentNumber
    before: dict[str, str | int]
    version: int


def _questions(customer: str, company: str) -> dict[str, Fact]:
    return {name: facts.customer(company, customer, name) for name in FIELDS}


def _new_limit(payload: UpdateCustomerPayload, found: Mapping[str, str]) -> Money | None:
    limit = payload.changes.credit_limit
    return Money.parse(limit, found["currency"], path="/payload/changes/credit_limit") if limit is not None else None


def _require_customer(payload: UpdateCustomerPayload, company: str, found: Mapping[str, str]) -> None:
    require_present(
        found["name"],
        path="/payload/customer",
        what=f"customer {payload.customer}",
        company=company,
        acceptable="a customer number of the ERP",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCustomer(WriteTool[UpdateCustomerPayload]):
    """Changes a customer, unless somebody else changed it first."""

    def check(self, payload: UpdateCustomerPayload) -> None:
        """Refuse a change of nothing."""
        if not payload.changes.model_dump(exclude_none=True):
            raise refuse("/payload/changes", "nothing is changed", "at least one of credit_limit, payment_terms_days, status")

    def effect(self, payload: UpdateCustomerPayload, company: str, connector: Connector) -> Effect:
        """Return by how much the credit limit changes, up or down, as of the ERP's business date; one round trip."""
        found = facts.ask(connector, {**_questions(payload.customer, company), "today": facts.business_date(company)})
        _require_customer(payload, company, found)
        limit = _new_limit(payload, found)
        before = Money.parse(found["credit_limit"], found["currency"])
        change = abs(limit.minor - before.minor) if limit is not None else 0
        return Effect(
            amount=Money(change, found["currency"]),
            counterparty=payload.customer,
            counterparty_kind="customer",
            cost_centre="",
            effective_on=date.fromisoformat(found["today"]),
            accounts=(),
            reference="",
        )

    def present(self, payload: UpdateCustomerPayload, company: str, connector: Connector) -> Presented:
        """Return each field before and after; refuses a stale version and a change that changes nothing."""
        found = facts.ask(connector, _questions(payload.customer, company))
        _require_customer(payload, company, found)
        name = found["name"]
        if found["version"] != str(payload.expected_version):
            message = f"customer {payload.customer} {name} is at version {found['version']}, not {payload.expected_version}"
            acceptable = f"{found['version']}, after reading the customer again"
            raise refuse("/payload/expected_version", message, acceptable, error=CustomerVersionStale)
        changed = _changes(payload, found)
        if not changed:
            raise refuse("/payload/changes", f"customer {payload.customer} {name} is like that already", "values that differ")
        return Presented(
            headline=_headline(name, changed, payload, found),
            counterparty_name=clipped(name, NAME_LIMIT),
            facts=(
                ("Customer", f"{payload.customer} {name}"),
                ("Reason", payload.reason),
                ("Version", found["version"]),
            ),
            table=Table(
                caption="Before and after",
                columns=(Column("field", "Field"), Column("before", "Now"), Column("after", "Proposed")),
                rows=tuple(
                    {"field": LABELS[field].capitalize(), "before": before, "after": after} for field, (before, after) in changed.items()
                ),
            ),
            preconditions=(
                Precondition(
                    code="customer_version",
                    label=f"Customer {payload.customer} {name} is still at version {payload.expected_version}",
                    fact=facts.customer(company, payload.customer, "version"),
                    comparator=Comparator.EQUALS,
                    expected=str(payload.expected_version),
                    severity=Severity.HARD,
                    observed=found["version"],
                ),
            ),
        )

    def totals(self, payload: UpdateCustomerPayload) -> Mapping[str, str]:
        """Return nothing: every field that changes is in the payload."""
        return {}

    def reversal(self, payload: Mapping[str, object], document: str, landed: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
        """Return the change that restores what was there before, unless the customer changed again."""
        return self.name, {
            "customer": str(payload["customer"]),
            "expected_version": landed["version"],
            "changes": dict(cast("Mapping[str, Any]", landed["before"])),
            "reason": f"Restores what stood before {document}"[:REASON_LIMIT],
        }


def _changes(payload: UpdateCustomerPayload, found: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the fields that really change, each before and after as shown to people."""
    changes = payload.changes
    limit = _new_limit(payload, found)
    shown: dict[str, tuple[str, str]] = {}
    if limit is not None:
        shown["credit_limit"] = (str(Money.parse(found["credit_limit"], found["currency"])), str(limit))
    if changes.payment_terms_days is not None:
        shown["payment_terms_days"] = (f"{found['payment_terms_days']} days", f"{changes.payment_terms_days} days")
    if changes.status is not None:
        shown["status"] = (found["status"].replace("_", " "), changes.status.replace("_", " "))
    return {field: pair for field, pair in shown.items() if pair[0] != pair[1]}


def _headline(name: str, changed: Mapping[str, tuple[str, str]], payload: UpdateCustomerPayload, found: Mapping[str, str]) -> str:
    who = clipped(name, 80)
    if list(changed) == ["credit_limit"]:
        before = Money.parse(found["credit_limit"], found["currency"])
        limit = cast("Money", _new_limit(payload, found))
        verb = "Raise" if before < limit else "Lower"
        return f"{verb} credit limit of {who} from {changed['credit_limit'][0].split()[0]} to {limit}"
    parts = [f"{LABELS[field]} from {before} to {after}" for field, (before, after) in changed.items()]
    return f"Change {' and '.join([', '.join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)} of {who}"


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get_customer",
        version=1,
        title="Get a customer",
        description=(
            "Returns one customer: name, status, credit limit (decimal string in the customer's currency), payment terms in days "
            "and the version to send with update_customer."
        ),
        kind=ToolKind.READ,
        risk=Risk.MEDIUM,
        input_model=GetCustomer,
        output_model=CustomerDetails,
        is_sensitive=True,
    ),
    UpdateCustomer(
        name="update_customer",
        version=1,
        title="Update a customer",
        description=(
            "Proposes to change a customer's credit limit (decimal string in the customer's currency), payment terms (integer days) "
            "or status (active, on_hold, blocked); people decide, then it is changed once. Send the version that get_customer "
            "returned: if anybody changes the customer before the commit, the proposal is void and you start again from a "
            "fresh read. When it has landed you get the change's document number."
        ),
        risk=Risk.HIGH,
        compensation="A second change restores the former values, as long as nobody changed the customer in between.",
        input_model=UpdateCustomerPayload,
        output_model=LandedCustomerChange,
    ),
)
