"""Sample books for the first minute: a parts company in Germany with a year of history, and a small one in Austria."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from kernel.canonical import digest_of_bytes
from kernel.clock import now as clock_now
from kernel.money import Money, line_amount
from ledger.charts import STANDARD_CHART
from ledger.decimals import minor_text
from ledger.masters import (
    BudgetMaster,
    CompanyMaster,
    CustomerMaster,
    StockMaster,
    VendorMaster,
    load_accounts,
    load_budgets,
    load_companies,
    load_cost_centres,
    load_customers,
    load_items,
    load_periods,
    load_stock,
    load_vendors,
)
from ledger.models import JournalEntry, Period
from ledger.services.staff import close_period, place_staff_order, post_staff_entry
from ledger.sql import LEDGER
from ledger.states import PeriodState, VendorStatus

COMPANY = "DE01"
SECOND_COMPANY = "AT01"
YEAR = 2026
LAST_CLOSED_MONTH = 9
ACCOUNTING = "erp.accounting"
PURCHASING = "erp.purchasing"

COST_CENTRES = (("4010", "Production"), ("4020", "Sales"), ("4030", "Administration"))
BUDGETS = (("4010", "480000"), ("4020", "120000"), ("4030", "90000"))
VENDORS = (
    ("70001", "Rheinland Stahlhandel GmbH", VendorStatus.ACTIVE, "strategic"),
    ("70002", "Hansen Verbindungstechnik KG", VendorStatus.ACTIVE, "strategic"),
    ("70003", "Neckar Kunststoffe AG", VendorStatus.ACTIVE, "standard"),
    ("70004", "Müller & Söhne Federn", VendorStatus.ACTIVE, "standard"),
    ("70005", "Bergische Galvanik GmbH", VendorStatus.ACTIVE, "standard"),
    ("70006", "Nordlicht Logistik GmbH", VendorStatus.ACTIVE, "service"),
    ("70007", "Kontor Bürobedarf", VendorStatus.ACTIVE, "standard"),
    ("70008", "Altmark Guss i. L.", VendorStatus.BLOCKED, "standard"),
)
CUSTOMERS = (
    ("10001", "Fahrradwerk Leipzig GmbH", "150000", 30),
    ("10002", "Velo Basel AG", "80000", 45),
    ("10003", "Radhaus Kiel", "25000", 14),
    ("10004", "Cargo Cycles Utrecht B.V.", "60000", 30),
    ("10005", "Zweirad Hofmann", "10000", 14),
    ("10006", "Stadtrad Wien GmbH", "40000", 30),
)
ITEMS = (
    ("P-1000", "Bottom bracket", "18.4000"),
    ("P-1001", "Crank arm, forged", "24.7500"),
    ("P-1002", "Chain ring 42T", "9.3125"),
    ("P-1003", "Hub, rear", "31.0800"),
    ("P-1004", "Hub, front", "27.6400"),
    ("P-1005", "Spoke 2.0 mm", "0.1840"),
    ("P-1006", "Rim 28 inch", "22.9000"),
    ("P-1007", "Brake pad", "1.7450"),
    ("P-1008", "Saddle clamp", "3.2100"),
    ("P-1009", "Ball bearing 6001", "0.9625"),
)
LOCATIONS = ("MAIN", "WEST")


def load_sample_company(*, now: datetime | None = None) -> None:
    """Load DE01 "Adventure Parts GmbH" and AT01, whole or not at all; a second call changes nothing that moved since."""
    instant = now or clock_now()
    with transaction.atomic(using=LEDGER):
        _load_germany()
        _load_austria()
        if JournalEntry.objects.using(LEDGER).filter(company__code=COMPANY).exists():
            return
        _post_history(instant)
        for month in range(1, LAST_CLOSED_MONTH + 1):
            period = Period.objects.using(LEDGER).get(company__code=COMPANY, year=YEAR, month=month)
            if period.state == PeriodState.OPEN:
                close_period(company=COMPANY, year=YEAR, month=month)


def _stock() -> list[StockMaster]:
    """Return between 40 and 900 pieces per item and location, the same in every installation."""
    return [
        StockMaster(number, location, Decimal((index * 97 + place * 211) % 860 + 40))
        for index, (number, _, _) in enumerate(ITEMS)
        for place, location in enumerate(LOCATIONS)
    ]


def _load_germany() -> None:
    load_companies([CompanyMaster(COMPANY, "Adventure Parts GmbH", "EUR", "DE", "Europe/Berlin")])
    load_accounts(COMPANY, STANDARD_CHART)
    load_periods(COMPANY, date(YEAR, 1, 1), date(YEAR, 12, 31))
    load_cost_centres(COMPANY, COST_CENTRES)
    load_budgets(COMPANY, [BudgetMaster(code, YEAR, Money.parse(amount, "EUR")) for code, amount in BUDGETS])
    load_vendors(
        COMPANY,
        [
            VendorMaster(
                number,
                name,
                date(2021, 3, 1),
                status=status,
                vendor_class=vendor_class,
                bank_fingerprint=digest_of_bytes("countersign.ledger.bank/1", f"{COMPANY}/{number}".encode()),
            )
            for number, name, status, vendor_class in VENDORS
        ],
    )
    load_customers(
        COMPANY,
        [CustomerMaster(number, name, Money.parse(limit, "EUR"), terms) for number, name, limit, terms in CUSTOMERS],
    )
    load_items(COMPANY, [(number, name, Decimal(cost)) for number, name, cost in ITEMS])
    load_stock(COMPANY, _stock())


def _load_austria() -> None:
    load_companies([CompanyMaster(SECOND_COMPANY, "Adventure Teile Wien GmbH", "EUR", "AT", "Europe/Vienna")])
    load_accounts(SECOND_COMPANY, STANDARD_CHART)
    load_periods(SECOND_COMPANY, date(YEAR, 1, 1), date(YEAR, 12, 31))
    load_cost_centres(SECOND_COMPANY, COST_CENTRES[:1])
    load_budgets(SECOND_COMPANY, [BudgetMaster("4010", YEAR, Money.parse("60000", "EUR"))])
    load_vendors(SECOND_COMPANY, [VendorMaster("71001", "Donau Metall GmbH", date(2022, 6, 1), vendor_class="standard")])
    load_customers(SECOND_COMPANY, [CustomerMaster("11001", "Rad Graz GmbH", Money.parse("20000", "EUR"))])
    load_items(SECOND_COMPANY, [(number, name, Decimal(cost)) for number, name, cost in ITEMS[:2]])
    load_stock(SECOND_COMPANY, [StockMaster(number, "WIEN", Decimal(120)) for number, _, _ in ITEMS[:2]])


def _post_history(now: datetime) -> None:
    """Post opening balances, a few months of business, and orders that the purchasing department placed by itself."""
    costs = {number: Decimal(cost) for number, _, cost in ITEMS}
    inventory = sum(line_amount(row.quantity, costs[row.item], "EUR").minor for row in _stock())
    assets = (("1000", 41_250_000), ("1200", 18_240_000), ("1400", inventory), ("1700", 62_000_000))
    debts = (("2000", 9_650_000), ("2300", 1_230_000), ("2500", 30_000_000), ("3000", 25_000_000))
    difference = sum(minor for _, minor in assets) - sum(minor for _, minor in debts)
    opening = [*_lines("debit", assets), *_lines("credit", (*debts, ("3100", difference)))]
    entries: list[tuple[str, str, list[dict[str, str]]]] = [(f"{YEAR}-01-01", "Opening balances", opening)]
    for month in range(1, 11):
        sold = 3_400_000 + month * 117_500
        entries += [
            (
                f"{YEAR}-{month:02d}-28",
                f"Sales of month {month:02d}",
                [*_lines("debit", (("1200", sold),)), *_lines("credit", (("4000", sold),))],
            ),
            (
                f"{YEAR}-{month:02d}-15",
                f"Rent and licences of month {month:02d}",
                [*_lines("debit", (("6100", 420_000), ("6300", 86_000)), "4030"), *_lines("credit", (("2000", 506_000),))],
            ),
        ]
    for effective_on, description, lines in entries:
        action = {"effective_on": effective_on, "currency": "EUR", "description": description, "lines": lines}
        post_staff_entry(company=COMPANY, action=action, written_by=ACCOUNTING, now=now)
    orders = (
        ("70001", "2026-08-19", "4010", "P-1001", "400", "24.1000"),
        ("70002", "2026-09-07", "4010", "P-1009", "5000", "0.9580"),
        ("70003", "2026-10-12", "4010", "P-1002", "1200", "9.2050"),
        ("70006", "2026-11-03", "4020", "P-1006", "60", "23.4000"),
    )
    for vendor, ordered_on, cost_centre, item, quantity, unit_price in orders:
        order = {
            "vendor": vendor,
            "reference": f"BANF-{vendor}",
            "ordered_on": ordered_on,
            "cost_centre": cost_centre,
            "currency": "EUR",
            "lines": [{"item": item, "quantity": quantity, "unit_price": unit_price}],
        }
        place_staff_order(company=COMPANY, action=order, written_by=PURCHASING, now=now)


def _lines(side: str, amounts: tuple[tuple[str, int], ...], cost_centre: str = "") -> list[dict[str, str]]:
    return [
        {"account": account, side: minor_text(minor, "EUR"), **({"cost_centre": cost_centre} if cost_centre else {})}
        for account, minor in amounts
    ]
