"""The exchange rate that a route leans on, as a precondition like any other: shown, and read again before the write.

Every other fact is the ERP's to tell. This one the gate stores itself, so it is asked of the store that the conversion was made with.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from approvals.matrix.models import ExchangeRate
from approvals.matrix.rates import Conversion, converted, newest_rate
from approvals.models import Route
from gateway.port import Connector, Fact
from gateway.preconditions import ABSENT, Check, Comparator, Precondition, Severity
from gateway.preconditions import check_all as check_all_of_erp
from kernel.money import Money

EXCHANGE_RATE = "exchange_rate"
# In percent, in either direction.
RATE_TOLERANCE = "0.5"


def rate_preconditions(company: str, conversion: Conversion) -> tuple[Precondition, ...]:
    """Return that the rate stays what it is, give or take a little; nothing where nothing was converted."""
    if conversion.rate is None or conversion.rate_on is None or not conversion.amount.minor:
        return ()
    rate = rate_text(conversion.rate)
    one, base = conversion.amount.currency, conversion.base.currency
    return (
        Precondition(
            code=EXCHANGE_RATE,
            label=(
                f"One {one} is still worth {rate} {base}, give or take {RATE_TOLERANCE} %"
                f" (rate of {conversion.rate_on.isoformat()}, {conversion.source})"
            ),
            fact=Fact(EXCHANGE_RATE, company, {"from": one, "to": base}),
            comparator=Comparator.WITHIN,
            expected=rate,
            severity=Severity.MATERIAL,
            observed=rate,
            tolerance=RATE_TOLERANCE,
        ),
    )


def check_all(connector: Connector, preconditions: Sequence[Precondition], now: datetime) -> list[Check]:
    """Return every precondition with its value now, in order: the ERP is asked once for its facts, the store once for each rate.

    A rate that is too old to route by is absent, and an approval that leans on it can't be committed.
    """
    told = iter(check_all_of_erp(connector, [item for item in preconditions if item.fact.name != EXCHANGE_RATE]))
    rates = _rates_now({_pair(item.fact) for item in preconditions if item.fact.name == EXCHANGE_RATE}, now.date())
    checks = []
    for item in preconditions:
        if item.fact.name == EXCHANGE_RATE:
            value = rates[_pair(item.fact)]
            checks.append(Check(item, value, item.holds(value)))
        else:
            checks.append(next(told))
    return checks


def converted_again(route: Route, amount: Money, checks: Sequence[Check]) -> tuple[Money, Conversion] | None:
    """Return what is held against the matrix at the rate that a check found, with the conversion; None unless the rate has drifted."""
    check = next((item for item in checks if item.precondition.fact.name == EXCHANGE_RATE and not item.is_holding), None)
    if check is None:
        return None
    one, base = _pair(check.precondition.fact)
    stored = ExchangeRate.objects.filter(from_currency=one, to_currency=base, rate=Decimal(check.value))
    found = stored.order_by("-rate_on", "-recorded_at").first()
    assert found is not None, "rates are only ever added"
    before = Money(int(route.snapshot["conversion"]["base_minor"]), base)
    conversion = Conversion(amount, converted(amount, found.rate, base), found.rate, found.rate_on, found.source)
    # A rolling sum keeps what came before at the rates it was counted by.
    return Money(route.routed_minor - before.minor + conversion.base.minor, base), conversion


def rate_text(rate: Decimal) -> str:
    """Return a rate as preconditions and routes keep it."""
    return f"{rate.normalize():f}"


def _pair(fact: Fact) -> tuple[str, str]:
    return fact.arguments["from"], fact.arguments["to"]


def _rates_now(pairs: set[tuple[str, str]], on: date) -> dict[tuple[str, str], str]:
    found = {pair: newest_rate(*pair, on) for pair in sorted(pairs)}
    return {pair: ABSENT if rate is None else rate_text(rate.rate) for pair, rate in found.items()}
