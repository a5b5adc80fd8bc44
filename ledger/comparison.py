"""One vocabulary for what was approved and what landed, so that the two compare field by field.

Every field of a tool is present, "" where it was left out (a customer's `changes` hold what changes); decimals have one
spelling; amounts have all the places of their currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from kernel.errors import FieldError, ValidationFailed
from ledger.actions import CustomerAction, EntryAction, OrderAction, ReleaseAction, parse_action
from ledger.decimals import decimal_text, minor_text
from ledger.refusals import Refusal

Fields = dict[str, object]


def comparable_action(tool: str, action: Mapping[str, object]) -> Fields:
    """Return an action in the vocabulary of `queries.read_back`; raises ValidationFailed where it is no action of the tool.

    A credit limit is spelled by its value alone, because the customer's currency is not part of the action.
    """
    try:
        parsed = parse_action(tool, action)
    except Refusal as refusal:
        error = FieldError(refusal.path, refusal.detail, refusal.acceptable)
        raise ValidationFailed(detail=refusal.detail, errors=(error,)) from refusal
    match parsed:
        case OrderAction():
            return order_fields(
                vendor=parsed.vendor,
                reference=parsed.order_reference,
                ordered_on=parsed.ordered_on,
                deliver_on=parsed.deliver_on,
                cost_centre=parsed.cost_centre,
                currency=parsed.currency,
                note=parsed.note,
                total_minor=parsed.total_minor,
                lines=((line.item, line.description, line.quantity, line.unit_price) for line in parsed.lines),
            )
        case EntryAction():
            return entry_fields(
                effective_on=parsed.effective_on,
                currency=parsed.currency,
                description=parsed.description,
                reverses=parsed.reverses,
                total_minor=parsed.debit_minor,
                lines=((line.account, line.cost_centre, line.debit_minor, line.credit_minor, line.text) for line in parsed.lines),
            )
        case ReleaseAction():
            return release_fields(
                item=parsed.item,
                location=parsed.location,
                quantity=parsed.quantity,
                order=parsed.order,
                effective_on=parsed.effective_on,
                cost_centre=parsed.cost_centre,
            )
        case CustomerAction():
            return customer_fields(
                customer=parsed.customer,
                expected_version=parsed.expected_version,
                credit_limit=Decimal(parsed.credit_limit) if parsed.credit_limit is not None else None,
                payment_terms_days=parsed.payment_terms_days,
                status=parsed.status,
                reason=parsed.reason,
            )


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


def differences(approved: object, landed: object, path: str = "") -> list[dict[str, object]]:
    """Return `{"path", "approved", "landed"}` for each place where two values in the common vocabulary differ."""
    if isinstance(approved, Mapping) and isinstance(landed, Mapping):
        names = sorted(approved.keys() | landed.keys())
        return [found for name in names for found in differences(approved.get(name), landed.get(name), f"{path}/{name}")]
    if isinstance(approved, list) and isinstance(landed, list) and len(approved) == len(landed):
        return [
            found
            for index, (one, other) in enumerate(zip(approved, landed, strict=True))
            for found in differences(one, other, f"{path}/{index}")
        ]
    return [] if approved == landed else [{"path": path, "approved": approved, "landed": landed}]
