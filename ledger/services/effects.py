"""What one accepted write will store: plain rows, numbered and inserted later for the whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from kernel.ids import new_id
from ledger.states import EntryKind, MovementKind, Series


@dataclass(slots=True)
class NewPosting:
    """One debit or credit to be inserted."""

    account_id: int
    cost_centre_id: int | None
    debit_minor: int
    credit_minor: int
    text: str = ""


@dataclass(slots=True)
class NewEntry:
    """A journal entry to be inserted."""

    kind: EntryKind
    period_id: int
    effective_on: date
    currency: str
    description: str
    postings: list[NewPosting]
    reverses_id: UUID | None = None
    reverses_document: str = ""
    id: UUID = field(default_factory=new_id)
    number: str = ""

    @property
    def total_minor(self) -> int:
        """Return the sum of the debits."""
        return sum(posting.debit_minor for posting in self.postings)


@dataclass(slots=True)
class NewOrderLine:
    """An order line to be inserted."""

    item_id: int
    description: str
    quantity: Decimal
    unit_price: Decimal
    amount_minor: int


@dataclass(slots=True)
class NewOrder:
    """A purchase order to be inserted."""

    vendor_id: int
    cost_centre_id: int
    order_reference: str
    ordered_on: date
    deliver_on: date | None
    currency: str
    total_minor: int
    note: str
    lines: list[NewOrderLine]
    id: UUID = field(default_factory=new_id)
    number: str = ""


@dataclass(slots=True)
class NewMovement:
    """An inventory movement to be inserted."""

    kind: MovementKind
    item_id: int
    location: str
    quantity: Decimal
    unit_cost: Decimal
    order_reference: str
    cost_centre_id: int | None
    effective_on: date
    currency: str
    total_minor: int
    id: UUID = field(default_factory=new_id)
    number: str = ""


@dataclass(slots=True)
class NewCustomerChange:
    """A customer change to be inserted."""

    customer_id: int
    version_before: int
    credit_limit_minor: tuple[int, int] | None
    payment_terms_days: tuple[int, int] | None
    status: tuple[str, str] | None
    currency: str
    reason: str
    effective_on: date
    id: UUID = field(default_factory=new_id)
    number: str = ""


@dataclass(slots=True)
class Effect:
    """Everything that one accepted write stores, and what its answer tells besides the document number."""

    company_id: int
    year: int
    entry: NewEntry | None = None
    order: NewOrder | None = None
    movement: NewMovement | None = None
    change: NewCustomerChange | None = None
    cancelled_order_id: UUID | None = None
    answer: dict[str, object] = field(default_factory=dict)

    def series(self) -> list[Series]:
        """Return the series it needs one number of each."""
        return [
            series
            for series, row in (
                (Series.PURCHASE_ORDER, self.order),
                (Series.INVENTORY_MOVEMENT, self.movement),
                (Series.CUSTOMER_CHANGE, self.change),
                (Series.JOURNAL_ENTRY, self.entry),
            )
            if row is not None
        ]

    def number(self, series: Series, number: str) -> None:
        """Give the row of this series its document number."""
        row = {
            Series.PURCHASE_ORDER: self.order,
            Series.INVENTORY_MOVEMENT: self.movement,
            Series.CUSTOMER_CHANGE: self.change,
            Series.JOURNAL_ENTRY: self.entry,
        }[series]
        if row is not None:
            row.number = number

    @property
    def document(self) -> str:
        """Return the number the write is known by: the business document's, or the entry's when it is a general entry."""
        if self.entry is not None and self.entry.kind == EntryKind.GENERAL:
            return self.entry.number
        for row in (self.order, self.movement, self.change):
            if row is not None:
                return row.number
        return ""
