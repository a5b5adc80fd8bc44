"""Runs and breaks as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from approvals.finality import finality_of_landing
from approvals.pages.history import names_of, who
from audit.queries import EventFilter, EventView, events
from identity.permissions import Permission, companies_with
from kernel.canonical import to_json_text
from kernel.display import Moment, Tag, Tone, ago, at, counted, maybe_at, span
from kernel.money import Money
from reconciliation.events import CompensationEvent, ReconciliationEvent
from reconciliation.models import Break, Run
from reconciliation.services.closing import limit_minor, needs_second
from reconciliation.services.handling import NOT_COMPENSABLE
from reconciliation.states import UNRESOLVED, BreakKind, BreakState, RunScope, RunState

RUN_TAGS: Mapping[str, Tag] = {
    RunState.RUNNING: Tag("Running", Tone.INFO, "clock"),
    RunState.COMPLETED: Tag("Completed", Tone.GOOD, "check"),
    RunState.ABORTED: Tag("Aborted", Tone.BAD, "cross"),
}
BREAK_TAGS: Mapping[str, Tag] = {
    BreakState.OPEN: Tag("Open", Tone.BAD, "warn"),
    BreakState.CLOSING: Tag("Second person", Tone.WARN, "clock"),
    BreakState.EXPLAINED: Tag("Explained", Tone.INFO, "info"),
    BreakState.COMPENSATING: Tag("Compensating", Tone.WARN, "clock"),
    BreakState.RESOLVED: Tag("Resolved", Tone.GOOD, "check"),
    BreakState.WRITTEN_OFF: Tag("Written off", Tone.PLAIN, "stop"),
}
KIND_TAGS: Mapping[str, Tag] = {
    BreakKind.ORPHAN: Tag("No approval", Tone.BAD, "stop"),
    BreakKind.REVERSED_OUTSIDE: Tag("Reversed outside", Tone.BAD, "stop"),
    BreakKind.ALTERED: Tag("Altered", Tone.BAD, "warn"),
    BreakKind.MISSING: Tag("Missing", Tone.BAD, "unknown"),
    BreakKind.DUPLICATE: Tag("Duplicate", Tone.BAD, "warn"),
    BreakKind.AMOUNT_DIFFERS: Tag("Amount differs", Tone.WARN, "warn"),
    BreakKind.ACCOUNT_DIFFERS: Tag("Account differs", Tone.WARN, "warn"),
    BreakKind.COUNTERPARTY_DIFFERS: Tag("Counterparty differs", Tone.WARN, "warn"),
    BreakKind.DATE_DIFFERS: Tag("Date differs", Tone.WARN, "warn"),
    BreakKind.DIFFERS: Tag("Differs", Tone.WARN, "warn"),
    BreakKind.UNSETTLED: Tag("Not settled", Tone.WARN, "clock"),
    BreakKind.UNKNOWN_RESOLVED: Tag("Unknown, found", Tone.INFO, "clock"),
    BreakKind.LATE: Tag("Late", Tone.INFO, "clock"),
}
DIFFERENCES_NAMED_MAX = 2
TEXT_LENGTH_MAX = 60
HISTORY_ROWS = 50


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in the list."""

    url: str
    title: str
    sentence: str
    state: Tag
    intended: str
    landed: str
    breaks: str
    has_breaks: bool
    started: Moment
    started_by: str


@dataclass(frozen=True, slots=True)
class BreakRow:
    """One break in the work queue."""

    url: str
    title: str
    kind: Tag
    state: Tag
    document: str
    proposal: str
    proposal_url: str
    company: str
    amount: str
    reason: str
    opened: Moment
    age: str
    owner: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """Everything the page of one run shows."""

    id: str
    title: str
    state: Tag
    sentence: str
    is_running: bool
    figures: Sequence[tuple[str, str, str]]
    facts: Sequence[tuple[str, object]]
    breaks: Sequence[BreakRow]


@dataclass(frozen=True, slots=True)
class Side:
    """One field on both sides of a break."""

    label: str
    intended: str
    landed: str
    is_different: bool


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """Who did what about a break, when, and what was said."""

    at: Moment
    text: str
    said: str
    sequence: str


@dataclass(frozen=True, slots=True)
class BreakPage:
    """Everything the page of one break shows."""

    id: str
    title: str
    meaning: str
    kind: Tag
    state: Tag
    facts: Sequence[tuple[str, object]]
    sides: Sequence[Side]
    reason: str
    explanation: str
    compensation: tuple[str, str] | None
    compensation_finality: str
    proposal: tuple[str, str] | None
    history: Sequence[HistoryLine]
    closing: str
    needs_second: str
    may_own: bool
    is_mine: bool
    may_handle: bool
    may_second: bool
    may_compensate: bool
    may_recommit: bool


