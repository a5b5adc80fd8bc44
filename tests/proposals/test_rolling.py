"""Rolling sums come from totals by the hour, and are the sums of the rows to the minor unit, wherever a window begins."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F, Sum, Value
from django.db.models.functions import TruncHour

from identity.models import Agent
from kernel.together import Together
from proposals.models import Proposal, RollingTotal
from proposals.queries import COUNTED
from proposals.rolling import ask_sums, next_hour, rolling_usage
from tests.builders.proposals import submit
from tests.proposals.conftest import Door

pytestmark = pytest.mark.django_db

NOW = datetime.fromisoformat("2026-11-23T10:30:00+00:00")
TOOL = "create_purchase_order"
STATES = ["pending", "approved", "rejected", "withdrawn", "expired", "changes_requested", "superseded", "voided"]
# Around every end of a window, and on it, and on the hour.
EDGES = [timedelta(hours=1), timedelta(hours=24), timedelta(days=7), timedelta(days=30)]

COPIES = """
INSERT INTO proposals_proposal ({columns})
SELECT {values} FROM proposals_proposal AS template,
    unnest(%s::uuid[], %s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS copy (id, at, minor, currency, counterparty, centre, state)
WHERE template.id = %s
"""
OWN = {
    "id": "copy.id",
    "idempotency_key": "copy.id::text",
    "created_at": "copy.at",
    "expires_at": "copy.at + interval '60 days'",
    "amount_minor": "copy.minor",
    "currency": "copy.currency",
    "counterparty": "copy.counterparty",
    "cost_centre": "copy.centre",
    "state": "copy.state",
    "decided_at": "CASE WHEN copy.state <> 'pending' THEN copy.at END",
}


@pytest.fixture
def agent(door: Door) -> Agent:
    """Return an agent with four hundred proposals in forty days, of every state, many of them at the ends of windows."""
    chance = random.Random(5)  # noqa: S311  the same rows every time
    template = submit(door.principal())
    rows = []
    for _ in range(400):
        at = NOW - timedelta(seconds=chance.randrange(40 * 86_400))
        if chance.random() < 0.4:
            at = NOW - chance.choice(EDGES) + timedelta(microseconds=chance.choice([-1, 0, 1, 1_799_999_999, 1_800_000_000, 1_800_000_001]))
        money = chance.randrange(1, 10**6), chance.choice(["EUR", "USD"])
        named = chance.choice(["1580", "2000"]), chance.choice(["4100", "4200"]), chance.choice(STATES)
        rows.append((UUID(int=chance.getrandbits(128)), at, *money, *named))
    columns = [str(field.column) for field in Proposal._meta.concrete_fields]
    values = ", ".join(OWN.get(name, f"template.{name}") for name in columns)
    with connection.cursor() as cursor:
        statement = COPIES.format(columns=", ".join(columns), values=values)
        cursor.execute(statement, [*[list(column) for column in zip(*rows, strict=True)], template.pk])
    return door.agent


def sum_of_rows(agent: Agent, since: datetime, **where: str) -> int:
    rows = Proposal.objects.filter(agent=agent, tool=TOOL, created_at__gt=since, state__in=COUNTED, **where)
    return rows.aggregate(total=Sum("amount_minor"))["total"] or 0


@pytest.mark.parametrize("shift", [0, 1, -1, 1_800_000_000, 123_456_789])
def test_usage_is_the_sum_of_the_rows(agent: Agent, shift: int) -> None:
    now = NOW + timedelta(microseconds=shift)
    for currency in ("", "EUR", "USD"):
        where = {"currency": currency} if currency else {}
        usage = rolling_usage(agent.pk, TOOL, now, currency=currency)
        assert usage.day_minor == sum_of_rows(agent, now - timedelta(hours=24), **where)
        assert usage.thirty_days_minor == sum_of_rows(agent, now - timedelta(days=30), **where) > 0
    submitted = Proposal.objects.filter(agent=agent, tool=TOOL, created_at__gt=now - timedelta(hours=1))
    assert usage.hour_count == submitted.count()


@pytest.mark.parametrize("by", ["counterparty", "cost_centre"])
def test_sums_by_counterparty_and_cost_centre_are_those_of_the_rows(agent: Agent, by: str) -> None:
    values = {"counterparty": ["1580", "2000"], "cost_centre": ["4100", "4200"]}[by]
    for days in (1, 7, 30):
        since = NOW - timedelta(days=days)
        together = Together()
        asked = ask_sums(together, agent.pk, TOOL, by, values, since=since)
        together.send()
        found = {(value, currency): minor for value, _, currency, minor in asked.rows}
        expected = {
            (value, currency): total
            for value in values
            for currency in ("EUR", "USD")
            if (total := sum_of_rows(agent, since, **{by: value, "currency": currency}))
        }
        assert found == expected


def test_what_is_taken_back_no_longer_counts(agent: Agent) -> None:
    before = rolling_usage(agent.pk, TOOL, NOW, currency="EUR").thirty_days_minor
    one = Proposal.objects.filter(agent=agent, currency="EUR", state="pending", created_at__gt=NOW - timedelta(days=29)).first()
    assert one is not None
    Proposal.objects.filter(pk=one.pk).update(state="withdrawn", decided_at=NOW)
    assert rolling_usage(agent.pk, TOOL, NOW, currency="EUR").thirty_days_minor == before - one.amount_minor


def test_every_total_is_the_sum_of_its_hour(agent: Agent) -> None:
    Proposal.objects.filter(state="pending").update(state="expired", decided_at=NOW)
    for by, value, company in (
        ("agent", Value(""), Value("")),
        *((name, F(name), F("company")) for name in ("counterparty", "cost_centre")),
    ):
        for is_released in (False, True):
            rows = Proposal.objects.exclude(state__in=COUNTED) if is_released else Proposal.objects.all()
            parts = rows.annotate(hour=TruncHour("created_at"), kept=value, where=company)
            grouped = parts.values_list("agent_id", "hour", "currency", "where", "kept").annotate(total=Sum("amount_minor")).order_by()
            kept = RollingTotal.objects.filter(kept_by=by, is_released=is_released)
            assert set(kept.values_list("agent_id", "hour", "currency", "company", "value", "minor")) == set(grouped)


def test_the_first_whole_hour_lies_behind_the_instant() -> None:
    on_the_hour = NOW.replace(minute=0)
    assert next_hour(on_the_hour) == on_the_hour + timedelta(hours=1)
    assert next_hour(NOW) == on_the_hour + timedelta(hours=1)
