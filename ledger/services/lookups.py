"""Looks one thing up in the book of a batch, or refuses with what is wrong and what would do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from ledger.decimals import minor_text
from ledger.refusals import Refusal, RefusalCode
from ledger.services.book import AccountRow, Book, BudgetRow, CompanyRow, PeriodRow
from ledger.states import AccountRole, PeriodState

BudgetKey = tuple[int, int, int]


def company_named(book: Book, code: str) -> CompanyRow:
    """Return the company, or refuse COMPANY_UNKNOWN."""
    company = book.companies.get(code)
    if company is None:
        raise Refusal(RefusalCode.COMPANY_UNKNOWN, f"The ledger keeps no books for company {code!r}.")
    return company


def check_currency(company: CompanyRow, currency: str) -> None:
    """Refuse CURRENCY_NOT_KEPT for anything but the company's currency: this ledger converts nothing."""
    if currency != company.currency:
        raise Refusal(
            RefusalCode.CURRENCY_NOT_KEPT,
            f"{company.code} keeps its books in {company.currency}, not in {currency}.",
            "/currency",
            company.currency,
        )


def open_period(book: Book, company: CompanyRow, day: date, path: str) -> PeriodRow:
    """Return the open period of a date, or refuse PERIOD_MISSING or PERIOD_CLOSED."""
    period = book.periods.get((company.id, day.year, day.month))
    acceptable = f"a date in an open period of {company.code}"
    if period is None:
        raise Refusal(RefusalCode.PERIOD_MISSING, f"{company.code} has no period for {day.isoformat()}.", path, acceptable)
    if period.state != PeriodState.OPEN:
        raise Refusal(
            RefusalCode.PERIOD_CLOSED,
            f"Period {day.year}-{day.month:02d} of {company.code} is closed.",
            path,
            acceptable,
            {"year": day.year, "month": day.month, "state": period.state},
        )
    return period


def cost_centre_id(book: Book, company: CompanyRow, code: str, path: str) -> int | None:
    """Return the key of a cost centre, None for no code, or refuse COST_CENTRE_UNKNOWN."""
    if not code:
        return None
    key = book.cost_centres.get((company.id, code))
    if key is None:
        raise Refusal(RefusalCode.COST_CENTRE_UNKNOWN, f"{company.code} has no cost centre {code!r}.", path)
    return key


def account_numbered(book: Book, company: CompanyRow, number: str, path: str) -> AccountRow:
    """Return an active account, or refuse ACCOUNT_UNKNOWN or ACCOUNT_INACTIVE."""
    account = book.accounts.get((company.id, number))
    if account is None:
        raise Refusal(RefusalCode.ACCOUNT_UNKNOWN, f"{company.code} has no account {number!r}.", path)
    if not account.is_active:
        raise Refusal(RefusalCode.ACCOUNT_INACTIVE, f"Account {number} of {company.code} is inactive.", path, "an active account")
    return account


def account_in_role(book: Book, company: CompanyRow, role: AccountRole) -> AccountRow:
    """Return the active account of a role, or refuse ACCOUNT_ROLE_MISSING."""
    account = book.roles.get((company.id, role))
    if account is None or not account.is_active:
        raise Refusal(RefusalCode.ACCOUNT_ROLE_MISSING, f"{company.code} has no active account in the role {role.value}.")
    return account


def consume_budgets(book: Book, company: CompanyRow, deltas: Mapping[BudgetKey, int], path: str) -> list[BudgetRow]:
    """Return the budgets after taking each delta from them; all are checked before the first is touched.

    A budget that does not exist is not kept, and nothing is consumed. Refuses BUDGET_EXCEEDED where less remains than is
    asked for; giving back is always allowed.
    """
    touched = [(book.budgets[key], delta) for key, delta in deltas.items() if delta and key in book.budgets]
    for budget, delta in touched:
        remaining = budget.amount_minor - budget.consumed_minor
        if delta > max(remaining, 0):
            left, asked = minor_text(remaining, budget.currency), minor_text(delta, budget.currency)
            raise Refusal(
                RefusalCode.BUDGET_EXCEEDED,
                f"{asked} {budget.currency} is more than the {left} {budget.currency} that remain in the budget of {company.code}.",
                path,
                f"at most {left} {budget.currency}",
                {"remaining": left, "requested": asked, "currency": budget.currency},
            )
    for budget, delta in touched:
        budget.consumed_minor += delta
        budget.is_changed = True
    return [budget for budget, _ in touched]