def run_row(run: Run, now: datetime) -> RunRow:
    """Return a run as a line of the list."""
    return RunRow(
        url=reverse("reconciliation:run", args=[run.public_id]),
        title=f"{run.company} {run.business_date.isoformat()}",
        sentence=run_sentence(run),
        state=RUN_TAGS[run.state],
        intended=_side(run.intended_count, run.intended_totals),
        landed=_side(run.landed_count, run.landed_totals),
        breaks=counted(run.break_count, "break", "breaks"),
        has_breaks=run.break_count > 0,
        started=ago(run.started_at, now),
        started_by=name_of(run.started_by) if run.started_by else run.get_kind_display(),
    )


def run_sentence(run: Run) -> str:
    """Return what a run found, in one sentence."""
    if run.state == RunState.RUNNING:
        return "Both sides are being compared."
    if run.state == RunState.ABORTED:
        return "It stopped before its end; nothing is concluded from it."
    matched = f"matched {run.matched_count:,} of {run.intended_count:,}"
    return f"Run {at(run.started_at).text[-9:-4]} {matched}, {counted(run.break_count, 'difference', 'differences')}."


def run_page(run: Run, breaks: Sequence[Break], now: datetime) -> RunPage:
    """Return the page of one run: counts and sums of both sides, then its breaks."""
    return RunPage(
        id=run.public_id,
        title=f"Run of {run.company} to {run.business_date.isoformat()}",
        state=RUN_TAGS[run.state],
        sentence=run_sentence(run),
        is_running=run.state == RunState.RUNNING,
        figures=(
            ("Intended", f"{run.intended_count:,}", totals_text(run.intended_totals)),
            ("Landed", f"{run.landed_count:,}", totals_text(run.landed_totals)),
            ("Matched", f"{run.matched_count:,}", "intended and landed alike"),
            ("Breaks", f"{run.break_count:,}", "differences of this run"),
        ),
        facts=(
            ("Kind", run.get_kind_display()),
            (
                "Scope",
                run.get_scope_display() if run.scope == RunScope.FULL else f"Changes since {at(run.since).text}" if run.since else "–",
            ),
            ("Cut-off", at(run.cut_off_at)),
            ("Started", at(run.started_at)),
            ("Finished", maybe_at(run.finished_at)),
            ("Started by", name_of(run.started_by) if run.started_by else "Countersign"),
        ),
        breaks=[break_row(item, now) for item in breaks],
    )


def break_row(found: Break, now: datetime) -> BreakRow:
    """Return a break as a line of the work queue."""
    return BreakRow(
        url=reverse("reconciliation:break", args=[found.public_id]),
        title=found.proposal.headline if found.proposal else f"Document {found.document}",
        kind=KIND_TAGS[found.kind],
        state=BREAK_TAGS[found.state],
        document=found.document,
        proposal=found.proposal.public_id if found.proposal else "",
        proposal_url=reverse("approvals:proposal", args=[found.proposal.public_id]) if found.proposal else "",
        company=found.company,
        amount=str(Money(found.amount_minor, found.currency)),
        reason=reason_of(found),
        opened=ago(found.opened_at, now),
        age=span((found.closed_at or now) - found.opened_at),
        owner=name_of(found.owner) if found.owner else "",
    )


def reason_of(found: Break) -> str:
    """Return why it is a break, in one line: the fields that differ, or what the kind means."""
    landed = found.landed or {}
    differences = [item for item in landed.get("differences", []) if item.get("field") != "content_digest"]
    if not differences:
        return f"{found.get_kind_display()}."
    named = [
        f"{_label(str(item['field']))} {_short(item, 'intended', found.currency)} → {_short(item, 'landed', found.currency)}"
        for item in differences[:DIFFERENCES_NAMED_MAX]
    ]
    more = len(differences) - len(named)
    return "; ".join(named) + (f"; {counted(more, 'field', 'fields')} more" if more else "")


def break_page(found: Break, user: User, now: datetime) -> BreakPage:
    """Return the page of one break: both sides field by field, its history, and what this person may do about it."""
    resolves = found.company in companies_with(user, Permission.RECONCILIATION_RESOLVE)
    operates = found.company in companies_with(user, Permission.COMMIT_OPERATE)
    is_open = found.state == BreakState.OPEN
    compensation = found.compensation
    return BreakPage(
        id=found.public_id,
        title=found.proposal.headline if found.proposal else f"Document {found.document} in {found.company}",
        meaning=f"{found.get_kind_display()}.",
        kind=KIND_TAGS[found.kind],
        state=BREAK_TAGS[found.state],
        facts=(
            ("Company", found.company),
            ("Document", found.document or "–"),
            ("Amount at stake", str(Money(found.amount_minor, found.currency))),
            ("Owner", name_of(found.owner) if found.owner else "nobody yet"),
            ("Age", span((found.closed_at or now) - found.opened_at)),
            ("Opened", at(found.opened_at)),
            ("Closed", maybe_at(found.closed_at)),
            ("Handled by", name_of(found.handled_by) if found.handled_by else "–"),
            *((("Agreed by", name_of(found.seconded_by)),) if found.seconded_by else ()),
        ),
        sides=sides(found.intended or {}, found.landed or {}),
        reason=reason_of(found),
        explanation=found.explanation,
        compensation=_link(compensation.headline, compensation.public_id) if compensation else None,
        compensation_finality=finality_of_landing(compensation) if compensation else "",
        proposal=_link(found.proposal.headline, found.proposal.public_id) if found.proposal else None,
        history=history_of(found),
        closing=BreakState(found.closing_as).label.lower() if found.closing_as else "",
        needs_second=str(Money(limit_minor(found.currency), found.currency)) if needs_second(found) else "",
        may_own=resolves and found.state in UNRESOLVED,
        is_mine=found.owner_id == user.pk,
        may_handle=resolves and is_open,
        may_second=resolves and found.state == BreakState.CLOSING,
        may_compensate=resolves and is_open and found.kind not in NOT_COMPENSABLE,
        may_recommit=resolves and operates and is_open and found.kind == BreakKind.MISSING and found.proposal is not None,
    )


