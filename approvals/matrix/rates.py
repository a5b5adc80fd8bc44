"""Amounts in the company's currency: converted with a stored rate whose day is kept on the route."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from approvals.matrix.models import ExchangeRate
from kernel.money import Money, exponent
from kernel.together import Reply, Together
from proposals.gate import Unroutable

# A rate of last month says little about today: past this age the gate refuses instead of guessing.
RATE_AGE_DAYS_MAX = 10
CURRENCIES = "SELECT company, currency FROM approvals_companycurrency"


class NoRate(Unroutable):
    """The amount is in another currency than the company's books, and no recent rate between the two is stored."""

    code = "unroutable_no_rate"
    title = "There is no exchange rate to compare this amount with the policy"


@dataclass(frozen=True, slots=True)
class Conversion:
    """An amount, what it is in the company's currency, and by which stored rate; no rate when both are the same."""

    amount: Money
    base: Money
    rate: Decimal | None = None
    rate_on: date | None = None
    source: str = ""

    @property
    def text(self) -> str:
        """Return the conversion as a sentence, or an empty text when there was nothing to convert."""
        if self.rate is None or self.rate_on is None:
            return ""
        return (
            f"{self.amount} count as {self.base} at {self.rate.normalize():f} {self.base.currency} for one {self.amount.currency}"
            f" of {self.rate_on.isoformat()} ({self.source})."
        )

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in a route's snapshot."""
        assert self.rate is not None
        assert self.rate_on is not None
        return {
            "amount_minor": self.amount.minor,
            "currency": self.amount.currency,
            "base_minor": self.base.minor,
            "base_currency": self.base.currency,
            "rate": f"{self.rate.normalize():f}",
            "rate_on": self.rate_on.isoformat(),
            "source": self.source,
        }


class Rates:
    """Company currencies and the newest rates, each asked once."""

    def __init__(self) -> None:
        """Begin with nothing looked up."""
        self._companies: dict[str, str] | None = None
        self._rates: dict[tuple[str, str, date], ExchangeRate | None] = {}

    def ask(self, together: Together) -> None:
        """Ask for the companies' currencies with others."""
        together.ask(CURRENCIES, then=self._keep)

    def _keep(self, asked: Reply) -> None:
        self._companies = dict(asked.rows)

    def currency_of(self, company: str, fallback: str) -> str:
        """Return the currency of the company's books; where nobody recorded it, the write's own currency counts."""
        if self._companies is None:
            together = Together()
            self.ask(together)
            together.send()
        assert self._companies is not None
        return self._companies.get(company, fallback)

    def in_base(self, company: str, amount: Money, on: date) -> Conversion:
        """Return the amount in the company's currency on that day; raises NoRate without a rate of the last days."""
        to = self.currency_of(company, amount.currency)
        if to == amount.currency:
            return Conversion(amount, amount)
        key = (amount.currency, to, on)
        if key not in self._rates:
            self._rates[key] = newest_rate(amount.currency, to, on)
        rate = self._rates[key]
        if rate is None:
            raise NoRate(
                detail=(
                    f"{amount} can't be compared with the policy in {to}, the currency of {company}: no rate of the last"
                    f" {RATE_AGE_DAYS_MAX} days from {amount.currency} to {to} is stored; a controller records one."
                ),
                data={"from": amount.currency, "to": to},
            )
        return Conversion(amount, converted(amount, rate.rate, to), rate.rate, rate.rate_on, rate.source)


def newest_rate(from_currency: str, to_currency: str, on: date) -> ExchangeRate | None:
    """Return the rate of the newest day up to `on`, as last recorded for that day; None when it is too old or there is none."""
    rates = ExchangeRate.objects.filter(
        from_currency=from_currency, to_currency=to_currency, rate_on__lte=on, rate_on__gte=on - timedelta(days=RATE_AGE_DAYS_MAX)
    )
    return rates.order_by("-rate_on", "-recorded_at").first()


def converted(amount: Money, rate: Decimal, to: str) -> Money:
    """Return amount × rate, rounded half-up to the smallest unit of the other currency."""
    value = (Decimal(amount.decimal_text()) * rate).scaleb(exponent(to))
    return Money(int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP)), to)
