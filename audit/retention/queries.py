"""Reads of retention: how long, why, what is over, and what a hold keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from audit.models import Event
from audit.retention.classes import FLOOR_DAYS, IS_CONTROL, IS_FINANCIAL, TERMS, RetentionClass, classes_of, default_days, keeps_until
from audit.retention.models import Disposal, HoldScope, LegalHold, RetentionRule
from audit.retention.states import HoldState
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode

ROWS_PER_FETCH = 5_000
COLUMNS = "e.company, e.proposal, e.actor_kind, e.actor_id, e.subject_kind, e.subject_id, e.recorded_at"
IS_HELD = f"audit_is_held({COLUMNS})"
DAYS = f"""
GREATEST(%(ai_log)s, CASE WHEN {IS_FINANCIAL} THEN %(financial)s END, CASE WHEN {IS_CONTROL} THEN %(control)s END)
"""
# What may be destroyed because its time is over; holds are said beside, so that the page can count what they keep.
EXPIRED = f"""
SELECT e.event_id, e.company, e.recorded_at + make_interval(days => {DAYS}) AS kept_until, {IS_HELD} AS is_held
FROM audit_payloadkey k JOIN audit_event e ON e.event_id = k.event_id
WHERE k.shredded_at IS NULL AND e.recorded_at <= %(now)s - make_interval(days => %(floor)s)
  AND e.recorded_at + make_interval(days => {DAYS}) <= %(now)s
ORDER BY e.event_id
"""  # noqa: S608  constants only
# What is about one person: what they did, what was done about them, and what was done in their name.
ABOUT_PERSON = f"""
SELECT e.event_id, e.company, e.kind, e.proposal, e.recorded_at, {IS_HELD} AS is_held, k.shredded_at IS NOT NULL AS is_shredded
FROM audit_payloadkey k JOIN audit_event e ON e.event_id = k.event_id
WHERE (e.actor_kind = 'human' AND e.actor_id = %(person)s) OR (e.subject_kind = 'user' AND e.subject_id = %(person)s)
   OR position(convert_to('"on_behalf_of":"' || %(person)s || '"', 'UTF8') IN e.bytes) > 0
ORDER BY e.event_id
"""  # noqa: S608  constants only


@dataclass(frozen=True, slots=True)
class ClassView:
    """One class of retention as it is now."""

    retention_class: RetentionClass
    label: str
    covers: str
    days: int
    floor_days: int
    is_obligation: bool
    reason: str
    set_by: str
    set_at: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Until when one payload is kept and why: the longest of its classes, and the holds on it."""

    until: datetime
    reasons: tuple[str, ...]
    holds: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Tell whether only the clock keeps it: no hold does."""
        return not self.holds


@dataclass(frozen=True, slots=True)
class Candidate:
    """One payload that could be destroyed."""

    event_id: UUID
    company: str
    kept_until: datetime
    exempt: str


def days_by_class() -> dict[RetentionClass, int]:
    """Return how long each class is kept."""
    found = default_days()
    found.update({RetentionClass(rule.retention_class): rule.days for rule in newest_rules().values()})
    return found


def newest_rules() -> dict[str, RetentionRule]:
    """Return the rule in force of each class that has one."""
    rows = RetentionRule.objects.order_by("retention_class", "-id").distinct("retention_class")
    return {row.retention_class: row for row in rows}


def classes() -> list[ClassView]:
    """Return every class with what it covers and how long it is kept."""
    days, rules = days_by_class(), newest_rules()
    found = []
    for name, terms in TERMS.items():
        rule = rules.get(name)
        found.append(
            ClassView(
                retention_class=name,
                label=name.label,
                covers=terms.covers,
                days=days[name],
                floor_days=FLOOR_DAYS,
                is_obligation=terms.is_obligation,
                reason=rule.reason if rule else "",
                set_by=rule.set_by if rule else "",
                set_at=rule.set_at if rule else None,
            )
        )
    return found


def why_kept(event: Event) -> Kept:
    """Return until when the payload of an event is kept and why, in words for the page."""
    days, found = days_by_class(), classes_of(event.kind, event.proposal)
    until = keeps_until(event.recorded_at, found, days)
    reasons = tuple(f"{name.label}: {days[name]:,} days" for name in RetentionClass if name in found)
    return Kept(until=until, reasons=reasons, holds=tuple(hold.matter for hold in holds_on(event)))


def holds_on(event: Event) -> list[LegalHold]:
    """Return the holds in force that cover an event; audit_is_held says the same in SQL."""
    return [hold for hold in LegalHold.objects.filter(state=HoldState.PLACED).order_by("id") if _covers(hold, event)]


def _covers(hold: LegalHold, event: Event) -> bool:
    if (hold.since and event.recorded_at < hold.since) or (hold.until and event.recorded_at >= hold.until):
        return False
    who = {
        HoldScope.AGENT: {("agent", hold.value)} & {(event.actor_kind, event.actor_id), (event.subject_kind, event.subject_id)},
        HoldScope.PERSON: (event.actor_kind, event.actor_id) == ("human", hold.value)
        or (event.subject_kind, event.subject_id) == ("user", hold.value),
        HoldScope.COMPANY: event.company == hold.value,
        HoldScope.PROPOSAL: event.proposal == hold.value,
        HoldScope.EVERYTHING: True,
    }
    return bool(who[HoldScope(hold.scope)])


def expired(now: datetime) -> Iterator[tuple[Candidate, bool]]:
    """Yield each payload whose classes have all ended, and whether a hold keeps it all the same."""
    for event_id, company, kept_until, is_held in _rows(EXPIRED, {**_day_parameters(), "now": now, "floor": FLOOR_DAYS}):
        yield Candidate(event_id, company, kept_until, "hold" if is_held else ""), is_held


def payloads_about(person: str, now: datetime) -> Iterator[Candidate]:
    """Yield each payload about one person, and why it is exempt from erasure, if it is.

    A legal obligation (a class of financial or control records) is waited for, a hold is, and so is the floor of every log; what is
    merely kept for longer by our own choice gives way.
    """
    days = days_by_class()
    for event_id, company, kind, proposal, recorded_at, is_held, is_shredded in _rows(ABOUT_PERSON, {"person": person}):
        if is_shredded:
            yield Candidate(event_id, company, recorded_at, "shredded_before")
            continue
        obligations = [name for name in classes_of(kind, proposal) if TERMS[name].is_obligation]
        until = recorded_at + timedelta(days=max([FLOOR_DAYS, *(days[name] for name in obligations)]))
        exempt = ""
        if is_held:
            exempt = "hold"
        elif until > now:
            exempt = max(obligations, key=lambda name: days[name]).value if obligations else "floor"
        yield Candidate(event_id, company, until, exempt)


def get_disposal(public_id: str) -> Disposal:
    """Return a list by its TypeID; raises NotVisible."""
    found = Disposal.objects.filter(pk=decode(Prefix.DISPOSAL, public_id)).first()
    if found is None:
        raise NotVisible(detail=f"There is no list {public_id}.")
    return found


def get_hold(public_id: str) -> LegalHold:
    """Return a hold by its TypeID; raises NotVisible."""
    found = LegalHold.objects.filter(pk=decode(Prefix.HOLD, public_id)).first()
    if found is None:
        raise NotVisible(detail=f"There is no hold {public_id}.")
    return found


def _day_parameters() -> dict[str, int]:
    return {name.value: days for name, days in days_by_class().items()}


def _rows(sql: str, parameters: Mapping[str, str | int | datetime]) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            yield from rows
