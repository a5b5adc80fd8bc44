"""The proposal page: the facts of the presentation, formatted, and around them what is live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from approvals.pages.checks import CheckLine, check_lines, checks_summary
from approvals.pages.drifted import Drifted, drifted
from approvals.pages.earlier import EarlierLine, earlier
from approvals.pages.history import Entry, history
from approvals.pages.outcome import Difference, OutcomePanel, connector_sentence, outcome_panel
from approvals.pages.words import DECIDED, FROZEN_TAG, RISK_TAGS, frozen_reason, outcome_of, reason_text, risk_of, status_tag, tool_title
from approvals.queries.rail import DecisionView, RouteView, StepView, name_of, route_view
from approvals.services.pages import Shown
from approvals.states import StepState
from kernel.display import Moment, Tag, Tone, ago, counted, due, short_digest, span
from kernel.verdicts import Denied
from proposals.models import Proposal
from proposals.states import ProposalState

METER_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the lines table; `label` names its column when the table becomes cards."""

    text: str
    is_numeric: bool
    label: str


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines that will be written."""

    caption: str
    columns: Sequence[Mapping[str, Any]]
    rows: Sequence[Sequence[Cell]]
    footer: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class BudgetMeter:
    """The budget bar in thousandths of its width, and the same in words."""

    label: str
    used: int
    after: int
    is_exceeded: bool
    used_text: str
    after_text: str
    amount_text: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadLine:
    """One read receipt that the proposal cites."""

    tool: str
    arguments: str
    as_of: Moment
    age: str
    digest: str
    short_digest: str
    url: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of the route; `kind` is done, now, next or ended."""

    kind: str
    icon: str
    title: str
    state: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the version that this one replaces."""

    title: str
    url: str
    fields: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class ProposalPage:
    """Everything the page shows."""

    id: str
    url: str
    decide_url: str
    progress_url: str
    headline: str
    byline: str
    created: Moment
    amount: str
    risk: Tag
    status: Tag
    tags: Sequence[Tag]
    outcome: OutcomePanel
    destination: str
    table: Lines | None
    facts: Sequence[tuple[str, object]]
    drifted: Drifted | None
    changes: Changes | None
    earlier: Sequence[EarlierLine]
    budget: BudgetMeter | None
    checks: Sequence[CheckLine]
    checks_summary: str
    reads: Sequence[ReadLine]
    reads_summary: str
    rationale: str
    history: Sequence[Entry]
    digests: Sequence[tuple[str, str]]
    canonical: str
    steps: Sequence[StepLine]
    route_source: str
    route_reason: str
    excluded: Sequence[str]
    is_open: bool
    why_not: str
    reason_hint: str
    payload_digest: str
    short_payload_digest: str


def proposal_page(shown: Shown, user: User, now: datetime) -> ProposalPage:
    """Return the page for one person."""
    proposal, facts = shown.proposal, shown.facts
    view = route_view(proposal, user, now, shown.found)
    destination, once = connector_sentence(proposal.company)
    checks = check_lines(facts, shown.checks)
    reads = _reads(proposal, facts)
    is_open = proposal.state == ProposalState.PENDING
    asked_again = drifted(proposal)
    return ProposalPage(
        id=proposal.public_id,
        url=reverse("approvals:proposal", args=[proposal.public_id]),
        decide_url=reverse("approvals:decide", args=[proposal.public_id]),
        progress_url=reverse("approvals:progress", args=[proposal.public_id]),
        headline=proposal.headline,
        byline=f"Proposed by {proposal.agent.name} for {proposal.company}{_asked(proposal)},",
        created=ago(proposal.created_at, now),
        amount=str(proposal.amount),
        risk=RISK_TAGS[risk_of(proposal.tool)],
        status=status_tag(proposal, outcome_of(proposal)),
        tags=_tags(proposal, shown, now),
        outcome=outcome_panel(proposal, waits_for=waits_for(view), now=now),
        destination=destination,
        table=lines_of(facts.get("table")),
        facts=_facts(proposal, facts),
        drifted=asked_again,
        changes=None if asked_again else _changes(facts.get("changes")),
        earlier=earlier(proposal, now),
        budget=budget_meter(facts.get("budget")),
        checks=checks,
        checks_summary=checks_summary(checks, shown),
        reads=reads,
        reads_summary=counted(len(reads), "read receipt", "read receipts") if reads else "",
        rationale=proposal.rationale,
        history=history(proposal.public_id, proposal.agent.name, _people(shown, user)),
        digests=_digests(proposal, shown),
        canonical=bytes(proposal.action_bytes).decode("utf-8"),
        steps=[*(_step(step, name_of(user)) for step in view.steps), _commit_step(proposal, once, is_automatic=view.is_automatic)],
        route_source=f"policy v{view.policy_version}, row {view.row_priority}",
        route_reason=view.reason,
        excluded=_excluded(view),
        is_open=is_open,
        why_not=shown.standing.reason if isinstance(shown.standing, Denied) else "",
        reason_hint=_reason_hint(shown),
        payload_digest=shown.payload_digest,
        short_payload_digest=short_digest(shown.payload_digest),
    )


def waits_for(view: RouteView) -> str:
    """Return whom the proposal waits for now, in words: Purchasing lead (1 of 2 approvals)."""
    step = next((item for item in view.steps if item.position == view.current_position), None)
    if step is None:
        return ""
    progress = f" ({step.approvals} of {step.min_approvals} approvals)" if step.min_approvals > 1 else ""
    return f"{step.group}{progress}"


def _asked(proposal: Proposal) -> str:
    person = proposal.on_behalf_of
    return f", asked by {person.get_full_name() or person.get_username()}" if person else ""


def _tags(proposal: Proposal, shown: Shown, now: datetime) -> list[Tag]:
    tags = [FROZEN_TAG] if frozen_reason(proposal, outcome_of(proposal), now) else []
    if proposal.revision > 1:
        tags.append(Tag(f"Version {proposal.revision}", Tone.INFO, "return"))
    if proposal.is_log_only:
        tags.append(Tag("Log only", Tone.INFO, "info", "An approval is recorded and nothing is written"))
    if proposal.compensates:
        tags.append(Tag("Compensating entry", Tone.INFO, "return", proposal.compensates))
    if proposal.state == ProposalState.PENDING:
        step = shown.found.step
        until = due(step.due_at if step and step.due_at else proposal.expires_at, now)
        # Today and tomorrow are words within the sentence; the days of the week are names.
        is_word = until.text.startswith(("Today", "Tomorrow", "In "))
        words = until.text if until.is_late else f"Due {until.text[:1].lower() if is_word else until.text[:1]}{until.text[1:]}"
        tags.append(Tag(words, Tone.BAD if until.is_late else Tone.PLAIN, "clock"))
        if not shown.is_current:
            tags.append(Tag("ERP does not answer", Tone.WARN, "warn"))
    return tags


def _facts(proposal: Proposal, facts: Mapping[str, Any]) -> list[tuple[str, object]]:
    shown = [(str(label), str(value)) for label, value in facts.get("facts", [])]
    labels = {label.lower() for label, _ in shown}
    if not labels & {"total", "amount"}:
        shown.insert(0, ("Amount", str(proposal.amount)))
    return [*shown, ("Tool", f"{tool_title(proposal.tool)}, v{proposal.tool_version}")]


def lines_of(table: Mapping[str, Any] | None) -> Lines | None:
    """Return the lines that will be written, or None for a write without lines."""
    if not table:
        return None
    columns = table["columns"]

    def cells(values: Sequence[str]) -> list[Cell]:
        return [Cell(str(text), column["is_numeric"], column["label"]) for text, column in zip(values, columns, strict=False)]

    return Lines(
        caption=table["caption"],
        columns=columns,
        rows=[cells([row.get(column["key"], "") for column in columns]) for row in table["rows"]],
        footer=cells(table["footer"]),
    )


def _changes(stored: Mapping[str, Any] | None) -> Changes | None:
    if not stored:
        return None
    return Changes(
        title=f"Changed since version {stored['revision']}",
        url=reverse("approvals:proposal", args=[stored["supersedes"]]),
        fields=[Difference(field_label(item["field"]), item["was"], item["now"]) for item in stored["fields"]],
    )


def field_label(path: str) -> str:
    """Return a field's path for people: lines 1.unit_price becomes Lines 1, unit price."""
    words = path.strip("/").replace("/", ", ").replace(".", ", ").replace("_", " ")
    return words[:1].upper() + words[1:]


