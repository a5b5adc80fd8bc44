"""The history of a proposal in sentences: one audit event, one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.contrib.auth.models import User

from approvals.pages.words import DECIDED, reason_text
from audit.queries import EventView, events_of_proposal
from kernel.display import Moment, counted, sentence, utc

ASKED_AGAIN = "Its approvers are asked again, about what drifted"
# The codes of a commit that was not sent because of drift.
DRIFTED = frozenset({"drift", "material_drift"})
# What is no more than a slip of the person, in words; everything else is told by its code.
REFUSED: Mapping[str, str] = {"reason_required": "reason or comment was missing"}
# Who else is named in an event, beside who did it: for whom somebody decided, to whom something was forwarded.
OTHERS = ("acting_for", "to")
NOBODY: Mapping[str, str] = MappingProxyType({})
NO_PEOPLE: Mapping[int, User] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history; `sequence` is its place in the chain, or says that it is not sealed yet."""

    at: Moment
    text: str
    sequence: str


def history(proposal_id: str, agent_name: str, known: Mapping[int, User] = NO_PEOPLE) -> list[Entry]:
    """Return the proposal's events, oldest first, with names instead of ids; `known` are people who need not be looked up."""
    events = events_of_proposal(proposal_id)
    names = names_of(events, known)
    return [
        Entry(
            at=Moment(event.occurred_at, utc(event.occurred_at)[:-4]),
            text=line(event, who(event, names, agent_name), names),
            sequence=f"#{event.sequence:,}" if event.sequence else "not sealed yet",
        )
        for event in events
    ]


def names_of(events: Sequence[EventView], known: Mapping[int, User] = NO_PEOPLE) -> dict[str, str]:
    """Return the names of the people in these events, by their id as text; one query, none when all are known."""
    texts = {event.actor_id for event in events if event.actor_kind == "human"}
    texts |= {str(event.human[role]) for event in events for role in OTHERS if role in event.human}
    ids = {int(text) for text in texts if text.isdecimal()}
    unknown = ids.difference(known)
    people = [*(known[key] for key in ids - unknown), *(User.objects.filter(pk__in=unknown) if unknown else ())]
    return {str(user.pk): user.get_full_name() or user.get_username() for user in people}


def who(event: EventView, names: Mapping[str, str], agent_name: str) -> str:
    """Return who did it, for a sentence."""
    if event.actor_kind == "human":
        return names.get(event.actor_id, f"Person {event.actor_id}")
    if event.actor_kind == "agent":
        return agent_name or event.actor_id
    return "Countersign"


def line(event: EventView, name: str, names: Mapping[str, str] = NOBODY) -> str:
    """Return an event as one sentence; a kind without a sentence of its own is shown as it is called."""
    outcome, human, gate = event.outcome, event.human, _mapping(event.record.get("gate"))
    refused = f": {REFUSED.get(outcome['code'], outcome['code'])}" if "code" in outcome else ""
    sentences = {
        "proposal:proposed": ASKED_AGAIN if "asked_again" in outcome else f"{name} proposed it",
        "proposal:opened": f"{name} opened the page",
        "proposal:commented": f"{name} commented",
        "proposal:attached": f"{name} attached a file",
        "proposal:attachment_fetched": f"{name} fetched an attachment",
        "proposal:discussion_refused": f"{name} was refused to add something{refused}",
        "step_up:asked": f"{name} was asked for a second factor",
        "proposal:withdrawn": f"{name} withdrew it",
        "proposal:expired": "It expired undecided",
        "proposal:voided": "It was voided",
        "proposal:rejected": "The route ended: rejected",
        "proposal:changes_requested": "The route ended: changes requested",
        "proposal:superseded": ASKED_AGAIN if outcome.get("code") == "asked_again" else f"{name} replaced it by a revision",
        "gate:routed": _routed(gate),
        "approval:decided": _decided(name, human, names),
        "approval:granted": "Approved automatically by the policy" if gate.get("automatic") else "The route is satisfied: approved",
        "approval:refused": f"{name} was refused to decide{refused}",
        "commit:opened": "The commit was queued",
        "commit:started": "The commit was checked again and sent",
        "commit:succeeded": _succeeded(outcome),
        "commit:failed": "Nothing was sent: what the approval leaned on no longer held"
        if outcome.get("code") in DRIFTED
        else f"The ERP refused the commit{refused}",
        "commit:unknown": "The ERP's answer was lost; the outcome is unknown",
        "commit:deferred": f"The commit was put back into the queue{refused}",
        "commit:frozen": f"The commit was frozen{refused}",
        "commit:released": "The agent may act again: the commit is due",
        "erp:difference_found": "What landed differs from what was approved",
        "gate:escalated": f"It was overdue: {gate.get('fallback', 'another group')} is asked as well",
        "work:claimed": f"{name} takes care of it",
        "work:forwarded": f"{name} forwarded it to {_person(human.get('to', ''), names)}",
        "work:returned": f"{name} returned it to the group",
        "work:snoozed": f"{name} snoozed it",
        "work:woken": f"{name} no longer snoozes it",
        "work:refused": f"{name} was refused to take care of it{refused}",
        "read:opened": f"{name} opened data that it used",
        "review:given": f"{name} reviewed it, not knowing the decision",
        "read:taken": f"{name} took a read",
        "read:refused": f"{name} was refused a read{refused}",
        "proposal:refused": f"{name} was refused to propose{refused}",
        "evidence:bundle_exported": f"{name} exported the evidence bundle",
        "evidence:bundle_downloaded": f"{name} downloaded the evidence bundle",
    }
    return sentences.get(event.kind) or f"{name}: {sentence(event.kind.replace(':', ' '))}"


def _routed(gate: Mapping[str, Any]) -> str:
    row = f"row {gate.get('row', '?')} of policy v{gate.get('version', '?')}"
    if gate.get("automatic"):
        return f"Gate: {row} approves it without a person"
    required = int(gate.get("approvals_required", 0))
    return f"Gate: {row} asks for {counted(required, 'approval', 'approvals')}"


def _decided(name: str, human: Mapping[str, Any], names: Mapping[str, str]) -> str:
    text = f"{name} {DECIDED.get(str(human.get('decision', '')), 'decided')}"
    if "acting_for" in human:
        text += f" for {_person(human['acting_for'], names)}"
    if "set_digest" in human:
        text += " in bulk"
    code = str(human.get("reason_code", ""))
    return f"{text}: {reason_text(code)}" if code else text


def _succeeded(outcome: Mapping[str, Any]) -> str:
    found = outcome.get("differences", 0)
    count = found if isinstance(found, int) else len(found)
    read_back = "read back as approved" if not count else f"read back with {counted(count, 'difference', 'differences')}"
    moved = outcome.get("tolerated", [])
    drift = f"; {counted(len(moved), 'fact', 'facts')} moved within tolerance" if isinstance(moved, list) and moved else ""
    return f"Committed as {outcome.get('document', '?')}, {read_back}{drift}"


def _person(key: object, names: Mapping[str, str]) -> str:
    return names.get(str(key), f"person {key}")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
