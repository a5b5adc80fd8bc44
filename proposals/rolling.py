"""What an agent proposed in the last days, exactly, at a cost that does not grow with how much that was.

Triggers add each proposal to the totals of its hour, and what no longer counts (refused, lapsed, taken back) to totals of its own
(migration 0007). A window is the hours that lie wholly in it, and the rows of the rest of its first hour. Whoever submits holds the
agent's row, so totals are as exact as the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from identity.policies import Usage
from kernel.together import Reply, Together
from proposals.queries import COUNTED

IS_COUNTED = "state IN ({})".format(", ".join(f"'{state.value}'" for state in sorted(COUNTED)))
BY_COUNTERPARTY, BY_COST_CENTRE = "counterparty", "cost_centre"

NET = "CASE WHEN is_released THEN -minor ELSE minor END"
WINDOW = f"""
coalesce((
    SELECT sum({NET}) FROM proposals_rollingtotal
    WHERE agent_id = %(agent)s AND tool = %(tool)s AND kept_by = 'agent' AND value = '' AND hour >= %({{name}}_hour)s
        AND (%(currency)s = '' OR currency = %(currency)s)
), 0)::bigint + coalesce((
    SELECT sum(amount_minor) FROM proposals_proposal
    WHERE agent_id = %(agent)s AND tool = %(tool)s AND created_at > %({{name}})s AND created_at < %({{name}}_hour)s AND {IS_COUNTED}
        AND (%(currency)s = '' OR currency = %(currency)s)
), 0)::bigint
"""  # noqa: S608  constants
USAGE = f"""
SELECT {WINDOW.format(name="day")}, {WINDOW.format(name="month")}, (
    SELECT count(*) FROM proposals_proposal WHERE agent_id = %(agent)s AND tool = %(tool)s AND created_at > %(last_hour)s
)
""".strip()  # noqa: S608  constants
SUMS = {
    by: f"""
SELECT value, company, currency, sum(minor)::bigint FROM (
    SELECT value, company, currency, {NET} AS minor FROM proposals_rollingtotal
    WHERE agent_id = %(agent)s AND tool = %(tool)s AND kept_by = '{by}' AND value = ANY(%(values)s) AND hour >= %(since_hour)s
    UNION ALL
    SELECT {by}, company, currency, amount_minor FROM proposals_proposal
    WHERE agent_id = %(agent)s AND tool = %(tool)s AND created_at > %(since)s AND created_at < %(since_hour)s AND {IS_COUNTED}
        AND {by} = ANY(%(values)s)
) AS parts GROUP BY value, company, currency HAVING sum(minor) <> 0
""".strip()  # noqa: S608  one of two columns
    for by in (BY_COUNTERPARTY, BY_COST_CENTRE)
}


def rolling_usage(agent_id: UUID, tool: str, now: datetime, *, currency: str = "") -> Usage:
    """Return what the agent has used of its ceilings for this tool: sums of 24 hours and 30 days, submissions of the last hour.

    The sums count what is pending or approved, in `currency` when given; the count takes every submission, so that
    withdrawing and proposing again does not evade it.
    """
    together = Together()
    asked = ask_usage(together, agent_id, tool, now, currency=currency)
    together.send()
    return usage_in(asked)


def ask_usage(together: Together, agent_id: UUID, tool: str, now: datetime, *, currency: str) -> Reply:
    """Ask what `rolling_usage` returns, with others."""
    day, month = now - timedelta(hours=24), now - timedelta(days=30)
    return together.ask(
        USAGE,
        {
            "agent": agent_id,
            "tool": tool,
            "currency": currency,
            "day": day,
            "day_hour": next_hour(day),
            "month": month,
            "month_hour": next_hour(month),
            "last_hour": now - timedelta(hours=1),
        },
    )


def usage_in(asked: Reply) -> Usage:
    """Return the answer to `ask_usage`."""
    day, thirty_days, hour = asked.rows[0]
    return Usage(day_minor=day, thirty_days_minor=thirty_days, hour_count=hour)


def ask_sums(together: Together, agent_id: UUID, tool: str, by: str, values: Sequence[str], *, since: datetime) -> Reply:
    """Ask what the agent proposed since then for each of these counterparties or cost centres: value, company, currency, minor units."""
    asked = {"agent": agent_id, "tool": tool, "values": list(values), "since": since, "since_hour": next_hour(since)}
    return together.ask(SUMS[by], asked)


def next_hour(instant: datetime) -> datetime:
    """Return the beginning of the first whole hour after the instant; after it even if it is itself the beginning of one."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