def budget_meter(stored: Mapping[str, Any] | None) -> BudgetMeter | None:
    """Return the budget bar, or None where no budget counts."""
    if not stored:
        return None
    whole = max(int(stored["amount_minor"]), int(stored["after_minor"]), 1)
    used = min(int(stored["consumed_minor"]), int(stored["after_minor"]))
    words = f"{stored['consumed']} of {stored['amount']} used, {stored['after']} after this proposal"
    return BudgetMeter(
        label=f"Budget {stored['label']}",
        used=max(used, 0) * METER_WIDTH // whole,
        after=max(int(stored["after_minor"]), 0) * METER_WIDTH // whole,
        is_exceeded=bool(stored["is_exceeded"]),
        used_text=stored["consumed"],
        after_text=stored["after"],
        amount_text=stored["amount"],
        text=f"{stored['label']}: {words}{', which is over budget' if stored['is_exceeded'] else ''}",
    )


def _people(shown: Shown, user: User) -> dict[int, User]:
    """Return whom the page has looked up already: who may decide, who may not, who did, and who is looking."""
    decided = {decision.user_id: decision.user for decision in shown.found.decisions}
    return {**shown.found.people, **decided, user.pk: user}


def _reads(proposal: Proposal, facts: Mapping[str, Any]) -> list[ReadLine]:
    lines = []
    for read in facts["reads"]:
        as_of = datetime.fromisoformat(read["as_of"])
        lines.append(
            ReadLine(
                tool=read["tool"],
                arguments=", ".join(f"{name} {value}" for name, value in sorted(read["arguments"].items())),
                as_of=Moment(as_of, f"{as_of:%Y-%m-%d %H:%M:%S}"),
                age=span(proposal.created_at - as_of) if as_of <= proposal.created_at else "0 s",
                digest=read["digest"],
                short_digest=short_digest(read["digest"]),
                url=reverse("approvals:read", args=[proposal.public_id, read["id"]]),
            )
        )
    return lines


