"""Comparing what was approved with what landed: field by field, decimals by value, everything else by text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypedDict

from kernel.money import DECIMAL_PATTERN

ABSENT = "absent"
# Fields whose texts are decimals: "550" and "550.00" are the same there. Anywhere else a text differs when a character does.
DECIMAL_FIELDS = frozenset({"quantity", "unit_price", "debit", "credit", "credit_limit", "total"})


class Difference(TypedDict):
    """One field that did not land as approved; `field` is a JSON pointer into the payload."""

    field: str
    approved: str
    landed: str


def differences(approved: Mapping[str, object], landed: Mapping[str, object], *, fields: Sequence[str]) -> list[Difference]:
    """Return the differences in `fields`; a field that neither side has, or that is empty on both, does not differ."""
    found: list[Difference] = []
    for name in fields:
        found.extend(_compared(f"/{name}", name, approved.get(name), landed.get(name)))
    return found


def _compared(path: str, name: str, approved: object, landed: object) -> Iterator[Difference]:
    if isinstance(approved, Mapping) and isinstance(landed, Mapping):
        for key in [*approved, *(key for key in landed if key not in approved)]:
            yield from _compared(f"{path}/{key}", str(key), approved.get(key), landed.get(key))
    elif isinstance(approved, list) and isinstance(landed, list):
        for index in range(max(len(approved), len(landed))):
            left = approved[index] if index < len(approved) else None
            right = landed[index] if index < len(landed) else None
            yield from _compared(f"{path}/{index}", name, left, right)
    elif not _is_same(name, approved, landed):
        yield Difference(field=path, approved=_text(approved), landed=_text(landed))


def _is_same(name: str, approved: object, landed: object) -> bool:
    left, right = _text(approved), _text(landed)
    if name in DECIMAL_FIELDS and DECIMAL_PATTERN.match(left) and DECIMAL_PATTERN.match(right):
        return Decimal(left) == Decimal(right)
    return left == right


def _text(value: object) -> str:
    if value is None or value in ("", [], {}):
        return ABSENT
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_text(inner)}" for key, inner in value.items())
    return str(value)
