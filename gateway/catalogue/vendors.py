"""Reads over vendors and their orders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.catalogue.base import Risk, Tool, ToolKind
from gateway.catalogue.shapes import CostCentreCode, DateText, DocumentNumber, ResultModel, StrictModel, Text, VendorNumber


class SearchVendors(StrictModel):
    """Arguments of search_vendors."""

    text: Text = Field(description="Part of a vendor's name, or the beginning of its number; case does not matter")
    status: Literal["active", "blocked"] | None = Field(default=None, description="Only vendors of this status")
    after: VendorNumber | None = Field(default=None, description="next_after of the page before, to continue the list")
    limit: int = Field(default=20, ge=1, le=50, description="How many vendors at most, 1 to 50")


class VendorSummary(ResultModel):
    """One vendor in a list."""

    vendor: str
    name: str
    status: str
    vendor_class: str


class FoundVendors(ResultModel):
    """Result of search_vendors, by number."""

    company: str
    vendors: list[VendorSummary]
    next_after: str = Field(description="Send it as `after` for the next page; empty on the last one")


class GetVendor(StrictModel):
    """Arguments of get_vendor."""

    vendor: VendorNumber = Field(description="Vendor number")


class VendorDetails(VendorSummary):
    """Result of get_vendor."""

    company: str
    bank_fingerprint: str = Field(description="Digest of the bank details, never the details; empty without details")
    created_on: str
    note: str


class ListPurchaseOrders(StrictModel):
    """Arguments of list_purchase_orders."""

    vendor: VendorNumber | None = Field(default=None, description="Only orders placed with this vendor number")
    cost_centre: CostCentreCode | None = Field(default=None, description="Only orders of this cost centre")
    state: Literal["open", "cancelled"] | None = Field(default=None, description="Only orders in this state")
    ordered_from: DateText | None = Field(default=None, description="First order date, YYYY-MM-DD")
    ordered_until: DateText | None = Field(default=None, description="Last order date, YYYY-MM-DD")
    after: DocumentNumber | None = Field(default=None, description="next_after of the page before, to continue the list")
    limit: int = Field(default=20, ge=1, le=100, description="How many orders at most, 1 to 100")


class OrderSummary(ResultModel):
    """One order in a list."""

    document: str
    state: str = Field(description="open or cancelled")
    vendor: str
    vendor_name: str
    reference: str
    ordered_on: str
    deliver_on: str = Field(description="Empty where none was asked for")
    cost_centre: str
    currency: str
    total: str = Field(description="Decimal text in the order's currency")
    proposal: str = Field(description="Proposal it came from; empty for what the ERP's staff ordered")


class FoundOrders(ResultModel):
    """Result of list_purchase_orders, by document number."""

    company: str
    orders: list[OrderSummary]
    next_after: str = Field(description="Send it as `after` for the next page; empty on the last one")


class GetPurchaseOrder(StrictModel):
    """Arguments of get_purchase_order."""

    document: DocumentNumber = Field(description="Number of the order in the ERP, e.g. PO-2026-000017")


class OrderLineDetails(ResultModel):
    """One line of an order."""

    line_number: int
    item: str
    description: str
    quantity: str
    unit_price: str
    amount: str


class OrderDetails(OrderSummary):
    """Result of get_purchase_order."""

    company: str
    entry: str = Field(description="Journal entry that carries the order's commitment")
    note: str
    lines: list[OrderLineDetails]


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="search_vendors",
        version=1,
        title="Search vendors",
        description=(
            "Finds vendors of one company by part of their name or the beginning of their number. Returns number, name, status "
            "and class of up to `limit` vendors, by number; `next_after` continues the list."
        ),
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=SearchVendors,
        output_model=FoundVendors,
    ),
    Tool(
        name="get_vendor",
        version=1,
        title="Get a vendor",
        description=(
            "Returns one vendor: name, status (active or blocked), class and a fingerprint of its bank details that changes "
            "when they do. The bank details themselves are never returned."
        ),
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=GetVendor,
        output_model=VendorDetails,
    ),
    Tool(
        name="list_purchase_orders",
        version=1,
        title="List purchase orders",
        description=(
            "Lists purchase orders of one company by number, filtered by vendor, cost centre, state and order date (YYYY-MM-DD, both "
            "ends included). Use it before you order, to see what was ordered already. Totals are decimal strings; `next_after` "
            "continues the list."
        ),
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=ListPurchaseOrders,
        output_model=FoundOrders,
    ),
    Tool(
        name="get_purchase_order",
        version=1,
        title="Get a purchase order",
        description="Returns one purchase order with its lines by its document number. Quantities and amounts are decimal strings.",
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=GetPurchaseOrder,
        output_model=OrderDetails,
    ),
)
