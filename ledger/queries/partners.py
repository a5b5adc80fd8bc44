"""Reads over vendors, customers and stock."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from kernel.errors import NotVisible
from ledger.decimals import decimal_text, minor_text
from ledger.models import Customer, Item, Stock, Vendor
from ledger.queries.common import JsonObject, get_company, invalid, page_size
from ledger.sql import LEDGER
from ledger.states import VendorStatus


def search_vendors(*, company: str, text: str = "", status: str = "", after: str = "", limit: int = 20) -> JsonObject:
    """Return vendors whose name contains or whose number starts with `text`, by number; `next_after` continues the list."""
    found = get_company(company)
    size = page_size(limit)
    if status and status not in VendorStatus.values:
        raise invalid("status", f"{status!r} is no vendor status", ", ".join(VendorStatus.values))
    rows = Vendor.objects.using(LEDGER).filter(company=found)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(number__istartswith=text))
    if status:
        rows = rows.filter(status=status)
    if after:
        rows = rows.filter(number__gt=after)
    vendors = list(rows.order_by("number")[: size + 1])
    page = vendors[:size]
    return {
        "company": company,
        "vendors": [_vendor(company, vendor) for vendor in page],
        "next_after": page[-1].number if len(vendors) > size else "",
    }


def get_vendor(*, company: str, vendor: str) -> JsonObject:
    """Return one vendor. Raises NotVisible."""
    row = Vendor.objects.using(LEDGER).filter(company__code=company, number=vendor).first()
    if row is None:
        raise NotVisible(detail=f"{company} has no vendor {vendor!r}.")
    return _vendor(company, row)


def _vendor(company: str, vendor: Vendor) -> JsonObject:
    return {
        "company": company,
        "vendor": vendor.number,
        "name": vendor.name,
        "status": vendor.status,
        "vendor_class": vendor.vendor_class,
        "bank_fingerprint": vendor.bank_fingerprint,
        "note": vendor.note,
        "created_on": vendor.created_on.isoformat(),
    }


def get_customer(*, company: str, customer: str) -> JsonObject:
    """Return one customer with the version that a change must name. Raises NotVisible."""
    row = Customer.objects.using(LEDGER).filter(company__code=company, number=customer).first()
    if row is None:
        raise NotVisible(detail=f"{company} has no customer {customer!r}.")
    return {
        "company": company,
        "customer": row.number,
        "name": row.name,
        "status": row.status,
        "currency": row.currency,
        "credit_limit": minor_text(row.credit_limit_minor, row.currency),
        "payment_terms_days": row.payment_terms_days,
        "version": row.version,
    }


def vendor_classes(*, company: str, vendors: Sequence[str]) -> dict[str, str]:
    """Return the class of each of these vendors that has one."""
    rows = Vendor.objects.using(LEDGER).filter(company__code=company, number__in=list(vendors)).exclude(vendor_class="")
    return dict(rows.values_list("number", "vendor_class"))


def get_stock(*, company: str, item: str, location: str = "") -> JsonObject:
    """Return what is on hand of one item, per location, with its standard cost. Raises NotVisible."""
    row = Item.objects.using(LEDGER).select_related("company").filter(company__code=company, number=item).first()
    if row is None:
        raise NotVisible(detail=f"{company} has no item {item!r}.")
    stock = Stock.objects.using(LEDGER).filter(item=row)
    if location:
        stock = stock.filter(location=location)
    places = list(stock.order_by("location"))
    return {
        "company": company,
        "item": row.number,
        "name": row.name,
        "standard_cost": decimal_text(row.standard_cost),
        "currency": row.company.currency,
        "locations": [{"location": place.location, "quantity": decimal_text(place.quantity), "version": place.version} for place in places],
    }
