"""The run as a picture: one bar per figure that has a target, as long as the figure reaches of it; drawn from latest.json."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.results_table import Row

WIDTH, LEFT, BAR, HEIGHT, TOP = 960, 330, 420, 26, 56
SCALE_MAX = 2.0
STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#1f2933}.n{font-variant-numeric:tabular-nums}.q{fill:#52606d}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.q{fill:#9aa5b1}}</style>"
)


def drawn(rows: Sequence[Row]) -> str:
    """Return the SVG: the line marks the target, a bar beyond it reaches it; nothing outside is needed to show it."""
    aimed = [row for row in rows if row.target is not None]
    bottom = TOP + HEIGHT * len(aimed)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 34}" role="img" aria-label="Figures beside targets">',
        STYLE,
        f'<text x="16" y="24" font-weight="600">How far each figure reaches its target ({_reached(aimed)})</text>',
    ]
    for index, row in enumerate(aimed):
        y = TOP + index * HEIGHT
        reach = reached(row)
        width = max(2, round(min(reach, SCALE_MAX) / SCALE_MAX * BAR))
        colour = "#1f7a4d" if row.ok else "#b45309"
        lines += [
            f'<text x="{LEFT - 12}" y="{y + 15}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect x="{LEFT}" y="{y + 3}" width="{width}" height="16" rx="2" fill="{colour}"/>',
            f'<text class="n q" x="{LEFT + BAR + 14}" y="{y + 15}">{row.value:,.1f} {escape(row.unit)}</text>',
        ]
    middle = LEFT + BAR / SCALE_MAX
    lines += [
        f'<line x1="{middle}" y1="{TOP - 6}" x2="{middle}" y2="{bottom + 2}" stroke="#52606d" stroke-dasharray="3 3"/>',
        f'<text class="q" x="{middle}" y="{bottom + 20}" text-anchor="middle">target</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def reached(row: Row) -> float:
    """Return which part of its target a figure reaches; 1 and more reaches it, whichever way is better."""
    if row.target is None:
        return 0.0
    measured = row.value if row.ratio is None or row.is_absolute else row.ratio
    if row.is_at_most:
        return row.target / measured if measured else SCALE_MAX
    return measured / row.target


def _reached(rows: Sequence[Row]) -> str:
    return f"{sum(1 for row in rows if row.ok)} of {len(rows)} reached"
