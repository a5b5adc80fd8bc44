"""The kind of event this app records."""

from __future__ import annotations

from enum import StrEnum


class LimitEvent(StrEnum):
    """Refusals that were counted: one event for each source, kind and reason in a window, with their number."""

    COUNTED = "gate:refusals_counted"
