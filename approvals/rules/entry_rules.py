"""Rules that look at the write itself: its amount, its dates, its words, its accounts."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from datetime import date, timedelta

from approvals.rules.facts import Case
from approvals.rules.past import minor_of
from approvals.rules.results import CLEAN, NOT_APPLICABLE, Found, NotTested, Result
from approvals.rules.thresholds import WEEKDAYS, Thresholds
from kernel.money import Money

JOURNAL = "post_journal_entry"
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def round_amount(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the amount is a large whole multiple of the round unit."""
    amount = case.entry.amount
    unit, least = minor_of(thresholds.round_unit, amount.currency), minor_of(thresholds.round_from, amount.currency)
    if not unit or not amount.minor or amount.minor % unit or amount.minor < least:
        return CLEAN
    return Found(
        text=f"The amount, {amount}, is a round number: a whole multiple of {Money(unit, amount.currency)}.",
        inputs={"amount": amount.decimal_text(), "currency": amount.currency},
        threshold={"round_unit": str(thresholds.round_unit), "round_from": str(thresholds.round_from)},
        observed={"multiple": str(amount.minor // unit)},
    )


def weekend(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the accounting date is no working day."""
    day = case.entry.effective_on
    if day in thresholds.holidays:
        why = "a holiday"
    elif WEEKDAYS[day.weekday()] not in thresholds.working_days:
        why = f"a {DAY_NAMES[day.weekday()]}"
    else:
        return CLEAN
    return Found(
        text=f"It is dated {day.isoformat()}, {why}.",
        inputs={"effective_on": day.isoformat()},
        threshold={"working_days": ", ".join(thresholds.working_days), "holidays": str(len(thresholds.holidays))},
        observed={"day": why.removeprefix("a ")},
    )


def out_of_hours(case: Case, thresholds: Thresholds) -> Result:
    """Return whether it was entered outside the company's hours; what the gate asks again was entered by nobody then."""
    if case.entry.is_asked_again:
        return NOT_APPLICABLE
    if thresholds.opens_at is None or thresholds.closes_at is None:
        return NotTested("no business hours are set for the company")
    local = case.entry.entered_at.astimezone(thresholds.zone)
    if thresholds.opens_at <= local.time() < thresholds.closes_at:
        return CLEAN
    hours = f"{thresholds.opens_at:%H:%M} to {thresholds.closes_at:%H:%M}"
    return Found(
        text=f"It was entered at {local:%H:%M} ({thresholds.time_zone}), outside {hours}.",
        inputs={"entered_at": local.isoformat(timespec="seconds")},
        threshold={
            "opens_at": f"{thresholds.opens_at:%H:%M}",
            "closes_at": f"{thresholds.closes_at:%H:%M}",
            "time_zone": thresholds.time_zone,
        },
        observed={"time": f"{local:%H:%M}"},
    )


def period_end(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the accounting date lies in the last days of its month."""
    day, amount = case.entry.effective_on, case.entry.amount
    left = calendar.monthrange(day.year, day.month)[1] - day.day
    if left >= thresholds.period_end_days or amount.minor < minor_of(thresholds.period_end_from, amount.currency):
        return CLEAN
    return Found(
        text=f"It is dated {day.isoformat()}, {'the last day' if not left else f'{left} {_days(left)} before the end'} of its month.",
        inputs={"effective_on": day.isoformat(), "amount": amount.decimal_text()},
        threshold={"period_end_days": str(thresholds.period_end_days), "period_end_from": str(thresholds.period_end_from)},
        observed={"days_left": str(left)},
    )


def unusual_date(case: Case, thresholds: Thresholds) -> Result:
    """Return whether it is dated into a month that is over, far back, or far ahead."""
    day, today = case.entry.effective_on, case.entry.entered_at.astimezone(thresholds.zone).date()
    distance = (today - day).days
    after_close = (today - _month_end(day)).days
    if distance > thresholds.back_days:
        code, text = "back_dated", f"It is dated {day.isoformat()}, {distance} days back."
    elif after_close > thresholds.close_grace_days:
        code, text = "post_close", f"It is dated into {day:%Y-%m}, entered {after_close} days after that month ended."
    elif -distance > thresholds.future_days:
        code, text = "future_dated", f"It is dated {day.isoformat()}, {-distance} days ahead."
    else:
        return CLEAN
    return Found(
        text=text,
        inputs={"effective_on": day.isoformat(), "entered_on": today.isoformat()},
        threshold={name: str(getattr(thresholds, name)) for name in ("back_days", "close_grace_days", "future_days")},
        observed={"code": code, "days_back": str(distance), "days_after_month_end": str(after_close)},
    )


def empty_words(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the description is missing, very short, or a phrase that fits everything."""
    if case.entry.description is None:
        return NOT_APPLICABLE
    text = " ".join(case.entry.description.split())
    plain = re.sub(r"[\s\W_]+", " ", text.lower()).strip()
    boilerplate = {re.sub(r"[\s\W_]+", " ", phrase).strip() for phrase in thresholds.boilerplate}
    letters = sum(character.isalnum() for character in text)
    if not letters:
        code, said = "blank", "The description says nothing."
    elif plain in boilerplate:
        code, said = "boilerplate", f"The description, “{text}”, is a phrase that fits everything."
    elif letters < thresholds.description_length:
        code, said = "short", f"The description, “{text}”, has {letters} letters and digits."
    else:
        return CLEAN
    return Found(
        text=said,
        inputs={"description": text},
        threshold={"description_length": str(thresholds.description_length), "boilerplate": str(len(boilerplate))},
        observed={"code": code, "letters": str(letters)},
    )


def sensitive_account(case: Case, thresholds: Thresholds) -> Result:
    """Return whether a manual entry touches revenue, cash, intercompany or suspense."""
    if case.entry.tool != JOURNAL:
        return NOT_APPLICABLE
    lists = {
        "cash": thresholds.cash_accounts,
        "revenue": thresholds.revenue_accounts,
        "intercompany": thresholds.intercompany_accounts,
        "suspense": thresholds.suspense_accounts,
    }
    if case.usage is None and not any(lists.values()):
        return NotTested(case.missing.get("usage", "neither the ERP nor the thresholds say which accounts these are"))
    touched: dict[str, str] = {}
    for account in case.entry.accounts:
        named = next((name for name, patterns in lists.items() if _matches(account, patterns)), "")
        if case.usage is not None and not named and account in case.usage.accounts:
            known = case.usage.accounts[account]
            named = next(
                (word for word in (known.role, known.kind) if word in {*thresholds.sensitive_kinds, *thresholds.sensitive_roles}), ""
            )
        if named:
            touched[account] = named
    if not touched:
        return CLEAN
    listed = ", ".join(f"{account} ({name})" for account, name in touched.items())
    return Found(
        text=f"It is entered by hand to {listed}.",
        inputs={"accounts": ", ".join(case.entry.accounts)},
        threshold={
            "sensitive_kinds": ", ".join(thresholds.sensitive_kinds),
            "sensitive_roles": ", ".join(thresholds.sensitive_roles),
            **{f"{name}_accounts": ", ".join(patterns) for name, patterns in lists.items() if patterns},
        },
        observed=touched,
    )


def _matches(account: str, patterns: Iterable[str]) -> bool:
    lower = account.lower()
    return any(lower.startswith(pattern[:-1]) if pattern.endswith("*") else lower == pattern for pattern in patterns)


def _month_end(day: date) -> date:
    following = day.replace(day=1) + timedelta(days=32)
    return following.replace(day=1) - timedelta(days=1)


def _days(count: int) -> str:
    return "day" if count == 1 else "days"
