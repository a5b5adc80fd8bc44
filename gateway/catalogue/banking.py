"""Bank details: listed so that everybody sees it is closed to agents."""

from __future__ import annotations

from pydantic import Field

from gateway.catalogue.base import Risk, Tool, ToolKind
from gateway.catalogue.shapes import ResultModel, StrictModel, Text, VendorNumber


class ChangeVendorBankAccount(StrictModel):
    """Payload of change_vendor_bank_account."""

    vendor: VendorNumber = Field(description="Vendor number")
    reason: Text = Field(description="Why")


class BankAccountChange(ResultModel):
    """What changing bank details returns."""

    vendor: str
    bank_fingerprint: str


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="change_vendor_bank_account",
        version=1,
        title="Change a vendor's bank account",
        description="Changes a vendor's bank details. Privileged: people do this in the ERP; it can't be granted to an agent.",
        kind=ToolKind.WRITE,
        risk=Risk.PRIVILEGED,
        input_model=ChangeVendorBankAccount,
        output_model=BankAccountChange,
        is_reversible=False,
        is_sensitive=True,
    ),
)
