"""Charts drawn on the server: stacked bars as rectangles of an SVG, the same numbers as a table, and a sentence that says it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernel.display import Tone

WIDTH, HEIGHT = 640, 160
# Above the bars there is room for the largest number, below them for the first and the last label.
TOP, BOTTOM, GAP = 26, 24, 4


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing that is counted, with a number for each label; the tone is its colour, never alone: the legend names it."""

    title: str
    tone: Tone
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """One part of a bar."""

    x: int
    y: int
    width: int
    height: int
    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One label with its numbers, for the table."""

    label: str
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class Chart:
    """The drawing and the table of the same numbers; `name` must be its own on the page."""

    name: str
    title: str
    sentence: str
    label_title: str
    series: Sequence[Series]
    rectangles: Sequence[Rectangle]
    rows: Sequence[Row]
    most: int
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT
    base: int = HEIGHT - BOTTOM
    foot: int = HEIGHT - 5


def stacked_bars(*, name: str, title: str, sentence: str, label_title: str, labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """Return the chart of one bar per label, the series upon each other in their order."""
    totals = [sum(one.numbers[at] for one in series) for at in range(len(labels))]
    most = max(totals, default=0)
    step = (WIDTH - GAP) // max(len(labels), 1)
    room = HEIGHT - TOP - BOTTOM
    rectangles = []
    for at, label in enumerate(labels):
        base = HEIGHT - BOTTOM
        for one in series:
            number = one.numbers[at]
            if not number:
                continue
            height = max(2, room * number // most)
            base -= height
            text = f"{label}: {number:,} {one.title.lower()}"
            rectangles.append(Rectangle(GAP + at * step, base, max(step - GAP, 3), height, one.tone.value, text))
    rows = [Row(label, [one.numbers[at] for one in series]) for at, label in enumerate(labels)]
    ends = (labels[0], labels[-1]) if labels else ("", "")
    return Chart(name, title, sentence, label_title, series, rectangles, rows, most, *ends)
