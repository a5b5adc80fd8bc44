"""The rows a batch works with: masters as they are, customers, stock and budgets under lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """A company."""

    id: int
    code: str
    currency: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account."""

    id: int
    number: str
    kind: str
    role: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """An accounting month."""

    id: int
    year: int
    month: int
    state: str


@dataclass(slots=True)
class BudgetRow:
    """A budget under lock; `consumed_minor` moves as the batch is planned."""

    id: int
    amount_minor: int
    consumed_minor: int
    currency: str
    is_changed: bool = False


@dataclass(slots=True)
class StockRow:
    """Stock under lock; `quantity` moves as the batch is planned."""

    id: int
    quantity: Decimal
    version: int
    is_changed: bool = False


@dataclass(slots=True)
class CustomerRow:
    """A customer under lock; its fields move as the batch is planned."""

    id: int
    status: str
    currency: str
    credit_limit_minor: int
    payment_terms_days: int
    version: int
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class OriginalPosting:
    """One posting of an entry that shall be reversed."""

    account: str
    account_kind: str
    cost_centre: str
    debit_minor: int
    credit_minor: int


@dataclass(slots=True)
class Original:
    """An entry that shall be reversed, with the order or release whose accounting effect it is."""

    entry_id: UUID
    kind: str
    currency: str
    year: int
    is_reversal: bool
    is_reversed: bool
    order_id: UUID | None
    order_cost_centre: str
    movement_item: str
    movement_location: str
    movement_quantity: Decimal
    movement_unit_cost: Decimal
    movement_order_reference: str
    movement_cost_centre_id: int | None
    postings: list[OriginalPosting] = field(default_factory=list)


@dataclass(slots=True)
class Book:
    """What the plans of one batch look things up in."""

    companies: dict[str, CompanyRow] = field(default_factory=dict)
    accounts: dict[tuple[int, str], AccountRow] = field(default_factory=dict)
    roles: dict[tuple[int, str], AccountRow] = field(default_factory=dict)
    periods: dict[tuple[int, int, int], PeriodRow] = field(default_factory=dict)
    cost_centres: dict[tuple[int, str], int] = field(default_factory=dict)
    vendors: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    items: dict[tuple[int, str], tuple[int, Decimal]] = field(default_factory=dict)
    originals: dict[tuple[int, str], Original] = field(default_factory=dict)
    customers: dict[tuple[int, str], CustomerRow] = field(default_factory=dict)
    stock: dict[tuple[int, str, str], StockRow] = field(default_factory=dict)
    budgets: dict[tuple[int, int, int], BudgetRow] = field(default_factory=dict)
