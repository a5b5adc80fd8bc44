"""What real ERPs do to a write that was approved otherwise: it lands, but not as it was sent.

Imitated for demonstrations and tests, behind the idempotency record: the ERP remembers the request as it came, and holds what it
made of it, so that a repeated request gets the stored answer. Nothing here runs unless a caller asks for a quirk by name.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from kernel.money import line_amount
from ledger.actions import Action, EntryAction, EntryLine, OrderAction, OrderLine, ReleaseAction
from ledger.sql import fetch

TAX_RATE = Decimal("0.15")
PRICE_PLACES = 10


class Quirk(StrEnum):
    """One habit of an ERP; `none` writes what was asked for."""

    NONE = "none"
    # Dated into the next open period, as Odoo does when a period is locked.
    REDATED = "redated"
    # The default tax is added: an order of 62.50 comes back as 71.88.
    TAXED = "taxed"


def bent(action: Action, quirk: Quirk, *, company: str) -> Action:
    """Return the action as an ERP with this habit takes it; one that the habit does not concern stays as it is."""
    match quirk:
        case Quirk.REDATED:
            return _redated(action, company)
        case Quirk.TAXED:
            return _taxed(action)
        case Quirk.NONE:
            return action


def _redated(action: Action, company: str) -> Action:
    match action:
        case OrderAction():
            ordered_on = _next_open(company, action.ordered_on)
            return replace(action, ordered_on=ordered_on, deliver_on=max(action.deliver_on, ordered_on) if action.deliver_on else None)
        case EntryAction() | ReleaseAction():
            return replace(action, effective_on=_next_open(company, action.effective_on))
        case _:
            return action


def _next_open(company: str, day: date) -> date:
    """Return the first day of the first open period after the one of `day`, or `day` when there is none."""
    rows = fetch(
        "SELECT period.starts_on FROM ledger_period AS period JOIN ledger_company AS company ON company.id = period.company_id"
        " WHERE company.code = %s AND period.starts_on > %s AND period.state = 'open' ORDER BY period.starts_on LIMIT 1",
        [company, day],
    )
    return rows[0][0] if rows else day


def _taxed(action: Action) -> Action:
    match action:
        case OrderAction():
            return replace(action, lines=tuple(_taxed_line(line, action.currency) for line in action.lines))
        case EntryAction():
            return replace(action, lines=(*action.lines, *_tax_lines(action)))
        case _:
            return action


def _taxed_line(line: OrderLine, currency: str) -> OrderLine:
    unit_price = round(line.unit_price * (1 + TAX_RATE), PRICE_PLACES)
    return replace(line, unit_price=unit_price, amount_minor=line_amount(line.quantity, unit_price, currency).minor)


def _tax_lines(action: EntryAction) -> tuple[EntryLine, ...]:
    """Return a debit and a credit of the tax, on the accounts of the first debit and the first credit."""
    debit = next(line for line in action.lines if line.debit_minor)
    credit = next(line for line in action.lines if line.credit_minor)
    tax = max(int(debit.debit_minor * TAX_RATE), 1)
    return (
        replace(debit, debit_minor=tax, text="Default tax"),
        replace(credit, credit_minor=tax, text="Default tax"),
    )
