"""Reading thresholds in force, flags of proposals, and what was proposed before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID

from approvals.flags.models import Flag
from approvals.rules import Entry, Past, Seen, Thresholds
from approvals.rules.past import REMEMBERED_MAX, Here, place
from approvals.rules.thresholds import WEEKDAYS
from kernel.ids import Prefix, encode
from kernel.together import Together
from proposals.queries import COUNTED

IN_FORCE = """
SELECT wanted.company, coalesce(found.version, 0), found.values, calendar.weekend, calendar.time_zone, calendar.opens_at,
    calendar.closes_at, ARRAY(SELECT holiday.on FROM approvals_holiday AS holiday WHERE holiday.calendar_id = calendar.id ORDER BY 1)
FROM unnest(%s::text[]) AS wanted (company)
LEFT JOIN LATERAL (
    SELECT version, values FROM approvals_thresholdset
    WHERE activated_at IS NOT NULL AND company IN (wanted.company, '') ORDER BY company DESC, version DESC LIMIT 1
) AS found ON true
LEFT JOIN approvals_businesscalendar AS calendar ON calendar.company = wanted.company
"""

# One statement, however many drafts: for each place its newest rows and whether the agent wrote there, and once for each tool how
# often it wrote at all, up to a bound. Every part stops after so many rows of an index, so that nothing grows with the history:
# "the first time" and "the usual amount" are about the newest writes for a counterparty.
EARLIER = """
WITH wanted AS (
    SELECT * FROM unnest(%(companies)s::text[], %(tools)s::text[], %(counterparties)s::text[], %(currencies)s::text[])
        WITH ORDINALITY AS wanted (company, tool, counterparty, currency, position)
), written AS MATERIALIZED (
    SELECT asked.company, asked.tool, (
        SELECT count(*) FROM (
            SELECT FROM proposals_proposal AS mine
            WHERE mine.agent_id = %(agent)s AND mine.tool = asked.tool AND mine.company = asked.company AND mine.state = ANY(%(counted)s)
            LIMIT %(writes)s
        ) AS writes
    ) AS writes
    FROM (SELECT DISTINCT company, tool FROM wanted) AS asked
)
SELECT wanted.position, newest.id, newest.agent_id, newest.amount_minor, newest.created_at, written.writes,
    newest.currency = wanted.currency AND newest.created_at > %(since)s
FROM wanted
JOIN written ON written.company = wanted.company AND written.tool = wanted.tool
LEFT JOIN LATERAL (
    SELECT id, agent_id, amount_minor, created_at, currency, state FROM proposals_proposal AS earlier
    WHERE earlier.company = wanted.company AND earlier.tool = wanted.tool AND earlier.counterparty = wanted.counterparty
    ORDER BY earlier.created_at DESC LIMIT %(scanned)s
) AS newest ON newest.state = ANY(%(counted)s)
ORDER BY wanted.position, newest.created_at
"""


@dataclass(frozen=True, slots=True)
class InForce:
    """The thresholds of one company, and their version; 0 for the defaults."""

    version: int
    thresholds: Thresholds

    @classmethod
    def default(cls) -> InForce:
        """Return what holds where nobody has set anything."""
        return cls(0, Thresholds())


def thresholds_in_force(companies: Iterable[str]) -> dict[str, InForce]:
    """Return what each company's writes are held against: its own set, else everybody's, else the defaults; and its calendar."""
    together = Together()
    asked = AskedThresholds(together, companies)
    together.send()
    return asked.found()


class AskedThresholds:
    """The question for the thresholds of some companies, asked with others."""

    def __init__(self, together: Together, companies: Iterable[str]) -> None:
        """Ask; the answer is there when the message was sent."""
        self._asked = together.ask(IN_FORCE.strip(), [sorted(set(companies))])

    def found(self) -> dict[str, InForce]:
        """Return what each company's writes are held against."""
        return {
            company: InForce(version, _with_calendar(Thresholds.from_dict(_object(values)), *calendar))
            for company, version, values, *calendar in self._asked.rows
        }


