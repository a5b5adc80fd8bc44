"""The facts of `gateway.facts` over the embedded ledger: one statement per subject for any number of facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q

from gateway.facts import ABSENT, NO_BANK_DETAILS
from gateway.port import Fact
from kernel import clock
from kernel.money import Money
from ledger.models import Account, Budget, Company, CostCentre, Customer, Item, JournalEntry, Period, Stock, Vendor
from ledger.states import EntryKind

Key = tuple[str, ...]
# Per subject key: what each fact about it answers.
Answers = Mapping[Key, Mapping[str, str]]


def observe(facts: Sequence[Fact]) -> list[str]:
    """Return the present value of each fact, in order; "absent" where its subject does not exist.

    Raises ValueError for a fact that this connector does not know: a defect of the caller, not a state of the ERP.
    """
    wanted: dict[str, set[Key]] = defaultdict(set)
    for fact in facts:
        wanted[_subject(fact)].add(_key(fact))
    found = {subject: LOOKUPS[subject](keys) for subject, keys in wanted.items()}
    return [found[_subject(fact)].get(_key(fact), {}).get(fact.name, ABSENT) for fact in facts]


def _subject(fact: Fact) -> str:
    try:
        return SUBJECTS[fact.name][0]
    except KeyError:
        raise ValueError(f"The embedded ERP knows no fact {fact.name!r}.") from None


def _key(fact: Fact) -> Key:
    arguments = SUBJECTS[fact.name][1]
    if set(arguments) != set(fact.arguments):
        raise ValueError(f"The fact {fact.name} takes {arguments}, not {tuple(fact.arguments)}.")
    return fact.company, *(fact.arguments[name] for name in arguments)


def _any_of(keys: Iterable[Key], *columns: str) -> Q:
    """Return the condition that the columns equal one of the keys; sorted, so that equal questions are equal statements."""
    condition = Q()
    grouped: dict[str, list[Key]] = defaultdict(list)
    for key in sorted(keys):
        grouped[key[0]].append(key)
    for company, members in grouped.items():
        own = Q()
        if len(columns) == 1:
            own = Q(**{f"{columns[0]}__in": [key[1] for key in members]})
        elif columns:
            for key in members:
                own |= Q(**dict(zip(columns, key[1:], strict=True)))
        condition |= Q(company__code=company) & own
    return condition


def plain(value: Decimal) -> str:
    """Return the shortest plain text of a decimal."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _amount(minor: int, currency: str) -> str:
    return Money(minor, currency).decimal_text()


def _companies(keys: set[Key]) -> Answers:
    rows = Company.objects.filter(code__in=sorted(key[0] for key in keys)).values_list("code", "currency", "time_zone")
    instant = clock.now()
    return {
        (code,): {"company_currency": currency, "business_date": instant.astimezone(ZoneInfo(zone)).date().isoformat()}
        for code, currency, zone in rows
    }


def _periods(keys: set[Key]) -> Answers:
    days = {key: date.fromisoformat(key[1]) for key in keys}
    condition = _any_of({(key[0], str(day.year), str(day.month)) for key, day in days.items()}, "year", "month")
    rows = Period.objects.filter(condition).values_list("company__code", "year", "month", "state")
    states = {(code, year, month): state for code, year, month, state in rows}
    found = {key: states.get((key[0], day.year, day.month)) for key, day in days.items()}
    return {key: {"period_status": state} for key, state in found.items() if state}


def _vendors(keys: set[Key]) -> Answers:
    rows = Vendor.objects.filter(_any_of(keys, "number")).values_list("company__code", "number", "name", "status", "bank_fingerprint")
    return {
        (code, number): {
            "vendor_name": name,
            "vendor_status": status,
            "vendor_bank_fingerprint": fingerprint or NO_BANK_DETAILS,
        }
        for code, number, name, status, fingerprint in rows
    }


