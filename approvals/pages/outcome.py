"""What became of a proposal: one panel that updates itself until nothing more can happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from approvals.finality import finality_of_approval
from approvals.models import Decision
from approvals.pages.drifted import DriftLine, drift_lines
from approvals.pages.words import FROZEN_TAG, OUTCOME_TAGS, PROPOSAL_TAGS, frozen_reason, outcome_of, reason_text
from approvals.queries.rail import name_of
from approvals.states import DecisionKind
from kernel.display import Moment, Tag, Tone, at, counted
from kernel.errors import DomainError
from proposals.models import Feedback, Outcome, Proposal
from proposals.states import OutcomeStatus, ProposalState

POLL_SECONDS_MOVING = 2
POLL_SECONDS_PENDING = 15
ASKED_AGAIN = "It was approved; before it was written, what it leaned on had drifted. Nothing was written, its approvers are asked again."
MOVING = frozenset({OutcomeStatus.QUEUED, OutcomeStatus.IN_FLIGHT, OutcomeStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Difference:
    """One field with two values."""

    label: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class OutcomePanel:
    """The panel; `poll_seconds` is 0 when nothing more can happen, `is_news` when this very answer ended the waiting.

    A quiet panel has nothing to tell beyond its one line and shows no heading.
    """

    title: str
    tag: Tag
    sentence: str
    at: Moment | None = None
    document: str = ""
    is_quiet: bool = False
    is_moving: bool = False
    is_news: bool = False
    poll_seconds: int = 0
    read_back: Tag | None = None
    read_back_sentence: str = ""
    differences: Sequence[Difference] = ()
    differences_caption: str = ""
    was_label: str = "Approved"
    now_label: str = "Landed"
    tolerated: Sequence[DriftLine] = ()
    tolerated_sentence: str = ""
    said: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = field(default=())


def outcome_panel(proposal: Proposal, *, waits_for: str, now: datetime) -> OutcomePanel:
    """Return where the proposal stands in one sentence, with what it became in the ERP."""
    if reason := frozen_reason(proposal, outcome_of(proposal), now):
        what = "Nobody can decide on it" if proposal.state == ProposalState.PENDING else "Its commit is not sent"
        sentence = f"{reason} {what} until the agent may act again; it goes on then, if it is still valid."
        return OutcomePanel("Where it stands", FROZEN_TAG, sentence, poll_seconds=POLL_SECONDS_PENDING)
    if proposal.state == ProposalState.PENDING:
        sentence = f"Waiting for {waits_for}." if waits_for else "Waiting for a decision."
        return OutcomePanel("Where it stands", PROPOSAL_TAGS[proposal.state], sentence, is_quiet=True, poll_seconds=POLL_SECONDS_PENDING)
    if proposal.state == ProposalState.APPROVED:
        panel, finality = _approved(proposal, outcome_of(proposal)), finality_of_approval(proposal)
        return replace(panel, said=[*panel.said, finality.sentence]) if finality else panel
    return _ended(proposal)


def _approved(proposal: Proposal, outcome: Outcome | None) -> OutcomePanel:
    if outcome is None:
        return OutcomePanel(
            "Where it stands",
            PROPOSAL_TAGS[proposal.state],
            "Its commit starts within seconds; this page updates itself.",
            at=at(proposal.decided_at) if proposal.decided_at else None,
            is_moving=True,
            poll_seconds=POLL_SECONDS_MOVING,
        )
    is_moving = outcome.status in MOVING
    panel = OutcomePanel(
        title="Where it stands",
        tag=OUTCOME_TAGS[outcome.status],
        sentence="",
        at=at(outcome.updated_at),
        document=outcome.document,
        is_moving=is_moving,
        is_news=not is_moving,
        poll_seconds=POLL_SECONDS_MOVING if is_moving else 0,
        links=_commit_links(proposal, outcome),
    )
    if outcome.status == OutcomeStatus.COMMITTED:
        return _committed(outcome, panel)
    sentences = {
        OutcomeStatus.QUEUED: "The commit waits for its turn; this page updates itself.",
        OutcomeStatus.IN_FLIGHT: "The commit is being sent; this page updates itself.",
        OutcomeStatus.UNKNOWN: "It was sent and the answer was lost. It is never sent again blindly: the ERP is asked by its key.",
        OutcomeStatus.FAILED: f"The ERP refused it{_retry(outcome)}. Nothing was written.",
        OutcomeStatus.LOGGED: "The agent's grant is log-only: the approval is recorded and nothing is written.",
    }
    said = [text for text in (outcome.detail, f"Code {outcome.code}" if outcome.code else "") if text]
    return replace(panel, sentence=sentences[OutcomeStatus(outcome.status)], said=said)


def _retry(outcome: Outcome) -> str:
    return "; an operator may try again" if outcome.data.get("is_retryable") else ""


def _committed(outcome: Outcome, panel: OutcomePanel) -> OutcomePanel:
    found = [
        Difference(str(item.get("field", "")).strip("/"), str(item.get("approved", "")), str(item.get("landed", "")))
        for item in outcome.data.get("differences", [])
    ]
    if found:
        read_back = Tag("Differs", Tone.BAD, "warn")
        words = f"What was read back differs from what was approved in {counted(len(found), 'field', 'fields')}."
    else:
        read_back = Tag("Read back", Tone.GOOD, "check")
        words = "Read back from the ERP and compared field by field: exactly as approved."
    moved = outcome.data.get("tolerated", [])
    drift = f"{counted(len(moved), 'fact', 'facts')} moved within tolerance between approval and commit." if moved else ""
    return replace(
        panel,
        title="Landed in the ERP",
        sentence="is the document in the ERP." if outcome.document else "It landed.",
        tolerated=drift_lines(moved),
        tolerated_sentence=drift,
        read_back=read_back,
        read_back_sentence=words,
        differences=found,
        differences_caption="Fields that differ",
    )


def _commit_links(proposal: Proposal, outcome: Outcome) -> list[tuple[str, str]]:
    """Return the link to the commit's page: by name, because the commit engine stands above this app."""
    if outcome.status == OutcomeStatus.LOGGED:
        return []
    try:
        return [("Open the commit", reverse("commits:of_proposal", args=[proposal.public_id]))]
    except NoReverseMatch:
        return []


