"""What landed, in the vocabulary of the payload that was approved, so that the two can be compared field by field.

Every field of a tool is present, "" where it was left out (a customer's `changes` hold what changes); decimals have one
spelling; amounts have all the places of their currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from ledger.decimals import decimal_text, minor_text

Fields = dict[str, object]


def order_fields(
    *,
    vendor: str,
    reference: str,
    ordered_on: date,
    deliver_on: date | None,
    cost_centre: str,
    currency: str,
    note: str,
    total_minor: int,
    lines: Iterable[tuple[str, str, Decimal, Decimal]],
) -> Fields:
    """Return a purchase order; lines are (item, description, quantity, unit price) in line order."""
    return {
        "vendor": vendor,
        "reference": reference,
        "ordered_on": ordered_on.isoformat(),
        "deliver_on": deliver_on.isoformat() if deliver_on else "",
        "cost_centre": cost_centre,
        "currency": currency,
        "note": note,
        "total": minor_text(total_minor, currency),
        "lines": [
            {
                "item": item,
                "description": description,
                "quantity": decimal_text(quantity),
                "unit_price": decimal_text(unit_price),
            }
            for item, description, quantity, unit_price in lines
        ],
    }


def entry_fields(
    *,
    effective_on: date,
    currency: str,
    description: str,
    reverses: str,
    total_minor: int,
    lines: Iterable[tuple[str, str, int, int, str]],
) -> Fields:
    """Return a journal entry; lines are (account, cost centre, debit, credit, text) in line order."""
    return {
        "effective_on": effective_on.isoformat(),
        "currency": currency,
        "description": description,
        "reverses": reverses,
        "total": minor_text(total_minor, currency),
        "lines": [
            {
                "account": account,
                "cost_centre": cost_centre,
                "debit": minor_text(debit, currency) if debit else "",
                "credit": minor_text(credit, currency) if credit else "",
                "text": text,
            }
            for account, cost_centre, debit, credit, text in lines
        ],
    }


def release_fields(*, item: str, location: str, quantity: Decimal, order: str, effective_on: date, cost_centre: str) -> Fields:
    """Return a release of stock."""
    return {
        "item": item,
        "location": location,
        "quantity": decimal_text(quantity),
        "order": order,
        "effective_on": effective_on.isoformat(),
        "cost_centre": cost_centre,
    }


def customer_fields(
    *,
    customer: str,
    expected_version: int,
    credit_limit: Decimal | None,
    payment_terms_days: int | None,
    status: str | None,
    reason: str,
) -> Fields:
    """Return a change of a customer; what the change leaves alone is absent from `changes`."""
    changes = {
        "credit_limit": decimal_text(credit_limit) if credit_limit is not None else None,
        "payment_terms_days": payment_terms_days,
        "status": status,
    }
    return {
        "customer": customer,
        "expected_version": expected_version,
        "changes": {name: value for name, value in changes.items() if value is not None},
        "reason": reason,
    }
