from __future__ import annotations

import os
import shutil
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ledger import queries
from ledger.models import Account, Budget, Company, Item, Period, Stock, Vendor
from ledger.sample import load_sample_company
from ledger.sql import execute
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["ledger"])

PROJECT = Path(__file__).resolve().parents[2]
ADVENTUREWORKS = Path(os.environ.get("COUNTERSIGN_ADVENTUREWORKS", PROJECT.parent / "shared" / "data" / "adventureworks"))
needs_adventureworks = pytest.mark.skipif(
    not ADVENTUREWORKS.is_dir(), reason=f"{ADVENTUREWORKS} is absent; COUNTERSIGN_ADVENTUREWORKS names another place"
)


def load(directory: Path = ADVENTUREWORKS) -> str:
    output = StringIO()
    call_command("ledger_import_masters", str(directory), "--company", "US01", stdout=output)
    return output.getvalue()


@needs_adventureworks
def test_the_import_loads_what_the_orders_need_and_a_second_one_changes_nothing() -> None:
    said = load()
    # Deferred triggers of the opening entry must not wait when the next statements alter nothing but read.
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert said == "US01: 104 vendors, 504 items, 1069 stock rows, 33 periods, 3 budgets; opening stock JE-2011-000001.\n"
    assert Vendor.objects.filter(status="active").count() == 104
    assert Vendor.objects.filter(vendor_class="inactive").count() == 4
    assert Item.objects.get(number="796").standard_cost == Decimal("1554.9479")
    assert [(str(period), period.state) for period in Period.objects.order_by("year", "month")][::32] == [
        ("2011-04", "open"),
        ("2013-12", "open"),
    ]
    amounts = dict(Budget.objects.values_list("year", "amount_minor"))
    needed = {2011: 40313586, 2012: 392689371, 2013: 2006480122}
    assert amounts.keys() == needed.keys()
    assert all(0 <= amounts[year] - minor < 100_000 for year, minor in needed.items())
    balance = queries.get_trial_balance(company="US01")
    assert balance["is_balanced"] is True

    Vendor.objects.filter(number="1580").update(status="blocked")
    Stock.objects.filter(item__number="1", location="1").update(quantity=7)
    before = build.footprint()
    execute("SET CONSTRAINTS ALL DEFERRED")
    assert load() == said
    assert build.footprint() == before
    assert Vendor.objects.get(number="1580").status == "blocked"
    assert Company.objects.count() == 1
    assert queries.get_trial_balance(company="US01") == balance


@needs_adventureworks
def test_an_incomplete_directory_is_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"vendors\.csv is missing"):
        load(tmp_path)
    for file in ADVENTUREWORKS.glob("*.csv"):
        shutil.copyfile(file, tmp_path / file.name)
    (tmp_path / "products.csv").write_text("product_id,name\n1,x\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"products\.csv has no column 'product_number'"):
        load(tmp_path)
    assert not Company.objects.exists()


def test_the_sample_companies_are_worth_reading_and_load_once() -> None:
    load_sample_company(now=build.NOW)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    balance = queries.get_trial_balance(company="DE01")
    rows: Any = balance["rows"]
    assert balance["is_balanced"] is True
    assert len(rows) >= 10
    assert Account.objects.filter(company__code="DE01").count() >= 25
    assert Vendor.objects.filter(company__code="DE01").count() == 8
    assert Stock.objects.filter(company__code="DE01").count() == 20
    states = Period.objects.filter(company__code="DE01").order_by("month").values_list("state", flat=True)
    assert list(states) == ["closed"] * 9 + ["open"] * 3
    inventory = queries.get_account_balance(company="DE01", account="1400")["balance"]
    value = sum(
        (stock.quantity * stock.item.standard_cost).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")
        for stock in Stock.objects.filter(company__code="DE01").select_related("item")
    )
    assert Decimal(str(inventory)) == value
    orders: Any = queries.list_purchase_orders(company="DE01")["orders"]
    assert len(orders) == 4
    assert all(row.is_staff for row in queries.extract(company="DE01"))
    assert queries.check_budget(company="DE01", cost_centre="4030", year=2026)["consumed"] == "50600.00"
    assert queries.get_vendor(company="AT01", vendor="71001")["name"] == "Donau Metall GmbH"
    before = build.footprint()
    execute("SET CONSTRAINTS ALL DEFERRED")
    load_sample_company(now=build.NOW)
    assert build.footprint() == before
    assert build.numbers_are_gapless()
