"""The trend of the last nights as a drawing of numbers: bars for differences, a mark for a night without any, and the same in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from kernel.display import counted
from reconciliation.models import Run
from reconciliation.states import RunState

DAYS = 30
WIDTH, HEIGHT = 720, 120
# Above the bars there is room for the largest number, below them for the dates.
TOP, BOTTOM = 26, 24
GAP = 4
QUIET = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One business date: where its bar stands, and what it says."""

    x: int
    y: int
    width: int
    height: int
    is_quiet: bool
    text: str


@dataclass(frozen=True, slots=True)
class Day:
    """What the runs of one business date came to, over all companies."""

    on: date
    matched: int
    intended: int
    breaks: int


@dataclass(frozen=True, slots=True)
class Trend:
    """The drawing, and the sentence for whoever does not see it."""

    bars: Sequence[Bar]
    days: Sequence[Day]
    first: str
    last: str
    most: int
    sentence: str
    width: int = WIDTH
    height: int = HEIGHT
    base: int = HEIGHT - BOTTOM
    label: int = HEIGHT - 6
    end: int = WIDTH - GAP


def trend(companies: Collection[str], *, now: datetime) -> Trend | None:
    """Return the trend of these companies over the last 30 days; None before there is a second day to compare with."""
    days = _days(companies, since=now.date() - timedelta(days=DAYS))
    if len(days) < 2:
        return None
    most = max(day.breaks for day in days)
    width = max((WIDTH - GAP) // max(len(days), 12) - GAP, 4)
    return Trend(
        bars=[_bar(number, day, width, most) for number, day in enumerate(days)],
        days=days,
        first=days[0].on.isoformat(),
        last=days[-1].on.isoformat(),
        most=most,
        sentence=_sentence(days, most),
    )


def _days(companies: Collection[str], *, since: date) -> list[Day]:
    """Return each business date with the last completed run of every company on it."""
    runs = Run.objects.filter(company__in=companies, state=RunState.COMPLETED, business_date__gte=since)
    fields = ("business_date", "company", "matched_count", "intended_count", "break_count")
    latest: dict[date, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    for on, company, *counts in runs.order_by("started_at").values_list(*fields):
        latest[on][company] = (counts[0], counts[1], counts[2])
    return [Day(on, *(sum(column) for column in zip(*latest[on].values(), strict=True))) for on in sorted(latest)]


def _bar(number: int, day: Day, width: int, most: int) -> Bar:
    room = HEIGHT - TOP - BOTTOM
    height = max(room * day.breaks // most, QUIET + 2) if day.breaks else QUIET
    return Bar(
        x=GAP + number * (width + GAP),
        y=HEIGHT - BOTTOM - height,
        width=width,
        height=height,
        is_quiet=not day.breaks,
        text=f"{day.on.isoformat()}: matched {day.matched:,} of {day.intended:,}, {counted(day.breaks, 'difference', 'differences')}",
    )


def _sentence(days: Sequence[Day], most: int) -> str:
    quiet = sum(1 for day in days if not day.breaks)
    span = f"{counted(len(days), 'day', 'days')} from {days[0].on.isoformat()} to {days[-1].on.isoformat()}"
    if not most:
        return f"{span}: no difference on any of them."
    worst = max(days, key=lambda day: (day.breaks, day.on))
    return f"{span}: {quiet:,} without a difference; at most {most:,}, on {worst.on.isoformat()}; {days[-1].breaks:,} on the last."
