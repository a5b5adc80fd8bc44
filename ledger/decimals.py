"""Decimals as text: one spelling per value, so that what was approved and what landed compare as strings."""

from __future__ import annotations

from decimal import Decimal

from kernel.money import exponent


def decimal_text(value: Decimal) -> str:
    """Return the shortest plain spelling of an exact decimal: 3.0000 is "3", 45.5805 is "45.5805"."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def minor_text(minor: int, currency: str) -> str:
    """Return an amount in minor units as plain decimal text with all the places of its currency: 1250 EUR is "12.50".

    The same as `Money(minor, currency).decimal_text()`, for sums that may exceed what one amount may hold.
    """
    places = exponent(currency)
    if places == 0:
        return str(minor)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"
