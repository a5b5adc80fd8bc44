"""The history of an agent, its keys and its grants: each audit event with the rows it changed, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import Field, ForeignKey, Model
from django.urls import reverse

from audit.queries import EventFilter, EventView, events
from identity.federation.models import FederatedCredential
from identity.models import Agent, Credential, Grant
from kernel.canonical import to_json_text
from kernel.display import Moment, sentence, utc
from kernel.money import Money

FAMILIES = ("agent", "credential", "grant")
EVENTS_MAX = 200
# What never changes, or says nothing to a person.
HIDDEN = frozenset({"id", "agent", "issuer", "jwk", "created_by", "last_edited_by", "created_at"})
NOTHING = "–"
SENTENCES: Mapping[str, str] = {
    "agent:registered": "registered the agent",
    "agent:activated": "activated the agent",
    "agent:suspended": "suspended the agent",
    "agent:resumed": "resumed the agent",
    "agent:renewed": "renewed the agent",
    "agent:edited": "changed the agent's description",
    "agent:token_terms_changed": "changed how its tokens are made",
    "agent:decommissioned": "decommissioned the agent",
    "agent:refused": "was refused a change of the agent",
    "credential:registered": "registered a key",
    "credential:revoked": "revoked a key",
    "credential:federated": "registered a federated credential",
    "credential:unfederated": "revoked a federated credential",
    "credential:refused": "was refused a change of a key",
    "grant:issued": "issued a grant",
    "grant:activated": "let a grant out of log-only",
    "grant:revoked": "revoked a grant",
    "grant:refused": "was refused a change of a grant",
}
LABELS: Mapping[str, str] = {
    "expires_on": "Review by",
    "acts_for": "May act for",
    "suspended_because": "Suspended because",
    "not_after": "Good until",
    "tool_kind": "Kind",
    "ceiling_minor": "Ceiling, each write",
    "ceiling_day_minor": "Ceiling, 24 hours",
    "ceiling_30_days_minor": "Ceiling, 30 days",
    "is_strict": "Strict",
    "token_binding": "Token binding",
    "token_shape": "Token shape",
    "default_details": "Default token details",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one row, before and after."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """One row that was made or changed: the agent, a key or a grant."""

    what: str
    is_new: bool
    changes: Sequence[Change]


@dataclass(slots=True)
class HistoryEntry:
    """One event with what it changed; without an event, a change that none of the services made."""

    at: Moment
    text: str
    reason: str = ""
    sequence: str = ""
    url: str = ""
    rows: list[ChangedRow] = field(default_factory=list)


def history_of(agent: Agent, *, may_audit: bool) -> list[HistoryEntry]:
    """Return what happened to the agent, its keys and grants, newest first; a constant number of queries."""
    found, complete_since = _events(agent)
    rows = list(_rows(agent))
    names = _names(found, rows)
    entries: dict[datetime, HistoryEntry] = {}
    listed = []
    for event in found:
        entry = _entry(event, names, may_audit=may_audit)
        listed.append((event.occurred_at, entry))
        entries.setdefault(event.occurred_at, entry)
    for at, changed in _changes(rows, names):
        known = entries.get(at)
        if known is None and at < complete_since:
            continue  # its event is older than those shown
        if known is None:
            known = entries[at] = HistoryEntry(_moment(at), "Changed without an event: this was none of the services")
            listed.append((at, known))
        known.rows.append(changed)
    return [entry for _, entry in sorted(listed, key=lambda item: item[0], reverse=True)]


def _events(agent: Agent) -> tuple[list[EventView], datetime]:
    """Return the latest events of each family, and since when they are complete."""
    found: list[EventView] = []
    complete_since = agent.created_at
    for family in FAMILIES:
        page = events(EventFilter(subject_kind="agent", subject_id=agent.public_id, family=family), limit=EVENTS_MAX)
        found += page.rows
        if page.next_cursor:
            complete_since = max(complete_since, page.rows[-1].occurred_at)
    return found, complete_since


def _entry(event: EventView, names: Mapping[int, str], *, may_audit: bool) -> HistoryEntry:
    person = names.get(int(event.actor_id), f"Person {event.actor_id}") if event.actor_id.isdecimal() else "Countersign"
    said = event.payload.get("content", {})
    reason = str(said.get("reason", "")) if isinstance(said, Mapping) else ""
    refused = f": {event.outcome['code']}" if event.kind.endswith(":refused") and "code" in event.outcome else ""
    tool = f" for {event.tool}" if event.tool else ""
    return HistoryEntry(
        at=_moment(event.occurred_at),
        text=f"{person} {SENTENCES.get(event.kind, sentence(event.kind.replace(':', ' ')).lower())}{tool}{refused}",
        reason=reason,
        sequence=f"#{event.sequence:,}" if event.sequence else "not sealed yet",
        url=reverse("audit:event", args=[event.event_id]) if may_audit else "",
    )


def _rows(agent: Agent) -> Iterable[Any]:
    """Yield the historical rows of the agent, of its keys and of its grants, each in the order in which they were written."""
    yield from agent.history.order_by("history_date", "history_id")
    for model in (Credential, FederatedCredential, Grant):
        yield from model.history.filter(agent_id=agent.pk).order_by("history_date", "history_id")


def _changes(rows: Iterable[Any], names: Mapping[int, str]) -> Iterable[tuple[datetime, ChangedRow]]:
    before: dict[tuple[str, object], Any] = {}
    for row in rows:
        key = (type(row).__name__, row.id)
        earlier = before.get(key)
        changes = list(_differences(earlier, row, names))
        before[key] = row
        if changes or earlier is None:
            yield row.history_date, ChangedRow(_called(row), earlier is None, changes)


def _differences(earlier: Any, row: Any, names: Mapping[int, str]) -> Iterable[Change]:
    for item in row.tracked_fields:
        if item.name in HIDDEN:
            continue
        after = _shown(row, item, names)
        before = _shown(earlier, item, names) if earlier is not None else NOTHING
        if before != after:
            yield Change(LABELS.get(item.name, sentence(item.name)), before, after)


def _shown(row: Any, item: Field[Any, Any], names: Mapping[int, str]) -> str:
    value = getattr(row, item.attname)
    if value in (None, "", [], {}):
        return NOTHING
    if item.name.endswith("_minor") and row.currency:
        return str(Money(value, row.currency))
    if isinstance(item, ForeignKey):
        return names.get(value, f"Person {value}")
    if item.name == "acts_for":
        return ", ".join(names.get(key, f"Person {key}") for key in value)
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    if isinstance(value, dict):
        return to_json_text(value)
    return str(dict(item.flatchoices).get(value, value)) if item.choices else str(value)


def _called(row: Any) -> str:
    kind = cast("type[Model]", row.instance_type)
    if kind is Agent:
        return "Agent"
    if kind is FederatedCredential:
        return f"Federated credential {row.subject}"
    return f"Key {row.thumbprint[:12]}…" if kind is Credential else f"Grant for {row.tool}"


def _names(found: Iterable[EventView], rows: Iterable[Any]) -> dict[int, str]:
    wanted = {int(event.actor_id) for event in found if event.actor_kind == "human" and event.actor_id.isdecimal()}
    for row in rows:
        for item in row.tracked_fields:
            if isinstance(item, ForeignKey) and item.related_model is User and (key := getattr(row, item.attname)) is not None:
                wanted.add(key)
        wanted.update(getattr(row, "acts_for", None) or ())
    return {person.pk: person.get_full_name() or person.get_username() for person in User.objects.filter(pk__in=wanted)}


def _moment(at: datetime) -> Moment:
    return Moment(at, f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}")
