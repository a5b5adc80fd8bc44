"""Commits as people read them: state, attempts, receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.html import format_html

from commits.models import Attempt, Commit, Landing, Receipt
from commits.queries import landing_of
from commits.states import AttemptOutcome, CommitState
from gateway.connections import all_connectors
from identity.permissions import Permission, permissions_of
from identity.policies import agent_standing
from kernel.canonical import parse_json, to_json_text
from kernel.display import Moment, Tag, Tone, ago, at, maybe_at, span
from kernel.verdicts import Denied
from proposals.states import ProposalState

COMMIT_TAGS: Mapping[str, Tag] = {
    CommitState.QUEUED: Tag("Queued", Tone.INFO, "clock"),
    CommitState.IN_FLIGHT: Tag("In flight", Tone.INFO, "arrow"),
    CommitState.SUCCEEDED: Tag("Succeeded", Tone.GOOD, "check"),
    CommitState.FAILED: Tag("Failed", Tone.BAD, "cross"),
    CommitState.UNKNOWN: Tag("Unknown", Tone.WARN, "unknown"),
}
FROZEN_TAG = Tag("Frozen", Tone.WARN, "pause", "Its agent may not act now; nothing of it is sent until the agent is resumed")
ATTEMPT_TAGS: Mapping[str, Tag] = {
    AttemptOutcome.RUNNING: Tag("Running", Tone.INFO, "arrow"),
    AttemptOutcome.POSTED: Tag("Posted", Tone.GOOD, "check"),
    AttemptOutcome.REPLAYED: Tag("Replayed", Tone.GOOD, "return", "The ERP had it already and gave the same answer"),
    AttemptOutcome.REFUSED: Tag("Refused", Tone.BAD, "cross"),
    AttemptOutcome.NOT_SENT: Tag("Not sent", Tone.PLAIN, "stop"),
    AttemptOutcome.LOST: Tag("Answer lost", Tone.WARN, "unknown"),
}


@dataclass(frozen=True, slots=True)
class CommitRow:
    """One commit in the list."""

    url: str
    headline: str
    id: str
    state: Tag
    amount: str
    company: str
    agent: str
    document: str
    attempts: str
    opened: Moment
    detail: str
    upcoming: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try."""

    number: int
    outcome: Tag
    worker: str
    started: Moment
    took: str
    detail: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that landed otherwise."""

    label: str
    approved: str
    landed: str


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What the ERP answered and what was read back."""

    document: str
    recorded: Moment
    verdict: Tag
    differences: Sequence[Difference]
    answer: str
    read_back: str


@dataclass(frozen=True, slots=True)
class CommitPage:
    """Everything the page of one commit shows."""

    id: str
    headline: str
    proposal_id: str
    proposal_url: str
    state: Tag
    facts: Sequence[tuple[str, object]]
    detail: str
    attempts: Sequence[AttemptRow]
    receipt: ReceiptView | None
    request: str
    may_retry: bool
    may_resolve: bool


def commit_row(commit: Commit, now: datetime) -> CommitRow:
    """Return a commit as a line of the list."""
    receipt: Receipt | None = getattr(commit, "receipt", None)
    return CommitRow(
        url=reverse("commits:detail", args=[commit.public_id]),
        headline=commit.proposal.headline,
        id=commit.public_id,
        state=state_tag(commit, now),
        amount=str(commit.proposal.amount),
        company=commit.company,
        agent=commit.proposal.agent.name,
        document=receipt.document if receipt else "",
        attempts=str(commit.attempt_number),
        opened=ago(commit.opened_at, now),
        detail=commit.code,
        upcoming=upcoming(commit, now),
    )


def upcoming(commit: Commit, now: datetime) -> str:
    """Return what happens next to a commit that is not settled, and when; empty where nothing does by itself."""
    if commit.state == CommitState.UNKNOWN:
        return f"Looked up by its key {_soon(commit.not_before, now)}"
    if commit.state == CommitState.QUEUED and commit.not_before > now:
        return f"Tried again {_soon(commit.not_before, now)}"
    return ""