def _object(values: object) -> Mapping[str, str]:
    found = json.loads(values) if isinstance(values, str) else values
    return found if isinstance(found, dict) else {}


def _with_calendar(
    found: Thresholds,
    weekend: Sequence[int] | None,
    time_zone: str | None,
    opens_at: time | None,
    closes_at: time | None,
    holidays: Sequence[date],
) -> Thresholds:
    """Return the thresholds with the company's business calendar; without one, Monday to Friday and no hours."""
    if time_zone is None:
        return found
    free = set(weekend or ())
    return replace(
        found,
        time_zone=time_zone,
        working_days=tuple(day for number, day in enumerate(WEEKDAYS, start=1) if number not in free),
        opens_at=opens_at,
        closes_at=closes_at,
        holidays=tuple(holidays),
    )


def past_of(entries: Sequence[Entry], *, agent_id: UUID, agent: str, now: datetime, days: int, writes_up_to: int) -> Past:
    """Return what was proposed before, wherever one of these entries of one agent goes; one statement.

    `writes_up_to` is where counting the agent's own writes may stop.
    """
    together = Together()
    asked = AskedPast(together, entries, agent_id=agent_id, now=now, days=days, writes_up_to=writes_up_to)
    together.send()
    return asked.found(agent=agent)


class AskedPast:
    """The question of `past_of`, asked with others."""

    def __init__(
        self, together: Together, entries: Sequence[Entry], *, agent_id: UUID, now: datetime, days: int, writes_up_to: int
    ) -> None:
        """Ask; the answer is there when the message was sent."""
        self.days, self.writes_up_to = days, writes_up_to
        self._entries, self._agent_id = entries, agent_id
        self._places: list[Here] = list(dict.fromkeys(place(entry) for entry in entries))
        companies, tools, counterparties, currencies = ([item[index] for item in self._places] for index in range(4))
        self._asked = together.ask(
            EARLIER.strip(),
            {
                "agent": agent_id,
                "counted": [str(state) for state in COUNTED],
                "writes": writes_up_to,
                "scanned": REMEMBERED_MAX,
                "since": now - timedelta(days=days),
                "companies": companies,
                "tools": tools,
                "counterparties": counterparties,
                "currencies": currencies,
            },
        )

    def found(self, *, agent: str) -> Past:
        """Return what was proposed before; `agent` is the TypeID of the agent that asks."""
        past = Past()
        seen: dict[int, list[Seen]] = {}
        counts: dict[int, tuple[int, int]] = {}
        amounts = {entry.amount.minor for entry in self._entries}
        for position, key, by, minor, created_at, writes, is_alike in self._asked.rows:
            is_own = by == self._agent_id
            here = counts.get(position, (0, 0))[1]
            counts[position] = writes, here + is_own
            if key is not None and is_alike:
                # An identifier is made only where a rule could name it: a batch meets thousands of rows.
                name = encode(Prefix.PROPOSAL, key) if minor in amounts else ""
                seen.setdefault(position, []).append(Seen(name, agent if is_own else "", minor, created_at))
        for position, where in enumerate(self._places, start=1):
            writes, writes_here = counts.get(position, (0, 0))
            past.start(where, seen.get(position, []), agent=agent, writes=writes, writes_here=writes_here)
        return past


def flags_of(proposal_ids: Iterable[UUID]) -> dict[UUID, list[Flag]]:
    """Return the flags of these proposals, in the order of the rules; nothing for those without any."""
    found: dict[UUID, list[Flag]] = {}
    for flag in Flag.objects.filter(proposal_id__in=list(proposal_ids)):
        found.setdefault(flag.proposal_id, []).append(flag)
    for flags in found.values():
        flags.sort(key=lambda flag: int(flag.rule[1:]))
    return found


def flagged(proposal_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of these proposals that a rule struck at submission."""
    return set(Flag.objects.filter(proposal_id__in=list(proposal_ids)).values_list("proposal_id", flat=True))