def _digests(proposal: Proposal, shown: Shown) -> list[tuple[str, str]]:
    return [
        ("Payload digest", proposal.payload_digest),
        ("Presentation digest", shown.presentation_digest),
        ("Route digest", shown.route.digest),
        ("Idempotency key", proposal.idempotency_key),
        *([("Trace", proposal.trace_id)] if proposal.trace_id else []),
    ]


def _step(step: StepView, me: str) -> StepLine:
    kinds = {StepState.SATISFIED: "done", StepState.OPEN: "now", StepState.WAITING: "next", StepState.ENDED: "ended"}
    said = [_said(item) for item in step.decisions]
    ended_here = any(item.kind != "approve" for item in step.decisions)
    kind = kinds[step.state] if step.state != StepState.ENDED or ended_here else "next"
    waiting = []
    if step.possible and step.state in {StepState.OPEN, StepState.WAITING}:
        waiting = [f"Can decide: {', '.join('you' if name == me else name for name in step.possible)}"]
    words = {
        StepState.SATISFIED: "satisfied",
        StepState.OPEN: f"open, {step.approvals} of {counted(step.min_approvals, 'approval', 'approvals')}",
        StepState.WAITING: f"after step {step.position - 1}, {counted(step.min_approvals, 'approval', 'approvals')}",
        StepState.ENDED: "ended here" if ended_here else "not reached",
    }
    return StepLine(
        kind=kind,
        icon={"done": "check", "ended": "cross"}.get(kind, ""),
        title=step.group,
        state=words[step.state],
        lines=[*said, *_when(step), *waiting],
    )


def _when(step: StepView) -> list[str]:
    """Return when an open step is due, and who is asked beside its group once it is late."""
    if step.state != StepState.OPEN or step.due_at is None:
        return []
    lines = [f"Due {step.due_at:%Y-%m-%d %H:%M} UTC"]
    if step.fallback:
        lines.append(f"Overdue: {step.fallback} is asked as well" if step.is_escalated else f"If late, {step.fallback} is asked as well")
    return lines


def _said(decision: DecisionView) -> str:
    reason = f": {reason_text(decision.reason_code).lower()}" if decision.reason_code else ""
    comment = f" “{decision.comment}”" if decision.comment else ""
    strength = ", signed by passkey" if decision.is_signed else ", with a second factor" if decision.has_second_factor else ""
    return f"{decision.name} {DECIDED[decision.kind]}{reason}, {decision.decided_at:%Y-%m-%d %H:%M} UTC{strength}{comment}"


def _commit_step(proposal: Proposal, once: str, *, is_automatic: bool) -> StepLine:
    outcome = outcome_of(proposal)
    if outcome is not None and outcome.status == "committed":
        return StepLine("done", "check", "Commit", "landed", [f"{once}: {outcome.document}"])
    if proposal.is_log_only:
        return StepLine("next", "", "No commit", "", ["The agent's grant is log-only."])
    lines = [once, *(["No person is asked: the policy approves it automatically."] if is_automatic else [])]
    return StepLine("now" if proposal.state == ProposalState.APPROVED else "next", "", "Commit", "", lines)


def _excluded(view: RouteView) -> list[str]:
    people: dict[str, list[str]] = {}
    for item in view.exclusions:
        people.setdefault(item.name, []).append(item.label)
    return [f"{name}: {', '.join(dict.fromkeys(labels))}" for name, labels in sorted(people.items()) if name]


def _reason_hint(shown: Shown) -> str:
    if shown.needs_reason:
        return "Something here needs a look: reason and comment are required for every decision."
    return "Reason and comment are required unless you approve."
