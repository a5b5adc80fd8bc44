"""The graph as boxes and curves of an SVG, computed here so that the template only prints numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from approvals.segregation.graph import Graph

WIDTH = 1000
BOX_HEIGHT = 48
ROW_HEIGHT = 64
PERSON_X, PERSON_WIDTH = 4, 300
THING_X, THING_WIDTH = 400, 260
CENTRE_X, CENTRE_WIDTH = 756, 240
LABEL_LENGTH = 38
CENTRE_LENGTH = 30


@dataclass(frozen=True, slots=True)
class Box:
    """A box with a line of text, and a smaller one below."""

    x: int
    y: int
    width: int
    text: str
    note: str
    kind: str

    @property
    def text_x(self) -> int:
        """Return where its texts begin."""
        return self.x + 12

    @property
    def text_y(self) -> int:
        """Return the base line of its text."""
        return self.y + (20 if self.note else 29)

    @property
    def note_y(self) -> int:
        """Return the base line of the smaller text."""
        return self.y + 38

    @property
    def middle(self) -> int:
        """Return the height of its middle."""
        return self.y + BOX_HEIGHT // 2


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything the picture consists of."""

    width: int
    height: int
    box_height: int
    boxes: Sequence[Box]
    curves: Sequence[str]
    text: str


def drawn(graph: Graph) -> Drawing:
    """Return the picture: people on the left, what ties them in the middle, the write on the right."""
    people = graph.people
    rows = max(len(people), len(graph.things), 1)
    height = rows * ROW_HEIGHT
    left = {
        person_id: Box(
            PERSON_X, y, PERSON_WIDTH, _short(name, LABEL_LENGTH), _short(", ".join(dict.fromkeys(tie.label for tie in ties)), 44), "person"
        )
        for (person_id, name, ties), y in zip(people, _places(len(people), rows), strict=True)
    }
    middle = {
        thing.key: Box(THING_X, y, THING_WIDTH, _short(thing.title, 32), "", "thing")
        for thing, y in zip(graph.things, _places(len(graph.things), rows), strict=True)
    }
    centre = Box(CENTRE_X, _places(1, rows)[0], CENTRE_WIDTH, _short(graph.centre, CENTRE_LENGTH), "may not be decided by them", "centre")
    curves = [_curve(left[tie.person_id], middle[tie.thing]) for tie in graph.ties]
    curves += [_curve(box, centre) for box in middle.values()]
    spoken = "; ".join(f"{name} {', '.join(tie.label for tie in ties)}" for _, name, ties in people)
    return Drawing(WIDTH, height, BOX_HEIGHT, [*left.values(), *middle.values(), centre], list(dict.fromkeys(curves)), spoken)


def _places(count: int, rows: int) -> list[int]:
    """Return the heights of so many boxes, spread over the rows."""
    gap = rows * ROW_HEIGHT / max(count, 1)
    return [int(gap * index + (gap - BOX_HEIGHT) / 2) for index in range(count)]


def _curve(start: Box, end: Box) -> str:
    from_x, to_x = start.x + start.width, end.x
    half = (from_x + to_x) // 2
    return f"M{from_x} {start.middle}C{half} {start.middle} {half} {end.middle} {to_x} {end.middle}"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
