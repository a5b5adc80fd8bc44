"""One measured row, the printed table, the JSON file and the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("bench/results")
LATEST = RESULTS / "latest.json"
PICTURE = RESULTS / "latest.svg"
MEMBERS = ("name", "value", "unit", "reference", "ratio", "target", "ok")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its reference; `ratio` is value ÷ reference, `ok` tells whether it reaches `target` (None: no target).

    A target is one of the ratio, or of the value itself where `is_absolute`; `is_at_most` where less is better.
    """

    name: str
    value: float
    unit: str
    reference: str
    ratio: float | None
    target: float | None
    ok: bool | None
    is_absolute: bool = False
    is_at_most: bool = False

    @classmethod
    def plain(cls, name: str, value: float, unit: str) -> Row:
        """Return a reference row, which has nothing to be compared with."""
        return cls(name, round(value, 1), unit, "", None, None, None)

    @classmethod
    def against(cls, name: str, value: float, unit: str, reference: Row, *, target: float | None = None) -> Row:
        """Return a row beside its reference of the same run."""
        ratio = round(value / reference.value, 3)
        return cls(name, round(value, 1), unit, reference.name, ratio, target, None if target is None else ratio >= target)

    @classmethod
    def growth(cls, name: str, value: float, unit: str, reference: Row, *, at_most: float | None = None) -> Row:
        """Return a row that may be so many times its reference, and no more."""
        ratio = round(value / reference.value, 3)
        ok = None if at_most is None else ratio <= at_most
        return cls(name, round(value, 1), unit, reference.name, ratio, at_most, ok, is_at_most=True)

    @classmethod
    def floor(cls, name: str, value: float, unit: str, *, at_least: float, reference: Row | None = None) -> Row:
        """Return a row whose target is a value, not a ratio."""
        ratio = round(value / reference.value, 3) if reference else None
        beside = reference.name if reference else ""
        return cls(name, round(value, 1), unit, beside, ratio, at_least, value >= at_least, is_absolute=True)

    @classmethod
    def ceiling(cls, name: str, value: float, unit: str, *, at_most: float) -> Row:
        """Return a row whose target is a value that it must not exceed."""
        return cls(name, round(value, 1), unit, "", None, at_most, value <= at_most, is_absolute=True, is_at_most=True)


def report(rows: Sequence[Row]) -> None:
    """Print the table and write bench/results/latest.json and latest.svg."""
    from bench.chart import drawn

    RESULTS.mkdir(parents=True, exist_ok=True)
    LATEST.write_text(json.dumps([{name: getattr(row, name) for name in MEMBERS} for row in rows], indent=2) + "\n", encoding="utf-8")
    PICTURE.write_text(drawn(rows), encoding="utf-8")
    width = max(len(row.name) for row in rows) + 2
    print(f"\n{'figure':<{width}}{'value':>12} {'unit':<16}{'÷ reference':<46}{'target':>10}")
    for row in rows:
        ratio = f"{row.ratio:.2f} × {row.reference}" if row.ratio is not None else ""
        verdict = "" if row.ok is None else (" reached" if row.ok else " missed")
        target = "" if row.target is None else f"{'≤' if row.is_at_most else '≥'} {row.target:g}"
        print(f"{row.name:<{width}}{row.value:>12,.1f} {row.unit:<16}{ratio:<46}{target:>10}{verdict}")
    print(f"\nWritten to {LATEST} and {PICTURE}. Compare ratios, not values: two runs on one machine differ by a third.")
