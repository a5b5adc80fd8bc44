"""Reads over purchase orders, and the search for documents that look alike."""

from __future__ import annotations

from datetime import date, timedelta

from kernel.errors import NotVisible
from kernel.money import Money
from ledger.decimals import decimal_text, minor_text
from ledger.models import PurchaseOrder
from ledger.queries.common import JsonObject, day_of, get_company, invalid, optional_day, page_size
from ledger.sql import LEDGER, fetch
from ledger.states import OrderState

WINDOW_LIMIT_DAYS = 366


def list_purchase_orders(
    *,
    company: str,
    vendor: str = "",
    cost_centre: str = "",
    state: str = "",
    ordered_from: date | str | None = None,
    ordered_until: date | str | None = None,
    after: str = "",
    limit: int = 50,
) -> JsonObject:
    """Return orders by number, without their lines; `next_after` continues the list."""
    found = get_company(company)
    size = page_size(limit)
    if state and state not in OrderState.values:
        raise invalid("state", f"{state!r} is no order state", ", ".join(OrderState.values))
    rows = PurchaseOrder.objects.using(LEDGER).filter(company=found)
    filters: dict[str, object] = {
        "vendor__number": vendor,
        "cost_centre__code": cost_centre,
        "state": state,
        "ordered_on__gte": optional_day(ordered_from, "ordered_from"),
        "ordered_on__lte": optional_day(ordered_until, "ordered_until"),
        "number__gt": after,
    }
    rows = rows.filter(**{name: value for name, value in filters.items() if value not in ("", None)})
    orders = list(rows.select_related("vendor", "cost_centre").order_by("number")[: size + 1])
    page = orders[:size]
    return {
        "company": company,
        "orders": [_order(company, order) for order in page],
        "next_after": page[-1].number if len(orders) > size else "",
    }


def get_purchase_order(*, company: str, document: str) -> JsonObject:
    """Return one order with its lines. Raises NotVisible."""
    order = (
        PurchaseOrder.objects.using(LEDGER)
        .select_related("vendor", "cost_centre", "entry")
        .filter(company__code=company, number=document)
        .first()
    )
    if order is None:
        raise NotVisible(detail=f"{company} has no purchase order {document!r}.")
    lines = [
        {
            "line_number": line.line_number,
            "item": line.item.number,
            "description": line.description,
            "quantity": decimal_text(line.quantity),
            "unit_price": decimal_text(line.unit_price),
            "amount": minor_text(line.amount_minor, order.currency),
        }
        for line in order.lines.select_related("item").order_by("line_number")
    ]
    return {**_order(company, order), "entry": order.entry.number, "note": order.note, "lines": lines}


def _order(company: str, order: PurchaseOrder) -> JsonObject:
    return {
        "company": company,
        "document": order.number,
        "state": order.state,
        "vendor": order.vendor.number,
        "vendor_name": order.vendor.name,
        "reference": order.order_reference,
        "ordered_on": order.ordered_on.isoformat(),
        "deliver_on": order.deliver_on.isoformat() if order.deliver_on else "",
        "cost_centre": order.cost_centre.code,
        "currency": order.currency,
        "total": minor_text(order.total_minor, order.currency),
        "proposal": order.reference,
        "written_by": order.written_by,
    }


def find_similar_entries(
    *,
    company: str,
    amount: str,
    around: date | str,
    days: int = 30,
    vendor: str = "",
    limit: int = 20,
) -> JsonObject:
    """Return orders and general entries of the same amount within `days` of a date: what a duplicate would look like."""
    found = get_company(company)
    size = page_size(limit)
    day = day_of(around, "around")
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= WINDOW_LIMIT_DAYS:
        raise invalid("days", f"{days!r} is not a window", f"an integer from 0 to {WINDOW_LIMIT_DAYS}")
    total = Money.parse(amount, found.currency, path="/amount")
    rows = fetch(
        """
        SELECT document, tool, effective_on, total_minor, currency, counterparty, state, reversed_by, reference, written_by
        FROM ledger_landed
        WHERE company_id = %s AND total_minor = %s AND currency = %s AND effective_on BETWEEN %s AND %s
            AND (%s = '' OR counterparty = %s) AND tool IN ('create_purchase_order', 'post_journal_entry')
        ORDER BY abs(effective_on - %s::date), document LIMIT %s
        """,
        [
            found.pk,
            total.minor,
            total.currency,
            day - timedelta(days=days),
            day + timedelta(days=days),
            vendor,
            vendor,
            day,
            size,
        ],
    )
    names = ("document", "tool", "effective_on", "total", "currency", "vendor", "state", "reversed_by", "proposal", "written_by")
    entries = []
    for row in rows:
        entry: JsonObject = dict(zip(names, row, strict=True))
        entry["effective_on"] = row[2].isoformat()
        entry["total"] = minor_text(row[3], row[4])
        entries.append(entry)
    return {"company": company, "amount": total.decimal_text(), "currency": total.currency, "entries": entries}