def _ended(proposal: Proposal) -> OutcomePanel:
    feedback: Feedback | None = getattr(proposal, "feedback", None)
    successor: Proposal | None = getattr(proposal, "superseded_by", None)
    link = "Open what its approvers are asked now" if _is_asked_again(successor) else "Open the revision"
    links = [(link, reverse("approvals:proposal", args=[successor.public_id]))] if successor else []
    differences = [_drifted(item) for item in feedback.differences] if feedback else []
    return OutcomePanel(
        title="Where it stands",
        tag=PROPOSAL_TAGS[proposal.state],
        sentence=ASKED_AGAIN if _is_asked_again(successor) else _ended_sentence(proposal),
        at=at(proposal.decided_at) if proposal.decided_at else None,
        is_news=True,
        said=[feedback.comment] if feedback and feedback.comment else [],
        differences=differences,
        differences_caption="What changed in the ERP",
        was_label="When approved",
        now_label="At commit",
        links=links,
    )


def _is_asked_again(successor: Proposal | None) -> bool:
    return successor is not None and bool(successor.facts.get("asked_again"))


def _drifted(item: dict[str, Any]) -> Difference:
    was = item.get("was", item.get("observed", item.get("expected", "")))
    return Difference(str(item.get("label", item.get("code", ""))), str(was), str(item.get("now", item.get("value", ""))))


def _ended_sentence(proposal: Proposal) -> str:
    ending = {DecisionKind.REJECT: "rejected it", DecisionKind.REQUEST_CHANGES: "asked the agent for a change"}
    if proposal.state in {ProposalState.REJECTED, ProposalState.CHANGES_REQUESTED, ProposalState.SUPERSEDED}:
        last = Decision.objects.select_related("user").filter(proposal=proposal, kind__in=ending).order_by("-decided_at").first()
        if last is not None:
            return f"{name_of(last.user)} {ending[DecisionKind(last.kind)]}: {reason_text(last.reason_code).lower()}."
    ended, decommissioned = proposal.decided_at, proposal.agent.decommissioned_at
    if proposal.state == ProposalState.WITHDRAWN and ended and decommissioned and ended >= decommissioned:
        return "It was withdrawn, because its agent was decommissioned."
    return {
        ProposalState.EXPIRED: "It was not decided in time. Silence never approves.",
        ProposalState.WITHDRAWN: "The agent took it back.",
        ProposalState.VOIDED: "It was approved and then voided before anything was written.",
        ProposalState.SUPERSEDED: "The agent replaced it by a revision; every decision on it has fallen.",
    }.get(ProposalState(proposal.state), "It is no longer open.")


def connector_sentence(company: str) -> tuple[str, str]:
    """Return where a write of this company goes, and how honestly once: for the lines' heading and the last step."""
    from gateway.connections import connector_for

    try:
        connector = connector_for(company)
    except DomainError:
        return f"to {company}", "Once"
    return f"to {connector.title} · {company}", f"Once, to {connector.title} (level {connector.level.value})"
