"""Reads over budgets, accounts and periods."""

from __future__ import annotations

from datetime import date

from kernel.errors import NotVisible
from ledger.decimals import minor_text
from ledger.models import Account, Budget, Period
from ledger.queries.common import JsonObject, day_of, get_company, optional_day
from ledger.sql import LEDGER, fetch
from ledger.states import AccountKind


def check_budget(*, company: str, cost_centre: str, year: int) -> JsonObject:
    """Return amount, consumed and remaining of one cost centre's budget for a year. Raises NotVisible."""
    row = (
        Budget.objects.using(LEDGER)
        .filter(company__code=company, cost_centre__code=cost_centre, year=year)
        .values_list("amount_minor", "consumed_minor", "currency")
        .first()
    )
    if row is None:
        raise NotVisible(detail=f"{company} has no budget for cost centre {cost_centre!r} in {year}.")
    amount, consumed, currency = row
    return {
        "company": company,
        "cost_centre": cost_centre,
        "year": year,
        "currency": currency,
        "amount": minor_text(amount, currency),
        "consumed": minor_text(consumed, currency),
        "remaining": minor_text(amount - consumed, currency),
    }


def get_account_balance(*, company: str, account: str, until: date | str | None = None) -> JsonObject:
    """Return the sums of one account's postings dated up to and including `until`; debit counts positive."""
    found = get_company(company)
    last = optional_day(until, "until")
    row = Account.objects.using(LEDGER).filter(company=found, number=account).first()
    if row is None:
        raise NotVisible(detail=f"{company} has no account {account!r}.")
    ((debit, credit, count),) = fetch(
        """
        SELECT coalesce(sum(posting.debit_minor), 0), coalesce(sum(posting.credit_minor), 0), count(*)
        FROM ledger_posting AS posting JOIN ledger_journalentry AS entry ON entry.id = posting.entry_id
        WHERE posting.account_id = %s AND posting.currency = %s AND (%s::date IS NULL OR entry.effective_on <= %s::date)
        """,
        [row.pk, found.currency, last, last],
    )
    return {
        "company": company,
        "account": row.number,
        "name": row.name,
        "kind": row.kind,
        "is_active": row.is_active,
        "currency": found.currency,
        "until": last.isoformat() if last else "",
        "debit": minor_text(int(debit), found.currency),
        "credit": minor_text(int(credit), found.currency),
        "balance": minor_text(int(debit - credit), found.currency),
        "postings": count,
    }


def get_trial_balance(*, company: str, until: date | str | None = None) -> JsonObject:
    """Return every account with postings up to `until`, the totals, and whether debits equal credits.

    Statistical accounts (commitments) are listed and totalled apart: they balance among themselves.
    """
    found = get_company(company)
    last = optional_day(until, "until")
    rows = fetch(
        """
        SELECT account.number, account.name, account.kind, posting.currency,
            sum(posting.debit_minor), sum(posting.credit_minor)
        FROM ledger_posting AS posting
        JOIN ledger_journalentry AS entry ON entry.id = posting.entry_id
        JOIN ledger_account AS account ON account.id = posting.account_id
        WHERE entry.company_id = %s AND (%s::date IS NULL OR entry.effective_on <= %s::date)
        GROUP BY account.number, account.name, account.kind, posting.currency
        ORDER BY account.number, posting.currency
        """,
        [found.pk, last, last],
    )
    totals = {"financial": [0, 0], "statistical": [0, 0]}
    lines: list[JsonObject] = []
    for number, name, kind, currency, debit, credit in rows:
        side = totals["statistical" if kind == AccountKind.STATISTICAL else "financial"]
        side[0] += int(debit)
        side[1] += int(credit)
        lines.append(
            {
                "account": number,
                "name": name,
                "kind": kind,
                "currency": currency,
                "debit": minor_text(int(debit), currency),
                "credit": minor_text(int(credit), currency),
                "balance": minor_text(int(debit - credit), currency),
            }
        )
    return {
        "company": company,
        "currency": found.currency,
        "until": last.isoformat() if last else "",
        "rows": lines,
        "totals": {
            name: {"debit": minor_text(debit, found.currency), "credit": minor_text(credit, found.currency)}
            for name, (debit, credit) in totals.items()
        },
        "is_balanced": all(debit == credit for debit, credit in totals.values()),
    }


def get_period_status(*, company: str, on: date | str) -> JsonObject:
    """Return whether entries may be dated on a day: `open`, `closed`, or `missing` where no period was set up."""
    found = get_company(company)
    day = day_of(on, "on")
    period = Period.objects.using(LEDGER).filter(company=found, year=day.year, month=day.month).first()
    return {
        "company": company,
        "on": day.isoformat(),
        "year": day.year,
        "month": day.month,
        "status": period.state if period else "missing",
        "starts_on": period.starts_on.isoformat() if period else "",
        "ends_on": period.ends_on.isoformat() if period else "",
    }
