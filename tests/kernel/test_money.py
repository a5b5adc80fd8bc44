"""Money is integer minor units with a currency, never a float."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import ValidationFailed
from kernel.money import Money, exponent, line_amount, parse_decimal


@pytest.mark.parametrize(("currency", "places"), [("JPY", 0), ("EUR", 2), ("KWD", 3), ("CLF", 4)])
def test_knows_iso_4217_exponents(currency: str, places: int) -> None:
    assert exponent(currency) == places


@pytest.mark.parametrize(
    ("text", "currency", "minor"), [("12.34", "EUR", 1234), ("12", "EUR", 1200), ("500", "JPY", 500), ("-1.005", "KWD", -1005)]
)
def test_parses_plain_decimals(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("12.345", "EUR"),
        ("1.5", "JPY"),
        ("1e3", "EUR"),
        ("1,000.00", "EUR"),
        ("", "EUR"),
        ("٣", "EUR"),
        ("+1", "EUR"),
        ("1", "eur"),
        ("01", "EUR"),
    ],
)
def test_refuses_other_forms(text: str, currency: str) -> None:
    with pytest.raises(ValidationFailed):
        Money.parse(text, currency)


@pytest.mark.parametrize("minor", [1.0, True, "1", Decimal(1)])
def test_refuses_anything_but_integers(minor: object) -> None:
    with pytest.raises(TypeError):
        Money(minor, "EUR")  # type: ignore[arg-type]


def test_refuses_mixed_currencies() -> None:
    with pytest.raises(ValueError, match="cannot combine EUR with USD"):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(ValueError, match="cannot combine"):
        assert Money(1, "EUR") < Money(2, "USD")


@pytest.mark.parametrize(
    ("quantity", "price", "currency", "minor"),
    [
        ("3", "45.1200", "USD", 13536),
        ("1", "0.005", "USD", 1),
        ("1", "0.004", "USD", 0),
        ("3", "0.3333", "JPY", 1),
        ("-1", "0.005", "USD", -1),
    ],
)
def test_rounds_each_line_half_up(quantity: str, price: str, currency: str, minor: int) -> None:
    assert line_amount(Decimal(quantity), Decimal(price), currency).minor == minor


@given(st.integers(-(2**53) + 1, 2**53 - 1), st.sampled_from(["JPY", "EUR", "KWD", "CLF"]))
def test_wire_form_survives_parsing(minor: int, currency: str) -> None:
    amount = Money(minor, currency)
    assert Money.parse(amount.decimal_text(), currency) == amount


def test_people_see_grouping_and_currency() -> None:
    assert str(Money(123456789, "EUR")) == "1,234,567.89 EUR"
    assert str(Money(-500, "JPY")) == "-500 JPY"


@pytest.mark.parametrize("text", ["1.", ".5", "1e5", " 1", "1 ", "NaN", "Infinity", "--1", "1.12345678901"])
def test_decimals_are_plain(text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse_decimal(text)
