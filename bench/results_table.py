"""One measured row, the printed table, the JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

LATEST = Path("bench/results/latest.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its reference; `ratio` is value ÷ reference, `ok` tells whether it reaches `target` (None: no target)."""

    name: str
    value: float
    unit: str
    reference: str
    ratio: float | None
    target: float | None
    ok: bool | None

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
    def floor(cls, name: str, value: float, unit: str, *, at_least: float) -> Row:
        """Return a row whose target is a value, not a ratio."""
        return cls(name, round(value, 1), unit, "", None, at_least, value >= at_least)


def report(rows: Sequence[Row]) -> None:
    """Print the table and write bench/results/latest.json."""
    LATEST.parent.mkdir(parents=True, exist_ok=True)
    LATEST.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    print(f"\n{'figure':<34}{'value':>12} {'unit':<14}{'÷ reference':<30}{'target':>8}")
    for row in rows:
        ratio = f"{row.ratio:.2f} × {row.reference}" if row.ratio is not None else ""
        verdict = "" if row.ok is None else (" reached" if row.ok else " missed")
        target = "" if row.target is None else f"{row.target:g}"
        print(f"{row.name:<34}{row.value:>12,.1f} {row.unit:<14}{ratio:<30}{target:>8}{verdict}")
    print(f"\nWritten to {LATEST}. Compare ratios, not values: two runs on one machine differ by a third.")
