"""Connections as operators read them: how exactly-once is kept there, whether it is well, what waits and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.urls import reverse

from commits.models import Breaker, Commit
from commits.states import BreakerState, CommitState
from gateway.connections import all_connectors
from gateway.faults.modes import DESCRIPTIONS, FaultMode
from gateway.faults.switches import are_allowed
from gateway.models import Fault
from gateway.port import Connector, Level
from kernel.display import Moment, Tag, Tone, ago, at, span
from kernel.errors import NotVisible

UNSETTLED = (CommitState.QUEUED, CommitState.IN_FLIGHT, CommitState.UNKNOWN)
LEVEL_MEANINGS: Mapping[Level, str] = {
    Level.A: "The ERP itself refuses a second landing under one key. What is unknown settles by itself: found, or sent again.",
    Level.B: "We send one write per key at a time and look it up before anything. What is unknown and not found waits for a person.",
    Level.C: "The ERP can't be asked by key. What is unknown waits for a person who looked.",
}
BREAKER_TAGS: Mapping[str, Tag] = {
    BreakerState.CLOSED: Tag("Written to", Tone.GOOD, "check"),
    BreakerState.OPEN: Tag("Left alone", Tone.BAD, "stop"),
    BreakerState.HALF_OPEN: Tag("Being probed", Tone.WARN, "clock"),
}
PAUSED_TAG = Tag("Asked to wait", Tone.WARN, "clock")
ANSWERS_TAG = Tag("Answers", Tone.GOOD, "check")
SILENT_TAG = Tag("Does not answer", Tone.BAD, "cross")


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault mode on the page of a demonstration."""

    mode: str
    title: str
    description: str
    is_on: bool
    left: str
    probability: int
    struck: int


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """One connection."""

    name: str
    title: str
    url: str
    level: str
    meaning: str
    health: Tag
    health_detail: str
    breaker: Tag
    breaker_sentence: str
    trouble: str
    depth: Sequence[tuple[str, int, str]]
    oldest: Moment | None
    facts: Sequence[tuple[str, object]]
    faults: Sequence[FaultRow]
    is_demo: bool

    @property
    def waiting(self) -> int:
        """Return how many commits are not settled."""
        return sum(count for _, count, _ in self.depth)


def connection_pages(companies: Iterable[str], now: datetime) -> list[ConnectionPage]:
    """Return every connection with what waits there in these companies."""
    breakers = Breaker.objects.in_bulk()
    depths = _depths(companies)
    return [_page(connector, breakers.get(connector.name), depths.get(connector.name, {}), now) for connector in all_connectors()]


def connection_page(name: str, companies: Iterable[str], now: datetime) -> ConnectionPage:
    """Return one connection; raises NotVisible."""
    found = next((page for page in connection_pages(companies, now) if page.name == name), None)
    if found is None:
        raise NotVisible(detail="There is no such connection.")
    return found


def _depths(companies: Iterable[str]) -> dict[str, dict[str, object]]:
    counts = {state.value: Count("pk", filter=Q(state=state)) for state in UNSETTLED}
    rows = Commit.objects.filter(state__in=UNSETTLED, company__in=companies).values("connection").order_by("connection")
    return {row["connection"]: dict(row) for row in rows.annotate(oldest=Min("opened_at"), **counts)}


def _page(connector: Connector, breaker: Breaker | None, depth: Mapping[str, object], now: datetime) -> ConnectionPage:
    health = connector.health()
    name, oldest = connector.name, depth.get("oldest")
    tag, sentence = _breaker(breaker, now)
    lists = reverse("commits:list")
    return ConnectionPage(
        name=name,
        title=connector.title,
        url=reverse("commits:connection", args=[name]),
        level=connector.level.value,
        meaning=LEVEL_MEANINGS[connector.level],
        health=ANSWERS_TAG if health["is_answering"] else SILENT_TAG,
        health_detail=str(health.get("detail", "")),
        breaker=tag,
        breaker_sentence=sentence,
        trouble=breaker.detail if breaker is not None and breaker.failure_count else "",
        depth=[(state.label, int(str(depth.get(state.value, 0))), f"{lists}?connection={name}&state={state.value}") for state in UNSETTLED],
        oldest=ago(oldest, now) if isinstance(oldest, datetime) else None,
        facts=_facts(breaker, health),
        faults=_faults(name) if are_allowed() else (),
        is_demo=are_allowed(),
    )


def _breaker(breaker: Breaker | None, now: datetime) -> tuple[Tag, str]:
    """Return the state of the breaker as a tag and as a sentence."""
    if breaker is None:
        return BREAKER_TAGS[BreakerState.CLOSED], "It has never failed."
    if breaker.state != BreakerState.CLOSED and breaker.probe_at is not None:
        if breaker.probe_at <= now:
            return BREAKER_TAGS[breaker.state], "The next write probes it."
        return BREAKER_TAGS[breaker.state], f"The next write after {span(breaker.probe_at - now)} probes it."
    if breaker.paused_until is not None and breaker.paused_until > now:
        return PAUSED_TAG, f"The ERP asked us to wait. It goes on in {span(breaker.paused_until - now)}."
    return BREAKER_TAGS[BreakerState.CLOSED], "Nothing holds it back."


def _facts(breaker: Breaker | None, health: Mapping[str, object]) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [("Answers since", str(health.get("since", "")).replace("T", " ")[:16] or "–")]
    if breaker is not None:
        facts += [("Failures in a row", breaker.failure_count), ("Openings in a row", breaker.opening_count)]
        facts += [("Changed", at(breaker.changed_at))]
        facts += [("Last code", breaker.code)] if breaker.code else []
    return facts


def _faults(connection: str) -> list[FaultRow]:
    rows = {row.mode: row for row in Fault.objects.filter(connection=connection)}
    found = []
    for mode in FaultMode:
        row = rows.get(mode.value)
        is_on = row is not None and row.is_on
        left = "until switched off" if row is None or row.remaining is None else f"{row.remaining} left"
        found.append(
            FaultRow(
                mode=mode.value,
                title=mode.label,
                description=DESCRIPTIONS[mode],
                is_on=is_on,
                left=left if is_on else "",
                probability=row.probability_percent if row is not None else 100,
                struck=row.struck_count if row is not None else 0,
            )
        )
    return found
