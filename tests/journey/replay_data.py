"""Purchase orders of our own invention in the layout that the replay takes, and what they must come to."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

ORDERS, VENDORS, ITEMS = 28, 5, 12
LARGE_EVERY, REJECTED_EVERY = 7, 9
CENT = Decimal("0.01")
TWO_APPROVERS_ABOVE = Decimal(25_000)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the replay has to report."""

    committed: int
    committed_total: str
    rejected: int
    rejected_total: str
    needing_two: int

    def as_dict(self) -> dict[str, object]:
        """Return the report."""
        return {
            "committed": self.committed,
            "committed_total": self.committed_total,
            "rejected": self.rejected,
            "rejected_total": self.rejected_total,
            "reconciled": self.committed,
            "breaks": 0,
            "trial_balance": "balanced",
            "chain": "verified",
        }


def write_orders(directory: Path) -> Expected:
    """Write the five files and return what they come to: every line rounded half up to cents, then summed."""
    vendors = range(9001, 9001 + VENDORS)
    _write(
        directory / "vendors.csv",
        "vendor_id,account_number,name,credit_rating,preferred,active",
        ([number, f"VEND{number}", f"Supplier {number}", 1, number % 2, int(number != vendors[-1])] for number in vendors),
    )
    _write(
        directory / "products.csv",
        "product_id,product_number,name,standard_cost,list_price",
        ([item, f"TP-{item:04}", f"Test part {item}", f"{item}.2575", 0] for item in range(1, ITEMS + 1)),
    )
    _write(
        directory / "inventory.csv",
        "product_id,location_id,quantity",
        ([item, 1, 90 + item] for item in range(1, ITEMS + 1)),
    )
    orders: list[list[object]] = []
    lines: list[list[object]] = []
    totals: dict[bool, list[Decimal]] = {False: [], True: []}
    for number in range(1, ORDERS + 1):
        is_rejected = number % REJECTED_EVERY == 0
        total = Decimal(0)
        for place in range(number % 3 + 1):
            quantity = 900 if number % LARGE_EVERY == 0 else 3 + number + place
            # Four decimals, some of them ending on half a cent.
            price = f"{number + place - 1}.{(number * 1237 + place * 25) % 10_000:04}"
            total += (quantity * Decimal(price)).quantize(CENT, ROUND_HALF_UP)
            lines.append([number, len(lines) + 1, (number + place) % ITEMS + 1, quantity, price, "0", ".00", ".00", "2013-12-31"])
        totals[is_rejected].append(total)
        status = "rejected" if is_rejected else ("complete", "pending", "approved")[number % 3]
        day = f"20{13 + number % 2}-{number % 12 + 1:02}-{number % 28 + 1:02}"
        orders.append([number, vendors[number % VENDORS], 258, day, day, status, "0", "0", "0", "0"])
    _write(
        directory / "purchase_orders.csv",
        "purchase_order_id,vendor_id,employee_id,order_date,ship_date,status,subtotal,tax,freight,total_due",
        orders,
    )
    _write(
        directory / "purchase_order_lines.csv",
        "purchase_order_id,line_id,product_id,quantity,unit_price,line_total,received_quantity,rejected_quantity,due_date",
        lines,
    )
    return Expected(
        committed=len(totals[False]),
        committed_total=str(sum(totals[False])),
        rejected=len(totals[True]),
        rejected_total=str(sum(totals[True])),
        needing_two=sum(total > TWO_APPROVERS_ABOVE for total in totals[False]),
    )


def _write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header.split(","))
        table.writerows(rows)
