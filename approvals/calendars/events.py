"""The kinds of event about business calendars and about what was not decided in time."""

from __future__ import annotations

from enum import StrEnum


class CalendarEvent(StrEnum):
    """A company's calendar was written anew; an attempt was refused."""

    CHANGED = "calendar:changed"
    REFUSED = "calendar:refused"


class EscalationEvent(StrEnum):
    """A step was not decided in time: its fallback group is asked as well."""

    ESCALATED = "gate:escalated"