def history_of(found: Break) -> list[HistoryLine]:
    """Return what was done about a break, oldest first: its events in the log."""
    page = events(EventFilter(subject_kind="break", subject_id=found.public_id), limit=HISTORY_ROWS)
    names = names_of(page.rows)
    return [
        HistoryLine(
            at=Moment(event.occurred_at, at(event.occurred_at).text[:-4]),
            text=_history_text(event, who(event, names, "")),
            said=str(event.payload.get("reason", "")),
            sequence=f"#{event.sequence:,}" if event.sequence else "not sealed yet",
        )
        for event in reversed(page.rows)
    ]


def _history_text(event: EventView, name: str) -> str:
    outcome = event.outcome
    wanted = str(outcome.get("closing_as", "")).replace("_", " ")
    sentences = {
        ReconciliationEvent.BREAK_OPENED: "Found by a run",
        ReconciliationEvent.BREAK_REOPENED: "Found again, or its correction came to nothing: open again",
        ReconciliationEvent.BREAK_RESOLVED: "No longer there: resolved",
        ReconciliationEvent.BREAK_ASSIGNED: f"{name} took it" if outcome.get("owner") else f"{name} gave it back",
        ReconciliationEvent.BREAK_CLOSING: f"{name} wants it {wanted}; a second person has to agree",
        ReconciliationEvent.BREAK_DECLINED: f"{name} did not agree: open again",
        ReconciliationEvent.BREAK_EXPLAINED: f"{name} agreed: explained" if "first_person" in outcome else f"{name} explained it",
        ReconciliationEvent.BREAK_WRITTEN_OFF: f"{name} agreed: written off" if "first_person" in outcome else f"{name} wrote it off",
        ReconciliationEvent.BREAK_RECOMMITTED: f"{name} had it committed again under the same key",
        CompensationEvent.PROPOSED: f"{name} proposed a compensating entry",
    }
    known: str = sentences.get(event.kind, f"{name}: {event.kind}")  # type: ignore[call-overload]
    return known


def sides(intended: Mapping[str, Any], landed: Mapping[str, Any]) -> list[Side]:
    """Return both sides field by field, then what differed field by field when it was read back at landing."""
    rows = []
    for name in dict.fromkeys([*intended, *landed]):
        if name != "differences":
            one, other = _value(intended, name), _value(landed, name)
            rows.append(Side(_label(name), one, other, is_different=bool(intended and landed) and name in intended and one != other))
    for item in landed.get("differences", []):
        if str(item.get("field", "")).startswith("/"):
            label = f"{_label(str(item['field']))}, read back"
            rows.append(Side(label, _text(item.get("intended")), _text(item.get("landed")), is_different=True))
    return rows


def totals_text(totals: Mapping[str, int]) -> str:
    """Return sums per currency: 1,234.00 EUR, 5.00 USD."""
    return ", ".join(str(Money(minor, currency)) for currency, minor in sorted(totals.items())) or "nothing"


def name_of(user: User) -> str:
    """Return a person's full name, or the login name where there is none."""
    return user.get_full_name() or user.get_username()


def _side(count: int, totals: Mapping[str, int]) -> str:
    return f"{count:,} · {totals_text(totals)}" if count else "0"


def _label(name: str) -> str:
    """Return a field as words: /lines/0/unit_price becomes Lines 1 unit price."""
    parts = [str(int(part) + 1) if part.isdecimal() else part for part in name.strip("/").split("/")]
    words = " ".join(parts).replace("_", " ").replace(" minor", "").strip()
    return words[:1].upper() + words[1:]


def _short(difference: Mapping[str, Any], side: str, currency: str) -> str:
    text = _text(difference.get(side))
    if difference["field"] == "amount_minor" and text.isdecimal():
        return str(Money(int(text), currency))
    return text if len(text) <= TEXT_LENGTH_MAX else f"{text[:TEXT_LENGTH_MAX]}…"


def _value(side: Mapping[str, Any], name: str) -> str:
    value = side.get(name)
    if name == "amount_minor" and isinstance(value, int) and side.get("currency"):
        return str(Money(value, str(side["currency"])))
    return _text(value)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else to_json_text(value)


def _link(text: str, proposal_id: str) -> tuple[str, str]:
    return text, reverse("approvals:proposal", args=[proposal_id])
