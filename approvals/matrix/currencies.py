"""Company currencies and exchange rates, recorded by a controller; a rate is never changed, a later one for the same day replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import transaction

from approvals.events import PolicyEvent
from approvals.matrix.models import CompanyCurrency, ExchangeRate
from approvals.services.matrix import refusals_recorded
from audit.records import Subject
from audit.services import record
from gateway.connections import connector_for
from gateway.facts import company_currency
from identity.permissions import Permission, companies_with, require_permission
from kernel.actors import Actor
from kernel.errors import DomainError, FieldError, PermissionRefused, ValidationFailed
from kernel.money import CURRENCY_PATTERN, parse_decimal

SOURCE_LENGTH_MAX = 80
RATE_MAX = Decimal(10) ** 9
RATE_PLACES = 10


def record_company_currency(*, company: str, currency: str, user: User, actor: Actor, now: datetime) -> CompanyCurrency:
    """Make amounts of this company be compared in this currency from now on; routes already given stay as they are.

    Raises PermissionRefused for whoever edits no policies in this company, ValidationFailed for what is no currency.
    """
    with refusals_recorded(actor, Subject("policy", "currencies"), now):
        require_permission(user, Permission.POLICY_EDIT)
        if company not in companies_with(user, Permission.POLICY_EDIT):
            raise PermissionRefused(detail=f"You are no controller of {company[:12]}.")
        _require_currency("/currency", currency)
        with transaction.atomic():
            row, _ = CompanyCurrency.objects.update_or_create(
                company=company, defaults={"currency": currency, "recorded_by": user, "recorded_at": now}
            )
            outcome = {"company": company, "currency": currency}
            record(kind=PolicyEvent.CURRENCY_RECORDED, actor=actor, subject=Subject("policy", "currencies"), now=now, outcome=outcome)
    return row


def record_rate(
    *, from_currency: str, to_currency: str, rate: str, rate_on: date, source: str, user: User, actor: Actor, now: datetime
) -> ExchangeRate:
    """Make this the rate of that day; an earlier one for the same day stays on record and counts no more.

    Raises PermissionRefused without policy:edit, ValidationFailed naming the field.
    """
    with refusals_recorded(actor, Subject("policy", "rates"), now):
        require_permission(user, Permission.POLICY_EDIT)
        _require_currency("/from_currency", from_currency)
        _require_currency("/to_currency", to_currency)
        if from_currency == to_currency:
            raise _refused("/to_currency", "a currency is worth one of itself", "another currency")
        value = parse_decimal(rate, path="/rate")
        if not 0 < value < RATE_MAX or value != round(value, RATE_PLACES):
            raise _refused("/rate", f"{rate} is no rate", f"more than 0, up to {RATE_PLACES} decimal places")
        if rate_on > now.date():
            raise _refused("/rate_on", "a rate of the future", "today or earlier")
        if not source.strip() or len(source) > SOURCE_LENGTH_MAX:
            raise _refused("/source", "empty or too long", "where the rate is from, e.g. ECB reference rates")
        with transaction.atomic():
            row = ExchangeRate.objects.create(
                from_currency=from_currency,
                to_currency=to_currency,
                rate=value,
                rate_on=rate_on,
                source=source.strip(),
                recorded_by=user,
                recorded_at=now,
            )
            outcome = {"from": from_currency, "to": to_currency, "rate": f"{value:f}", "rate_on": rate_on.isoformat()}
            record(kind=PolicyEvent.RATE_RECORDED, actor=actor, subject=Subject("policy", "rates"), now=now, outcome=outcome)
    return row


def currencies_in_erp(companies: list[str]) -> Mapping[str, str]:
    """Return what the ERP says the companies keep their books in; a company it gives no answer about is left out."""
    found = {}
    for company in companies:
        try:
            (found[company],) = connector_for(company).observe([company_currency(company)])
        except DomainError:
            # Down, or no connection keeps its books: nothing is known about this one.
            continue
    return {company: currency for company, currency in found.items() if CURRENCY_PATTERN.match(currency)}


def _require_currency(path: str, currency: str) -> None:
    if not CURRENCY_PATTERN.match(currency):
        raise _refused(path, f"{currency[:8]!r} is not a currency", "an ISO 4217 code such as EUR")


def _refused(path: str, message: str, acceptable: str) -> ValidationFailed:
    return ValidationFailed(detail=f"{message}.", errors=(FieldError(path, message, acceptable),))
