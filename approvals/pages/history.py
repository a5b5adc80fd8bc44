"""The history of a proposal in sentences: one audit event, one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from approvals.pages.words import DECIDED, reason_text
from audit.queries import EventView, events_of_proposal
from kernel.display import Moment, counted, sentence, utc


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history; `sequence` is its place in the chain, or says that it is not sealed yet."""

    at: Moment
    text: str
    sequence: str


def history(proposal_id: str, agent_name: str) -> list[Entry]:
    """Return the proposal's events, oldest first, with names instead of ids."""
    events = events_of_proposal(proposal_id)
    names = names_of(events)
    return [
        Entry(
            at=Moment(event.occurred_at, utc(event.occurred_at)[:-4]),
            text=line(event, who(event, names, agent_name)),
            sequence=f"#{event.sequence:,}" if event.sequence else "not sealed yet",
        )
        for event in events
    ]


def names_of(events: Sequence[EventView]) -> dict[str, str]:
    """Return the names of the people in these events, by their id as text; one query."""
    ids = {int(event.actor_id) for event in events if event.actor_kind == "human" and event.actor_id.isdecimal()}
    return {str(user.pk): user.get_full_name() or user.get_username() for user in User.objects.filter(pk__in=ids)}


def who(event: EventView, names: Mapping[str, str], agent_name: str) -> str:
    """Return who did it, for a sentence."""
    if event.actor_kind == "human":
        return names.get(event.actor_id, f"Person {event.actor_id}")
    if event.actor_kind == "agent":
        return agent_name or event.actor_id
    return "Countersign"


def line(event: EventView, name: str) -> str:
    """Return an event as one sentence; a kind without a sentence of its own is shown as it is called."""
    outcome, human, gate = event.outcome, event.human, _mapping(event.record.get("gate"))
    refused = f": {outcome['code']}" if "code" in outcome else ""
    sentences = {
        "proposal:proposed": f"{name} proposed it",
        "proposal:opened": f"{name} opened the page",
        "proposal:withdrawn": f"{name} withdrew it",
        "proposal:expired": "It expired undecided",
        "proposal:voided": "It was voided",
        "proposal:rejected": "The route ended: rejected",
        "proposal:changes_requested": "The route ended: changes requested",
        "proposal:superseded": f"{name} replaced it by a revision",
        "gate:routed": _routed(gate),
        "approval:decided": _decided(name, human),
        "approval:granted": "Approved automatically by the policy" if gate.get("automatic") else "The route is satisfied: approved",
        "approval:refused": f"{name} was refused to decide{refused}",
        "commit:opened": "The commit was queued",
        "commit:started": "The commit was checked again and sent",
        "commit:succeeded": _succeeded(outcome),
        "commit:failed": f"The ERP refused the commit{refused}",
        "commit:unknown": "The ERP's answer was lost; the outcome is unknown",
        "commit:deferred": f"The commit was put back into the queue{refused}",
        "commit:frozen": f"The commit was frozen{refused}",
        "commit:released": "The agent may act again: the commit is due",
        "erp:difference_found": "What landed differs from what was approved",
        "read:taken": f"{name} took a read",
        "read:refused": f"{name} was refused a read{refused}",
        "proposal:refused": f"{name} was refused to propose{refused}",
        "evidence:bundle_exported": f"{name} exported the evidence bundle",
    }
    return sentences.get(event.kind) or f"{name}: {sentence(event.kind.replace(':', ' '))}"


def _routed(gate: Mapping[str, Any]) -> str:
    row = f"row {gate.get('row', '?')} of policy v{gate.get('version', '?')}"
    if gate.get("automatic"):
        return f"Gate: {row} approves it without a person"
    required = int(gate.get("approvals_required", 0))
    return f"Gate: {row} asks for {counted(required, 'approval', 'approvals')}"


def _decided(name: str, human: Mapping[str, Any]) -> str:
    text = f"{name} {DECIDED.get(str(human.get('decision', '')), 'decided')}"
    code = str(human.get("reason_code", ""))
    return f"{text}: {reason_text(code)}" if code else text


def _succeeded(outcome: Mapping[str, Any]) -> str:
    found = outcome.get("differences", 0)
    count = found if isinstance(found, int) else len(found)
    read_back = "read back as approved" if not count else f"read back with {counted(count, 'difference', 'differences')}"
    return f"Committed as {outcome.get('document', '?')}, {read_back}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
