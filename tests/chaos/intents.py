"""Random intents of agents, most of them valid, and what the ERP's own people do in the meantime."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from ledger.models import Customer
from ledger.services import close_period, set_vendor_status
from ledger.states import VendorStatus
from tests.builders import ledger
from tests.chaos.world import (
    CLOSING_DAY,
    CLOSING_MONTH,
    COMPANIES,
    CUSTOMERS,
    DOOMED_VENDORS,
    SCARCE_ITEMS,
    customer,
    doomed_vendor,
    scarce_item,
)

SMALL_SHARE = 0.7
INVALID_SHARE = 0.05
Json = dict[str, Any]


def any_intent(chance: random.Random) -> Json:
    """Return a proposal's body: tool, company and payload."""
    company = chance.choice(COMPANIES)
    if chance.random() < INVALID_SHARE:
        return {"tool": "create_purchase_order", "company": company, "payload": _invalid(chance)}
    tool = chance.choices(
        ("create_purchase_order", "post_journal_entry", "release_inventory", "update_customer"), weights=(55, 20, 17, 8), k=1
    )[0]
    makers: dict[str, Callable[[random.Random], Json]] = {
        "create_purchase_order": _order,
        "post_journal_entry": _entry,
        "release_inventory": _release,
        "update_customer": lambda source: _customer_change(source, company),
    }
    payload = makers[tool](chance)
    return {"tool": tool, "company": company, "payload": payload}


def _amount(chance: random.Random) -> str:
    if chance.random() < SMALL_SHARE:
        return f"{chance.randrange(1_00, 1_000_00) / 100:.2f}"
    return f"{chance.randrange(1_001_00, 50_000_00) / 100:.2f}"


def _order(chance: random.Random) -> Json:
    vendor = doomed_vendor(chance.randrange(DOOMED_VENDORS)) if chance.random() < 0.15 else "V1"
    return ledger.order(lines=(("I1", "1", _amount(chance)),), vendor=vendor, reference=f"REQ-{chance.randrange(10**6)}")


def _entry(chance: random.Random) -> Json:
    day = CLOSING_DAY if chance.random() < 0.3 else ledger.OPEN_DAY
    return ledger.entry(_amount(chance), effective_on=day, description=f"Entry {chance.randrange(10**6)}")


def _release(chance: random.Random) -> Json:
    # Each for an order of its own: the same release written twice would be drift, and rightly void the second.
    order = f"SO-{chance.randrange(10**12)}"
    if chance.random() < 0.5:
        return ledger.release(str(chance.randrange(1, 9)), item=scarce_item(chance.randrange(SCARCE_ITEMS)), order=order)
    return ledger.release(str(chance.randrange(1, 200)), location="DEPOT", order=order)


def _customer_change(chance: random.Random, company: str) -> Json:
    """Return a change of the version that the customer has now: of two proposed at once, only one can land."""
    number = customer(chance.randrange(CUSTOMERS))
    found = Customer.objects.get(company__code=company, number=number)
    days, limit = chance.randrange(90), f"{chance.randrange(1, 9999)}.00"
    changes: Json = {"payment_terms_days": days} if chance.random() < 0.5 else {"credit_limit": limit}
    return {**ledger.customer_update(found.version, **changes), "customer": number}


def _invalid(chance: random.Random) -> Json:
    refused: list[Callable[[], Json]] = [
        lambda: ledger.order(vendor="nobody"),
        lambda: ledger.order(vendor="V2"),
        lambda: ledger.order(ordered_on=ledger.CLOSED_DAY),
        lambda: ledger.order(lines=(("I1", "-1", "5.00"),)),
        lambda: ledger.order(unheard_of="field"),
    ]
    return chance.choice(refused)()


def other_payload(body: Mapping[str, Any]) -> Json:
    """Return the same intent with another content."""
    return {**body, "rationale": "Something else was meant."}


def staff_acts(chance: random.Random, index: int, number: int) -> None:
    """Now and then the ERP's own people block a vendor for good, or close a month."""
    for position in range(DOOMED_VENDORS):
        if index == (position + 1) * number // (DOOMED_VENDORS + 2):
            set_vendor_status(company=COMPANIES[position % 2], vendor=doomed_vendor(position), status=VendorStatus.BLOCKED)
    if index == number * 3 // 5:
        close_period(company=chance.choice(COMPANIES), year=2026, month=CLOSING_MONTH)