def _soon(instant: datetime, now: datetime) -> str:
    return f"in {span(instant - now)}" if instant > now else "now"


def state_tag(commit: Commit, now: datetime) -> Tag:
    """Return the state in words; a queued commit of an agent that may not act is frozen, whether or not a worker has noticed."""
    if commit.state == CommitState.QUEUED and isinstance(agent_standing(commit.proposal.agent, now), Denied):
        return FROZEN_TAG
    return COMMIT_TAGS[commit.state]


def commit_page(commit: Commit, attempts: Sequence[Attempt], user: User, now: datetime) -> CommitPage:
    """Return the page of one commit."""
    receipt = landing_of(commit)
    operates = Permission.COMMIT_OPERATE in permissions_of(user)
    proposal = commit.proposal
    may_retry = commit.state == CommitState.FAILED and commit.is_retryable and proposal.state == ProposalState.APPROVED
    return CommitPage(
        id=commit.public_id,
        headline=proposal.headline,
        proposal_id=proposal.public_id,
        proposal_url=reverse("approvals:proposal", args=[proposal.public_id]),
        state=state_tag(commit, now),
        facts=(
            ("Amount", str(proposal.amount)),
            ("Company", commit.company),
            ("Connection", _connection(commit.connection)),
            ("Tool", commit.tool),
            ("Opened", at(commit.opened_at)),
            ("First sent", maybe_at(commit.first_sent_at)),
            ("Settled", maybe_at(commit.settled_at)),
            ("Key in the ERP", str(commit.pk)),
            *((("Landing", f"No. {commit.landing_number}: the ERP lost the one before"),) if commit.landing_number > 1 else ()),
            *((("Code", commit.code),) if commit.code else ()),
            *((("Next", text),) if (text := upcoming(commit, now)) else ()),
        ),
        detail=commit.detail,
        attempts=[attempt_row(attempt) for attempt in attempts],
        receipt=receipt_view(receipt) if receipt else None,
        request=_readable(commit.request_bytes),
        may_retry=operates and may_retry,
        may_resolve=operates and commit.state == CommitState.UNKNOWN,
    )


def _connection(name: str) -> str:
    if name not in {connector.name for connector in all_connectors()}:
        return name
    return format_html('<a href="{}">{}</a>', reverse("commits:connection", args=[name]), name)


def attempt_row(attempt: Attempt) -> AttemptRow:
    """Return one try in words."""
    took = attempt.finished_at - attempt.started_at if attempt.finished_at else None
    return AttemptRow(
        number=attempt.number,
        outcome=ATTEMPT_TAGS[attempt.outcome],
        worker=attempt.worker,
        started=at(attempt.started_at),
        took=_took(took.total_seconds()) if took is not None else "–",
        detail=attempt.detail,
    )


def _took(seconds: float) -> str:
    return f"{int(seconds * 1000)} ms" if seconds < 1 else span(timedelta(seconds=seconds))


def receipt_view(receipt: Landing) -> ReceiptView:
    """Return the receipt in words: the document, and whether it is what was approved."""
    differences = [
        Difference(str(item.get("field", "")).strip("/"), str(item.get("approved", "")), str(item.get("landed", "")))
        for item in receipt.differences
    ]
    verdict = Tag("Differs from what was approved", Tone.BAD, "warn") if differences else Tag("Exactly as approved", Tone.GOOD, "check")
    return ReceiptView(
        document=receipt.document,
        recorded=at(receipt.recorded_at),
        verdict=verdict,
        differences=differences,
        answer=_readable(receipt.answer_bytes),
        read_back=_readable(receipt.read_back_bytes),
    )


def _readable(stored: bytes | memoryview | None) -> str:
    return to_json_text(parse_json(bytes(stored))) if stored else ""
