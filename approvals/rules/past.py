"""Remembering what was proposed before, one write at a time: the gate starts it from stored rows, a period's test runs through it."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from approvals.rules.facts import Entry, History, Seen
from approvals.rules.thresholds import Thresholds
from kernel.money import exponent

# How many earlier writes of one counterparty are remembered: enough for a median, bounded for a vendor with a million orders.
REMEMBERED_MAX = 40
HUNDRED = 100
Here = tuple[str, str, str, str]


def place(entry: Entry) -> Here:
    """Return where the entry's history lies: company, tool, counterparty, currency."""
    return entry.company, entry.tool, entry.counterparty, entry.amount.currency


class Past:
    """The writes seen so far, oldest first, as far as any rule looks back."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[Here, deque[Seen]] = defaultdict(lambda: deque(maxlen=REMEMBERED_MAX))
        self._writes: Counter[tuple[str, str, str]] = Counter()
        self._writes_here: Counter[tuple[str, Here]] = Counter()

    def start(self, where: Here, seen: Iterable[Seen], *, agent: str, writes: int, writes_here: int) -> None:
        """What is stored about one place is remembered: its rows oldest first, and how often this agent wrote at all and here."""
        company, tool, _, _ = where
        self._seen[where].extend(seen)
        self._writes[company, tool, agent] = max(writes, self._writes[company, tool, agent])
        self._writes_here[agent, where] = writes_here

    def add(self, entry: Entry, *, key: str) -> None:
        """The entry is remembered for those after it."""
        where = place(entry)
        self._seen[where].append(Seen(key, entry.agent, entry.amount.minor, entry.entered_at))
        self._writes[entry.company, entry.tool, entry.agent] += 1
        self._writes_here[entry.agent, where] += 1

    def history(self, entry: Entry, thresholds: Thresholds, *, limits: Sequence[int]) -> History:
        """Return what the rules need of the past before this entry; `limits` are those of the matrix, in minor units."""
        where = place(entry)
        seen = [item for item in self._seen[where] if item.entered_at > entry.entered_at - timedelta(days=thresholds.usage_days)]
        alike_since = entry.entered_at - timedelta(days=thresholds.duplicate_days)
        near_since = entry.entered_at - timedelta(days=thresholds.cluster_days)
        limit = limit_above(entry.amount.minor, limits, thresholds.cluster_percent)
        near = [
            item
            for item in seen
            if limit
            and item.agent == entry.agent
            and item.entered_at > near_since
            and limit_above(item.minor, limits, thresholds.cluster_percent) == limit
        ]
        median, deviation = robust(item.minor for item in seen)
        return History(
            agent_writes=self._writes[entry.company, entry.tool, entry.agent],
            agent_writes_here=self._writes_here[entry.agent, where],
            alike=tuple(item.id for item in seen if item.minor == entry.amount.minor and item.entered_at > alike_since),
            limit_minor=limit,
            near_limit=len(near),
            observations=len(seen),
            median_minor=median,
            deviation_minor=deviation,
        )


def limit_above(minor: int, limits: Sequence[int], percent: int) -> int:
    """Return the lowest limit that the amount stays below by at most so many per cent, or 0."""
    near = [limit for limit in limits if minor <= limit and minor * HUNDRED >= limit * (HUNDRED - percent)]
    return min(near, default=0)


def robust(values: Iterable[int]) -> tuple[int, int]:
    """Return the median and the median absolute deviation, both the lower one of an even number; zeros of nothing."""
    ordered = sorted(values)
    if not ordered:
        return 0, 0
    middle = (len(ordered) - 1) // 2
    median = ordered[middle]
    return median, sorted(abs(value - median) for value in ordered)[middle]


def minor_of(major: Decimal, currency: str) -> int:
    """Return an amount in major units as minor units of the currency, cut off below its smallest unit."""
    return int(major.scaleb(exponent(currency)))
