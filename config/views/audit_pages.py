"""What the audit pages show: events, periods and the state of the chain as finished texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.http import QueryDict
from django.urls import reverse

from approvals.pages.history import Entry, history, line, names_of, who
from approvals.pages.words import outcome_of, status_tag
from audit.kinds import FAMILIES
from audit.queries import ChainStatus, EventFilter, EventView, Population, chain_status, population
from audit.watch import log_health
from config.views.audit_visibility import Visibility
from identity.models import Agent
from kernel.canonical import to_json_text
from kernel.display import Moment, Tag, Tone, ago, counted, utc
from kernel.errors import InvalidIdentifier, NotVisible
from kernel.ids import Prefix, decode
from proposals.models import Proposal

YEARS = (2000, 2199)
PERIOD_DAYS = 30
ACTORS = (("human", "People"), ("agent", "Agents"), ("system", "Countersign"))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the query."""

    name: str
    label: str
    kind: str
    value: str
    options: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event in the list; an event of a company that the person has no role in keeps its place and hides its content."""

    url: str
    at: Moment
    sequence: str
    kind: str
    text: str
    subject: str
    subject_url: str
    company: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """One event as it was hashed."""

    id: str
    title: str
    facts: Sequence[tuple[str, object]]
    record: str
    payload: str


@dataclass(frozen=True, slots=True)
class StatusCard:
    """How the chain is doing."""

    tag: Tag
    sentence: str
    figures: Sequence[tuple[str, str, Moment | str]]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything recorded about one proposal."""

    id: str
    company: str
    headline: str
    status: Tag
    url: str
    entries: Sequence[Entry]
    facts: Sequence[tuple[str, object]]


def event_filter(query: QueryDict, now: datetime) -> tuple[EventFilter, tuple[date, date]]:
    """Return what the address asks for; without a period the last thirty days, both days included."""
    until = _day(query.get("until", "")) or now.date()
    since = _day(query.get("since", "")) or until - timedelta(days=PERIOD_DAYS - 1)
    if since > until:
        since, until = until, since
    family = query.get("family", "")
    chosen = EventFilter(
        since=_start(since),
        until=_start(until + timedelta(days=1)),
        family=family if family in FAMILIES else "",
        actor_kind=query.get("actor", "") if query.get("actor", "") in dict(ACTORS) else "",
        proposal=query.get("proposal", "").strip()[:80],
        company=query.get("company", "").strip()[:12],
    )
    return chosen, (since, until)


def _day(text: str) -> date | None:
    """Return the day that was written, or None for anything but a day of this century or the next."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if YEARS[0] <= day.year <= YEARS[1] else None


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def filter_fields(query: QueryDict, period: tuple[date, date]) -> list[Field]:
    """Return the query form as it was sent."""
    families = [(name, name.capitalize()) for name in sorted(FAMILIES)]
    return [
        Field("since", "From", "date", period[0].isoformat()),
        Field("until", "To, included", "date", period[1].isoformat()),
        Field("family", "About", "select", query.get("family", ""), families),
        Field("actor", "By", "select", query.get("actor", ""), ACTORS),
        Field("company", "Company", "text", query.get("company", "")),
        Field("proposal", "Proposal", "text", query.get("proposal", "")),
    ]


def population_of(period: tuple[date, date]) -> Population:
    """Return the statement of completeness for the period, before anything is filtered."""
    return population(since=_start(period[0]), until=_start(period[1] + timedelta(days=1)))


def event_rows(found: Sequence[EventView], visibility: Visibility) -> list[EventRow]:
    """Return the events as lines, with names instead of ids."""
    names, agents = names_of(found), _agent_names(found)
    return [_row(event, names, agents, is_visible=visibility.shows(event)) for event in found]


def _row(event: EventView, names: Mapping[str, str], agents: Mapping[str, str], *, is_visible: bool) -> EventRow:
    moment = Moment(event.occurred_at, utc(event.occurred_at)[:-4])
    sequence = f"#{event.sequence:,}" if event.sequence else "not sealed yet"
    if not is_visible:
        return EventRow("", moment, sequence, "", "An event of another company", "", "", "")
    return EventRow(
        url=reverse("audit:event", args=[event.event_id]),
        at=moment,
        sequence=sequence,
        kind=event.kind,
        text=line(event, who(event, names, agents.get(event.actor_id, ""))),
        subject=event.proposal or event.subject_id,
        subject_url=reverse("audit:proposal", args=[event.proposal]) if event.proposal else "",
        company=event.company,
    )


def _agent_names(found: Sequence[EventView]) -> dict[str, str]:
    keys = {}
    for event in found:
        if event.actor_kind == "agent":
            try:
                keys[decode(Prefix.AGENT, event.actor_id)] = event.actor_id
            except InvalidIdentifier:
                continue
    return {keys[key]: name for key, name in Agent.objects.filter(pk__in=keys).values_list("pk", "name")}


def event_page(event: EventView, visibility: Visibility) -> EventPage:
    """Return one event as it was hashed, and what lies beside it; raises NotVisible for another company's."""
    if not visibility.shows(event):
        raise NotVisible(detail="There is no such event in your companies.")
    names = names_of([event])
    return EventPage(
        id=event.event_id,
        title=line(event, who(event, names, _agent_names([event]).get(event.actor_id, ""))),
        facts=(
            ("Kind", event.kind),
            ("Sequence", f"#{event.sequence:,}" if event.sequence else "not sealed yet"),
            ("Occurred", utc(event.occurred_at)),
            ("Recorded", utc(event.recorded_at)),
            ("Subject", f"{event.subject_kind} {event.subject_id}"),
            ("Leaf", event.leaf),
        ),
        record=to_json_text(event.record),
        payload=to_json_text(event.payload) if event.payload else "",
    )


