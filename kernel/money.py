"""Money as integer minor units with a currency; quantities and unit prices as exact decimals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from kernel.errors import FieldError, ValidationFailed

# ISO 4217 exponents that differ from two. Source: ISO 4217 list one, maintained by SIX.
EXPONENTS = {
    **dict.fromkeys(
        ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    "CLF": 4,
    "UYW": 4,
}
CURRENCY_PATTERN = re.compile(r"^[A-Z]{3}$")
DECIMAL_PATTERN = re.compile(r"^-?(0|[1-9]\d{0,17})(\.\d{1,10})?$")
MINOR_LIMIT = 2**53


def exponent(currency: str) -> int:
    """Return how many decimal places the currency's minor unit has (EUR 2, JPY 0, KWD 3)."""
    if not CURRENCY_PATTERN.match(currency):
        raise ValidationFailed(detail=f"{currency!r} is not an ISO 4217 currency code.")
    return EXPONENTS.get(currency, 2)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: `minor` units of `currency`. Floats and mixed currencies raise."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse anything but an integer below 2**53 and a currency code."""
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise TypeError(f"Money takes integer minor units, not {type(self.minor).__name__}")
        if abs(self.minor) >= MINOR_LIMIT:
            raise ValidationFailed(detail=f"{self.minor} minor units exceed what an amount may hold.")
        exponent(self.currency)

    @classmethod
    def parse(cls, text: str, currency: str, *, path: str = "") -> Money:
        """Return the amount written as a plain decimal ("12.34"); more places than the currency has are refused."""
        value = parse_decimal(text, path=path)
        scaled = value.scaleb(exponent(currency))
        if scaled != scaled.to_integral_value():
            raise ValidationFailed(
                detail=f"{text} has more decimal places than {currency} allows.",
                errors=(FieldError(path, f"{text} is too precise", f"at most {exponent(currency)} decimal places"),),
            )
        return cls(int(scaled), currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot combine {self.currency} with {other.currency}")

    def __add__(self, other: Money) -> Money:
        """Add an amount of the same currency."""
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract an amount of the same currency."""
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        """Return the opposite amount."""
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        """Compare amounts of the same currency."""
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        """Compare amounts of the same currency."""
        self._same(other)
        return self.minor <= other.minor

    def decimal_text(self) -> str:
        """Return the wire form without grouping: "1234.50"."""
        places = exponent(self.currency)
        return str(Decimal(self.minor).scaleb(-places).quantize(Decimal(1).scaleb(-places)))

    def __str__(self) -> str:
        """Return the form for people: "1,234.50 EUR"."""
        return f"{Decimal(self.decimal_text()):,f} {self.currency}"


def parse_decimal(text: str, *, path: str = "") -> Decimal:
    """Return the exact decimal written in `text`; up to 18 digits before and 10 after the point, no exponent, no sign tricks."""
    if not isinstance(text, str) or not DECIMAL_PATTERN.match(text):
        raise ValidationFailed(
            detail=f"{text!r} is not a plain decimal.",
            errors=(FieldError(path, f"{text!r} is not a plain decimal", 'a string such as "12.50"'),),
        )
    try:
        return Decimal(text)
    except InvalidOperation as error:  # unreachable while DECIMAL_PATTERN holds; kept so a changed pattern fails closed
        raise ValidationFailed(detail=f"{text!r} is not a plain decimal.") from error


def line_amount(quantity: Decimal, unit_price: Decimal, currency: str) -> Money:
    """Return quantity × unit price rounded half-up to the currency's exponent, once per line."""
    scaled = (quantity * unit_price).scaleb(exponent(currency))
    return Money(int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP)), currency)
