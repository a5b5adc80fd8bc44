"""Percentiles, by the nearest rank: a value that was measured, never one in between."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil


def percentile(values: Sequence[float], rank: int) -> float:
    """Return the smallest measured value that `rank` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * rank / 100), 1) - 1]
