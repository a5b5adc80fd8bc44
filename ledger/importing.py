"""Imports masters from a directory of CSV files: vendors, products and stock, and what the orders in it will need.

The orders themselves are not imported: they are proposed, approved and committed like any other write.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from kernel.errors import ValidationFailed
from kernel.money import Money, line_amount, parse_decimal
from ledger.charts import STANDARD_CHART
from ledger.decimals import minor_text
from ledger.masters import (
    BudgetMaster,
    CompanyMaster,
    StockMaster,
    VendorMaster,
    load_accounts,
    load_budgets,
    load_companies,
    load_cost_centres,
    load_items,
    load_periods,
    load_stock,
    load_vendors,
)
from ledger.models import JournalEntry
from ledger.services.staff import post_staff_entry
from ledger.sql import LEDGER

CURRENCY = "USD"
COST_CENTRE = "PURCH"
IMPORTER = "erp.import"
OPENING = "Opening stock"
# Budgets are rounded up to the next thousand: enough for every order once, not for all of them twice.
BUDGET_STEP_MINOR = 100_000
FILES = {
    "vendors.csv": ("vendor_id", "name", "preferred", "active"),
    "products.csv": ("product_id", "product_number", "name", "standard_cost"),
    "inventory.csv": ("product_id", "location_id", "quantity"),
    "purchase_orders.csv": ("purchase_order_id", "order_date"),
    "purchase_order_lines.csv": ("purchase_order_id", "quantity", "unit_price"),
}

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class ImportedMasters:
    """How much of everything the directory held."""

    vendors: int
    items: int
    stock: int
    periods: int
    budgets: int
    opening_entry: str


def import_masters(directory: Path, *, company: str, now: datetime, progress: Callable[[list[Row], str], Iterable[Row]]) -> ImportedMasters:
    """Load everything that the orders in `directory` need; a second time changes nothing.

    Vendors flagged inactive are loaded as active all the same, with the flag in class and note: their historical orders are
    still to be committed. Raises ValidationFailed naming the file and the column that is missing.
    """
    files = {name: _read(directory / name, columns) for name, columns in FILES.items()}
    load_companies([CompanyMaster(company, "Adventure Works Cycles", CURRENCY, "US", "America/Los_Angeles")])
    load_accounts(company, STANDARD_CHART)
    load_cost_centres(company, [(COST_CENTRE, "Purchasing")])
    order_days = {row["purchase_order_id"]: date.fromisoformat(row["order_date"]) for row in files["purchase_orders.csv"]}
    first, last = min(order_days.values()), max(order_days.values())
    vendors = [_vendor(row, first) for row in progress(files["vendors.csv"], "vendors")]
    load_vendors(company, vendors)
    items = [
        (row["product_id"], f"{row['name']} ({row['product_number']})", _decimal(row["standard_cost"]))
        for row in progress(files["products.csv"], "items")
    ]
    load_items(company, items)
    stock = [
        StockMaster(row["product_id"], row["location_id"], _decimal(row["quantity"])) for row in progress(files["inventory.csv"], "stock")
    ]
    load_stock(company, stock)
    periods = load_periods(company, first, last)
    budgets = _budgets(progress(files["purchase_order_lines.csv"], "budgets"), order_days)
    load_budgets(company, budgets)
    opening = _post_opening_stock(company, first, {number: cost for number, _, cost in items}, stock, now=now)
    return ImportedMasters(len(vendors), len(items), len(stock), periods, len(budgets), opening)


def _read(path: Path, columns: tuple[str, ...]) -> list[Row]:
    if not path.is_file():
        raise ValidationFailed(detail=f"{path.name} is missing in {path.parent}.")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise ValidationFailed(detail=f"{path.name} has no column {missing[0]!r}.")
        rows = list(reader)
    if not rows:
        raise ValidationFailed(detail=f"{path.name} has no rows.")
    return rows


def _vendor(row: Row, created_on: date) -> VendorMaster:
    is_active = row["active"] == "1"
    if not is_active:
        vendor_class, note = "inactive", "Flagged inactive in the source; kept active for its historical orders."
    else:
        vendor_class, note = ("preferred" if row["preferred"] == "1" else "standard"), ""
    return VendorMaster(row["vendor_id"], row["name"], created_on, vendor_class=vendor_class, note=note)


def _budgets(lines: Iterable[Row], order_days: dict[str, date]) -> list[BudgetMaster]:
    needed: Counter[int] = Counter()
    for line in lines:
        amount = line_amount(_decimal(line["quantity"]), _decimal(line["unit_price"]), CURRENCY)
        needed[order_days[line["purchase_order_id"]].year] += amount.minor
    return [
        BudgetMaster(COST_CENTRE, year, Money(-(-minor // BUDGET_STEP_MINOR) * BUDGET_STEP_MINOR, CURRENCY))
        for year, minor in sorted(needed.items())
    ]


def _post_opening_stock(company: str, first: date, costs: dict[str, Decimal], stock: list[StockMaster], *, now: datetime) -> str:
    """Post the value of the stock once, so that releases take it from a real balance; return the entry's number."""
    opening = JournalEntry.objects.using(LEDGER).filter(company__code=company, written_by=IMPORTER, description=OPENING)
    if (number := opening.values_list("number", flat=True).first()) is not None:
        return number
    value = sum(line_amount(row.quantity, costs[row.item], CURRENCY).minor for row in stock)
    if value == 0:
        return ""
    amount = minor_text(value, CURRENCY)
    action = {
        "effective_on": first.replace(day=1).isoformat(),
        "currency": CURRENCY,
        "description": OPENING,
        "lines": [{"account": "1400", "debit": amount}, {"account": "3100", "credit": amount}],
    }
    return post_staff_entry(company=company, action=action, written_by=IMPORTER, now=now).document


def _decimal(text: str) -> Decimal:
    """Return a decimal of the files, which leave out the zero before the point: ".5"."""
    return parse_decimal(f"0{text}" if text.startswith(".") else text)
