"""The facts a connector can be asked for, one constructor each; the answers are text, and "absent" where there is no subject.

A fact is a question that means the same in every ERP. Preconditions store facts and ask them again before the commit, so a
name or an argument that changes here changes its meaning for proposals that are already under way: add, never rename.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from gateway.port import Connector, Fact
from kernel.money import Money

ABSENT = "absent"
# What vendor_bank_fingerprint answers for a vendor without bank details: different from "absent", which means no vendor.
NO_BANK_DETAILS = "none"


def ask(connector: Connector, questions: Mapping[str, Fact]) -> dict[str, str]:
    """Return the present value of each named question; one round trip for all of them."""
    return dict(zip(questions, connector.observe(list(questions.values())), strict=True))


def company_currency(company: str) -> Fact:
    """Ask for the ISO 4217 code of the company's books."""
    return Fact("company_currency", company, {})


def business_date(company: str) -> Fact:
    """Ask for today's date in the company's time zone, YYYY-MM-DD."""
    return Fact("business_date", company, {})


def period_status(company: str, on: date) -> Fact:
    """Ask whether entries may be dated on this day: open or closed."""
    return Fact("period_status", company, {"on": on.isoformat()})


def vendor(company: str, number: str, name: str) -> Fact:
    """Ask one thing about a vendor: name, status (active or blocked) or bank_fingerprint."""
    return Fact(f"vendor_{name}", company, {"vendor": number})


def customer(company: str, number: str, name: str) -> Fact:
    """Ask one thing about a customer: name, status, version, currency, credit_limit or payment_terms_days."""
    return Fact(f"customer_{name}", company, {"customer": number})


def account(company: str, number: str, name: str) -> Fact:
    """Ask one thing about an account: name, kind, or status (active or inactive)."""
    return Fact(f"account_{name}", company, {"account": number})


def item(company: str, number: str, name: str) -> Fact:
    """Ask one thing about an item: name or standard_cost (decimal text in the company's currency)."""
    return Fact(f"item_{name}", company, {"item": number})


def cost_centre_name(company: str, code: str) -> Fact:
    """Ask for the name of a cost centre."""
    return Fact("cost_centre_name", company, {"cost_centre": code})


def budget(company: str, cost_centre: str, year: int, name: str) -> Fact:
    """Ask one thing about a cost centre's budget of one year: amount, consumed or remaining (decimal text)."""
    return Fact(f"budget_{name}", company, {"cost_centre": cost_centre, "year": str(year)})


def stock_quantity(company: str, item_number: str, location: str) -> Fact:
    """Ask how much of an item lies at a location (decimal text)."""
    return Fact("stock_quantity", company, {"item": item_number, "location": location})


def order_count(company: str, vendor_number: str, reference: str, total: Money) -> Fact:
    """Ask how many standing orders a vendor has under the orderer's own reference and over this total, whoever wrote them."""
    return Fact("order_count", company, {"vendor": vendor_number, "reference": reference, "total": str(total.minor)})


def release_count(company: str, item_number: str, order: str, quantity: str) -> Fact:
    """Ask how many releases of so much of an item stand for an order, whoever wrote them."""
    return Fact("release_count", company, {"item": item_number, "order": order, "quantity": quantity})


# No further than to here are entries counted that are the same: one is too many already.
SAME_ENTRIES_MAX = 20


def entry_count(company: str, on: date, total: Money, debited: str, credited: str) -> Fact:
    """Ask how many standing entries of this day and total debit the one account and credit the other, up to SAME_ENTRIES_MAX."""
    arguments = {"on": on.isoformat(), "total": str(total.minor), "debited": debited, "credited": credited}
    return Fact("entry_count", company, arguments)


def document_status(company: str, document: str) -> Fact:
    """Ask whether a document stands: posted, reversed, or reversal where it is itself the reversal of another."""
    return Fact("document_status", company, {"document": document})
