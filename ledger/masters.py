"""Loads master data, set-based and repeatable: loading twice leaves what loading once left.

Names and descriptions follow the source. What the ledger itself moves or guards stays as it is in rows that exist already: a
vendor's status and bank fingerprint, a customer's terms, a period's state, stock, the consumed part of a budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import models, transaction

from kernel.errors import NotVisible
from kernel.money import Money
from ledger.models import Account, Company, CostCentre, Customer, Item, Period, Stock, Vendor
from ledger.sql import LEDGER, arrays, execute
from ledger.states import CustomerStatus, PeriodState, VendorStatus

BATCH_ROWS = 1000


@dataclass(frozen=True, slots=True)
class CompanyMaster:
    """A company to load."""

    code: str
    name: str
    currency: str
    country: str
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class AccountMaster:
    """An account to load; `kind` and `role` are values of ledger.states."""

    number: str
    name: str
    kind: str
    role: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class BudgetMaster:
    """A budget to load."""

    cost_centre: str
    year: int
    amount: Money


@dataclass(frozen=True, slots=True)
class VendorMaster:
    """A vendor to load."""

    number: str
    name: str
    created_on: date
    status: str = VendorStatus.ACTIVE
    vendor_class: str = ""
    bank_fingerprint: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CustomerMaster:
    """A customer to load."""

    number: str
    name: str
    credit_limit: Money
    payment_terms_days: int = 30
    status: str = CustomerStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class StockMaster:
    """Stock to load."""

    item: str
    location: str
    quantity: Decimal


def load_companies(rows: Sequence[CompanyMaster]) -> None:
    """Create the companies and bring names up to date; the currency of existing books never changes."""
    Company.objects.using(LEDGER).bulk_create(
        [Company(code=row.code, name=row.name, currency=row.currency, country=row.country, time_zone=row.time_zone) for row in rows],
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "country", "time_zone"],
    )


def load_accounts(company: str, rows: Sequence[AccountMaster]) -> None:
    """Create the accounts of a chart and bring their names up to date."""
    owner = _company(company)
    _upsert(
        Account,
        [
            Account(
                company=owner,
                number=row.number,
                name=row.name,
                kind=row.kind,
                role=row.role,
                is_active=row.is_active,
            )
            for row in rows
        ],
        unique=("company", "number"),
        update=("name",),
    )


def load_periods(company: str, first: date, last: date, *, state: str = PeriodState.OPEN) -> int:
    """Create the months from `first` to `last` in the given state and return how many months that spans."""
    owner = _company(company)
    months = [divmod(month, 12) for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month)]
    rows = []
    for year, month in months:
        following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
        rows.append(
            Period(
                company=owner,
                year=year,
                month=month + 1,
                state=state,
                starts_on=date(year, month + 1, 1),
                ends_on=date.fromordinal(following.toordinal() - 1),
            )
        )
    Period.objects.using(LEDGER).bulk_create(rows, ignore_conflicts=True, batch_size=BATCH_ROWS)
    return len(rows)


def load_cost_centres(company: str, rows: Sequence[tuple[str, str]]) -> None:
    """Create cost centres from (code, name) and bring their names up to date."""
    owner = _company(company)
    _upsert(
        CostCentre,
        [CostCentre(company=owner, code=code, name=name) for code, name in rows],
        unique=("company", "code"),
        update=("name",),
    )


def load_budgets(company: str, rows: Sequence[BudgetMaster]) -> None:
    """Create budgets; an existing one is raised to the amount but never lowered. Raises NotVisible for a cost centre."""
    owner = _company(company)
    centres = dict(CostCentre.objects.using(LEDGER).filter(company=owner).values_list("code", "pk"))
    values = []
    for row in sorted(rows, key=lambda row: (row.cost_centre, row.year)):
        if row.cost_centre not in centres:
            raise NotVisible(detail=f"{company} has no cost centre {row.cost_centre!r}.")
        values.append((owner.pk, centres[row.cost_centre], row.year, row.amount.currency, row.amount.minor))
    execute(
        "INSERT INTO ledger_budget AS budget"
        " (company_id, cost_centre_id, year, currency, amount_minor, consumed_minor)"
        " SELECT *, 0 FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::text[], %s::bigint[])"
        " ON CONFLICT (company_id, cost_centre_id, year)"
        " DO UPDATE SET amount_minor = greatest(budget.amount_minor, EXCLUDED.amount_minor)",
        arrays(values, 5),
    )


def load_vendors(company: str, rows: Sequence[VendorMaster]) -> None:
    """Create vendors; existing ones keep status and bank fingerprint."""
    owner = _company(company)
    _upsert(
        Vendor,
        [
            Vendor(
                company=owner,
                number=row.number,
                name=row.name,
                status=row.status,
                vendor_class=row.vendor_class,
                bank_fingerprint=row.bank_fingerprint,
                note=row.note,
                created_on=row.created_on,
            )
            for row in rows
        ],
        unique=("company", "number"),
        update=("name", "vendor_class", "note"),
    )


def load_customers(company: str, rows: Sequence[CustomerMaster]) -> None:
    """Create customers; existing ones keep limit, terms, status and version."""
    owner = _company(company)
    _upsert(
        Customer,
        [
            Customer(
                company=owner,
                number=row.number,
                name=row.name,
                status=row.status,
                currency=row.credit_limit.currency,
                credit_limit_minor=row.credit_limit.minor,
                payment_terms_days=row.payment_terms_days,
            )
            for row in rows
        ],
        unique=("company", "number"),
        update=("name",),
    )


def load_items(company: str, rows: Sequence[tuple[str, str, Decimal]]) -> None:
    """Create items from (number, name, standard cost) and bring names and costs up to date."""
    owner = _company(company)
    _upsert(
        Item,
        [Item(company=owner, number=number, name=name, standard_cost=cost) for number, name, cost in rows],
        unique=("company", "number"),
        update=("name", "standard_cost"),
    )


def load_stock(company: str, rows: Sequence[StockMaster]) -> None:
    """Create stock where there is none; stock that exists has moved since and stays. Raises NotVisible for an item."""
    owner = _company(company)
    items = dict(Item.objects.using(LEDGER).filter(company=owner).values_list("number", "pk"))
    unknown = sorted({row.item for row in rows} - items.keys())
    if unknown:
        raise NotVisible(detail=f"{company} has no item {unknown[0]!r}.")
    Stock.objects.using(LEDGER).bulk_create(
        [Stock(company=owner, item_id=items[row.item], location=row.location, quantity=row.quantity) for row in rows],
        ignore_conflicts=True,
        batch_size=BATCH_ROWS,
    )


def _company(code: str) -> Company:
    company = Company.objects.using(LEDGER).filter(code=code).first()
    if company is None:
        raise NotVisible(detail=f"There is no company {code!r}; load it first.")
    return company


def _upsert(model: type[models.Model], rows: Sequence[models.Model], *, unique: tuple[str, ...], update: tuple[str, ...]) -> None:
    with transaction.atomic(using=LEDGER):
        model._default_manager.using(LEDGER).bulk_create(
            rows, update_conflicts=True, unique_fields=unique, update_fields=update, batch_size=BATCH_ROWS
        )
