"""How people decide, in numbers: who decides how fast, how often they agree, whether they open the data; one statement each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from approvals.oversight.models import Review
from approvals.oversight.states import Verdict
from kernel.money import Money

FAST_SECONDS = 10
# Upper ends of the bands of amounts, in whole units of the currency; the last band has none.
BANDS = (1_000, 10_000, 50_000)

DECISIONS = """
    SELECT d.user_id, d.kind, d.proposal_id, d.decided_at, p.amount_minor, p.currency,
           EXTRACT(EPOCH FROM d.decided_at - d.shown_at) AS seconds,
           EXISTS (SELECT 1 FROM approvals_bulkitem b WHERE b.decision_id = d.id) AS is_bulk,
           EXISTS (SELECT 1 FROM proposals_citation c WHERE c.proposal_id = d.proposal_id)
           OR EXISTS (SELECT 1 FROM approvals_attachment a
                       WHERE a.proposal_id = d.proposal_id AND a.created_at <= d.decided_at) AS has_evidence,
           EXISTS (SELECT 1 FROM approvals_evidenceopening o
                    WHERE o.proposal_id = d.proposal_id AND o.user_id = d.user_id AND o.opened_at <= d.decided_at) AS has_opened
      FROM approvals_decision d JOIN proposals_proposal p ON p.id = d.proposal_id
     WHERE d.decided_at >= %s AND d.decided_at < %s AND p.company = ANY (%s)
"""
# A run of approvals is what lies between two refusals of the same person: gaps and islands.
PEOPLE = f"""
WITH found AS ({DECISIONS}), runs AS (
    SELECT user_id, kind, count(*) FILTER (WHERE kind <> 'approve') OVER (PARTITION BY user_id ORDER BY decided_at, proposal_id) AS island
      FROM found
), streaks AS (
    SELECT user_id, max(length) AS streak FROM (
        SELECT user_id, count(*) AS length FROM runs WHERE kind = 'approve' GROUP BY user_id, island
    ) AS counted GROUP BY user_id
)
SELECT f.user_id, count(*), count(*) FILTER (WHERE kind = 'approve'), count(*) FILTER (WHERE is_bulk),
       count(*) FILTER (WHERE NOT is_bulk AND seconds < {FAST_SECONDS}), count(*) FILTER (WHERE NOT is_bulk),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE NOT is_bulk),
       count(*) FILTER (WHERE NOT is_bulk AND has_evidence), count(*) FILTER (WHERE NOT is_bulk AND has_evidence AND has_opened),
       COALESCE(max(s.streak), 0)
  FROM found f LEFT JOIN streaks s ON s.user_id = f.user_id
 GROUP BY f.user_id ORDER BY 2 DESC, 1
"""  # noqa: S608  both parts stand in this file
AMOUNTS = f"""
WITH found AS ({DECISIONS})
SELECT width_bucket(amount_minor / %s, %s::bigint[]) AS band, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
  FROM found WHERE currency = %s AND NOT is_bulk GROUP BY 1 ORDER BY 1
"""  # noqa: S608  both parts stand in this file
CURRENCY = f"WITH found AS ({DECISIONS}) SELECT currency FROM found GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"  # noqa: S608  as above


@dataclass(frozen=True, slots=True)
class Habits:
    """How one person decided in a period; times leave bulk approvals out, which have a page of their own."""

    user_id: int
    decisions: int
    approvals: int
    in_bulk: int
    fast: int
    alone: int
    median_seconds: int | None
    with_evidence: int
    evidence_opened: int
    streak: int


@dataclass(frozen=True, slots=True)
class Band:
    """How long people looked at amounts of one size."""

    label: str
    decisions: int
    median_seconds: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the blind second review found."""

    drawn: int
    given: int
    disagreed: int
    without_reviewer: int


def habits(*, since: datetime, until: datetime, companies: Iterable[str]) -> list[Habits]:
    """Return how each person decided in the period in these companies, who decided most at the top."""
    return [Habits(*(*row[:6], None if row[6] is None else int(row[6]), *row[7:])) for row in _rows(PEOPLE, since, until, companies)]


def bands(*, since: datetime, until: datetime, companies: Iterable[str]) -> tuple[str, list[Band]]:
    """Return the currency most decisions were in, and the median time for each size of amount in it."""
    wanted = list(companies)
    found = _rows(CURRENCY, since, until, wanted)
    if not found:
        return "", []
    currency = str(found[0][0])
    unit = Money.parse("1", currency).minor
    rows = _rows(AMOUNTS, since, until, wanted, unit, list(BANDS), currency)
    return currency, [Band(_label(int(number)), int(count), int(median)) for number, count, median in rows]


def agreement(*, since: datetime, until: datetime, companies: Iterable[str]) -> Agreement:
    """Return how many reviews were drawn for the period, how many were given, and how many of those disagreed."""
    rows = Review.objects.filter(draw__company__in=list(companies), draw__on__gte=since.date(), draw__on__lte=until.date())
    found = list(rows.values_list("verdict", "reviewer_id"))
    given = [verdict for verdict, _ in found if verdict]
    return Agreement(
        drawn=len(found),
        given=len(given),
        disagreed=sum(verdict != Verdict.APPROVE for verdict in given),
        without_reviewer=sum(reviewer is None for _, reviewer in found),
    )


def _label(number: int) -> str:
    if number == 0:
        return f"below {BANDS[0]:,}"
    return f"{BANDS[number - 1]:,} to {BANDS[number]:,}" if number < len(BANDS) else f"{BANDS[-1]:,} and more"


def _rows(statement: str, since: datetime, until: datetime, companies: Iterable[str], *more: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        parameters: list[Any] = [since, until, list(companies), *more]
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
