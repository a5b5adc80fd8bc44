"""Runs and breaks as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from identity.permissions import Permission, permissions_of
from kernel.canonical import to_json_text
from kernel.display import Moment, Tag, Tone, ago, at, counted, maybe_at
from kernel.money import Money
from reconciliation.models import Break, Run
from reconciliation.states import BreakKind, BreakState, RunState

RUN_TAGS: Mapping[str, Tag] = {
    RunState.RUNNING: Tag("Running", Tone.INFO, "clock"),
    RunState.COMPLETED: Tag("Completed", Tone.GOOD, "check"),
    RunState.ABORTED: Tag("Aborted", Tone.BAD, "cross"),
}
BREAK_TAGS: Mapping[str, Tag] = {
    BreakState.OPEN: Tag("Open", Tone.BAD, "warn"),
    BreakState.EXPLAINED: Tag("Explained", Tone.INFO, "info"),
    BreakState.COMPENSATING: Tag("Compensating", Tone.WARN, "clock"),
    BreakState.RESOLVED: Tag("Resolved", Tone.GOOD, "check"),
    BreakState.WRITTEN_OFF: Tag("Written off", Tone.PLAIN, "stop"),
}
KIND_TAGS: Mapping[str, Tag] = {
    BreakKind.ORPHAN: Tag("No approval", Tone.BAD, "stop"),
    BreakKind.MISSING: Tag("Missing", Tone.BAD, "unknown"),
    BreakKind.DUPLICATE: Tag("Duplicate", Tone.BAD, "warn"),
    BreakKind.DIFFERS: Tag("Differs", Tone.WARN, "warn"),
    BreakKind.UNSETTLED: Tag("Not settled", Tone.WARN, "clock"),
}
# Writes in the ERP that no approval covers come first: they are what the gate exists to prevent.
KIND_ORDER = (BreakKind.ORPHAN, BreakKind.DUPLICATE, BreakKind.DIFFERS, BreakKind.MISSING, BreakKind.UNSETTLED)
NOT_COMPENSABLE = frozenset({BreakKind.UNSETTLED})


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
    opened: Moment
    handled_by: str


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
class BreakPage:
    """Everything the page of one break shows."""

    id: str
    title: str
    meaning: str
    kind: Tag
    state: Tag
    facts: Sequence[tuple[str, object]]
    sides: Sequence[Side]
    explanation: str
    compensation: tuple[str, str] | None
    proposal: tuple[str, str] | None
    may_handle: bool
    may_compensate: bool


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
    matched = f"Matched {run.matched_count:,} of {run.intended_count:,}"
    return f"{matched}, {counted(run.break_count, 'difference', 'differences')}."


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
            ("Cut-off", at(run.cut_off_at)),
            ("Started", at(run.started_at)),
            ("Finished", maybe_at(run.finished_at)),
            ("Started by", name_of(run.started_by) if run.started_by else "Countersign"),
        ),
        breaks=[break_row(item, now) for item in sorted(breaks, key=lambda item: KIND_ORDER.index(BreakKind(item.kind)))],
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
        opened=ago(found.opened_at, now),
        handled_by=name_of(found.handled_by) if found.handled_by else "",
    )


def break_page(found: Break, user: User) -> BreakPage:
    """Return the page of one break: both sides field by field, and what this person may do about it."""
    resolves = Permission.RECONCILIATION_RESOLVE in permissions_of(user)
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
            ("Amount", str(Money(found.amount_minor, found.currency))),
            ("Opened", at(found.opened_at)),
            ("Closed", maybe_at(found.closed_at)),
            ("Handled by", name_of(found.handled_by) if found.handled_by else "–"),
        ),
        sides=sides(found.intended or {}, found.landed or {}),
        explanation=found.explanation,
        compensation=_link(compensation.headline, compensation.public_id) if compensation else None,
        proposal=_link(found.proposal.headline, found.proposal.public_id) if found.proposal else None,
        may_handle=resolves and is_open,
        may_compensate=resolves and is_open and found.kind not in NOT_COMPENSABLE,
    )


def sides(intended: Mapping[str, Any], landed: Mapping[str, Any]) -> list[Side]:
    """Return both sides field by field."""
    rows = []
    for name in dict.fromkeys([*intended, *landed]):
        one, other = _text(intended.get(name)), _text(landed.get(name))
        rows.append(Side(name.replace("_", " ").capitalize(), one, other, is_different=bool(intended and landed) and one != other))
    return rows


def totals_text(totals: Mapping[str, int]) -> str:
    """Return sums per currency: 1,234.00 EUR, 5.00 USD."""
    return ", ".join(str(Money(minor, currency)) for currency, minor in sorted(totals.items())) or "nothing"


def name_of(user: User) -> str:
    """Return a person's full name, or the login name where there is none."""
    return user.get_full_name() or user.get_username()


def _side(count: int, totals: Mapping[str, int]) -> str:
    return f"{count:,} · {totals_text(totals)}" if count else "0"


def _text(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else to_json_text(value)


def _link(text: str, proposal_id: str) -> tuple[str, str]:
    return text, reverse("approvals:proposal", args=[proposal_id])
