"""The tables of the embedded ERP, in a database of their own (alias `ledger`)."""

from __future__ import annotations

from ledger.models.documents import (
    ClosedKey,
    CustomerChange,
    DocumentSequence,
    Draft,
    IdempotencyRecord,
    InventoryMovement,
    PurchaseOrder,
    PurchaseOrderLine,
)
from ledger.models.journal import JournalEntry, Posting
from ledger.models.masters import (
    Account,
    Budget,
    Company,
    CostCentre,
    Customer,
    Item,
    Period,
    Stock,
    Vendor,
)

__all__ = [
    "Account",
    "Budget",
    "ClosedKey",
    "Company",
    "CostCentre",
    "Customer",
    "CustomerChange",
    "DocumentSequence",
    "Draft",
    "IdempotencyRecord",
    "InventoryMovement",
    "Item",
    "JournalEntry",
    "Period",
    "Posting",
    "PurchaseOrder",
    "PurchaseOrderLine",
    "Stock",
    "Vendor",
]