def _customers(keys: set[Key]) -> Answers:
    rows = Customer.objects.filter(_any_of(keys, "number")).values_list(
        "company__code", "number", "name", "status", "version", "currency", "credit_limit_minor", "payment_terms_days"
    )
    return {
        (code, number): {
            "customer_name": name,
            "customer_status": status,
            "customer_version": str(version),
            "customer_currency": currency,
            "customer_credit_limit": _amount(limit, currency),
            "customer_payment_terms_days": str(terms),
        }
        for code, number, name, status, version, currency, limit, terms in rows
    }


def _accounts(keys: set[Key]) -> Answers:
    rows = Account.objects.filter(_any_of(keys, "number")).values_list("company__code", "number", "name", "kind", "is_active")
    return {
        (code, number): {
            "account_name": name,
            "account_kind": kind,
            "account_status": "active" if is_active else "inactive",
        }
        for code, number, name, kind, is_active in rows
    }


def _items(keys: set[Key]) -> Answers:
    rows = Item.objects.filter(_any_of(keys, "number")).values_list("company__code", "number", "name", "standard_cost")
    return {(code, number): {"item_name": name, "item_standard_cost": plain(cost)} for code, number, name, cost in rows}


def _cost_centres(keys: set[Key]) -> Answers:
    rows = CostCentre.objects.filter(_any_of(keys, "code")).values_list("company__code", "code", "name")
    return {(company, code): {"cost_centre_name": name} for company, code, name in rows}


def _budgets(keys: set[Key]) -> Answers:
    rows = Budget.objects.filter(_any_of(keys, "cost_centre__code", "year")).values_list(
        "company__code", "cost_centre__code", "year", "currency", "amount_minor", "consumed_minor"
    )
    return {
        (company, code, str(year)): {
            "budget_amount": _amount(amount, currency),
            "budget_consumed": _amount(consumed, currency),
            "budget_remaining": _amount(amount - consumed, currency),
        }
        for company, code, year, currency, amount, consumed in rows
    }


def _stock(keys: set[Key]) -> Answers:
    rows = Stock.objects.filter(_any_of(keys, "item__number", "location")).values_list(
        "company__code", "item__number", "location", "quantity"
    )
    return {(code, item, location): {"stock_quantity": plain(quantity)} for code, item, location, quantity in rows}


def _documents(keys: set[Key]) -> Answers:
    """Return how the documents that an entry belongs to stand; an effect's own entry number is no document."""
    general = _any_of(keys, "number") & Q(kind=EntryKind.GENERAL)
    rows = JournalEntry.objects.filter(general | _any_of(keys, "document")).values_list(
        "company__code", "number", "document", "reverses_id", "reversed_by__number"
    )
    return {
        (code, document or number): {"document_status": "reversed" if reversed_by else "reversal" if reverses else "posted"}
        for code, number, document, reverses, reversed_by in rows
    }


def _named(subject: str, arguments: Key, *names: str) -> dict[str, tuple[str, Key]]:
    return dict.fromkeys(names, (subject, arguments))


# Which subject a fact is about, and which arguments name it, in the order of the key.
SUBJECTS: Mapping[str, tuple[str, Key]] = {
    **_named("company", (), "company_currency", "business_date"),
    **_named("period", ("on",), "period_status"),
    **_named("vendor", ("vendor",), "vendor_name", "vendor_status", "vendor_bank_fingerprint"),
    **_named(
        "customer",
        ("customer",),
        *(f"customer_{name}" for name in ("name", "status", "version", "currency", "credit_limit", "payment_terms_days")),
    ),
    **_named("account", ("account",), "account_name", "account_kind", "account_status"),
    **_named("item", ("item",), "item_name", "item_standard_cost"),
    **_named("cost_centre", ("cost_centre",), "cost_centre_name"),
    **_named("budget", ("cost_centre", "year"), "budget_amount", "budget_consumed", "budget_remaining"),
    **_named("stock", ("item", "location"), "stock_quantity"),
    **_named("document", ("document",), "document_status"),
}
LOOKUPS: Mapping[str, Callable[[set[Key]], Any]] = {
    "company": _companies,
    "period": _periods,
    "vendor": _vendors,
    "customer": _customers,
    "account": _accounts,
    "item": _items,
    "cost_centre": _cost_centres,
    "budget": _budgets,
    "stock": _stock,
    "document": _documents,
}