def proposal_timeline(proposal_id: str, companies: frozenset[str]) -> Timeline:
    """Return what is recorded about one proposal of these companies; raises NotVisible or InvalidIdentifier."""
    key = decode(Prefix.PROPOSAL, proposal_id)
    found = Proposal.objects.select_related("agent", "outcome").filter(pk=key, company__in=companies).first()
    if found is None:
        raise NotVisible(detail=f"There is no proposal {proposal_id} in your companies.")
    outcome = outcome_of(found)
    return Timeline(
        id=found.public_id,
        company=found.company,
        headline=found.headline,
        status=status_tag(found, outcome),
        url=reverse("approvals:proposal", args=[found.public_id]),
        entries=history(found.public_id, found.agent.name),
        facts=(
            ("Amount", str(found.amount)),
            ("Company", found.company),
            ("Agent", found.agent.name),
            ("Document", outcome.document if outcome and outcome.document else "–"),
            ("Payload digest", found.payload_digest),
        ),
    )


def status_card(now: datetime) -> StatusCard:
    """Return whether logging works, as monitoring is told it, with how far the chain is and how each place outside is doing."""
    status, health = chain_status(), log_health(now=now)
    return StatusCard(
        tag=Tag("Sealing", Tone.GOOD, "check") if health.is_well else Tag("Alarm", Tone.BAD, "warn"),
        sentence=" ".join(trouble.sentence for trouble in health.troubles)
        or "Every recorded event is linked to the one before it and sealed within seconds.",
        figures=(
            ("Sealed to", f"#{status.sealed_to:,}", _when(status.last_sealed_at, now)),
            ("Waiting for the sealer", counted(status.unsealed, "event", "events"), _when(status.oldest_unsealed_at, now)),
            ("Last signed checkpoint", f"size {status.checkpoint_size:,}", _when(status.checkpoint_at, now)),
            _verified(status, now),
            *((row.title, f"size {row.size:,}{', failing' if row.is_failing else ''}", _when(row.at, now)) for row in health.exports),
        ),
    )


def _verified(status: ChainStatus, now: datetime) -> tuple[str, str, Moment | str]:
    if status.verified_at is None:
        return "Last verification", "not yet", "make verify"
    verdict = "holds" if status.verified_holds else "does not hold"
    return "Last verification", f"{verdict}, to #{status.verified_size:,}", ago(status.verified_at, now)


def _when(instant: datetime | None, now: datetime) -> Moment | str:
    return ago(instant, now) if instant else ""
