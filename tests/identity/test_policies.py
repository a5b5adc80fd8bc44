"""Grants as pure decisions: each bound at its edge, each denial with what was observed and what is allowed."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.catalogue import Effect
from identity.models import Agent, Grant
from identity.policies import Usage, agent_standing, check_grant
from identity.principals import TokenDetail
from kernel.ids import new_id
from kernel.money import Money
from kernel.verdicts import Allowed, Denied

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BOUNDS: dict[str, Any] = {
    "tool": "create_purchase_order",
    "tool_kind": "write",
    "state": "active",
    "companies": ["DE01", "US01"],
    "vendors": ["1580", "1650"],
    "accounts": ["6000", "6100"],
    "cost_centres": ["4711"],
    "currency": "EUR",
    "ceiling_minor": 1_000_00,
    "ceiling_day_minor": 3_000_00,
    "ceiling_30_days_minor": 9_000_00,
    "count_per_hour": 5,
    "valid_from": NOW - timedelta(days=1),
    "valid_until": NOW + timedelta(days=1),
}
ANYTHING: dict[str, Any] = {"vendors": [], "accounts": [], "cost_centres": []}
DETAIL = TokenDetail("propose", "create_purchase_order", "DE01", new_id())
EFFECT = Effect(
    amount=Money(1_000_00, "EUR"),
    counterparty="1580",
    cost_centre="4711",
    effective_on=date(2026, 11, 23),
    accounts=("6000",),
    reference="",
    counterparty_kind="vendor",
)
USAGE = Usage(day_minor=2_000_00, thirty_days_minor=8_000_00, hour_count=4)


def verdict(
    grant: dict[str, Any] | None = None,
    detail: dict[str, Any] | None = None,
    effect: dict[str, Any] | None = None,
    usage: dict[str, int] | None = None,
    now: datetime = NOW,
) -> Allowed | Denied:
    return check_grant(
        grant=Grant(**(BOUNDS | (grant or {}))),
        detail=dataclasses.replace(DETAIL, **(detail or {})),
        effect=dataclasses.replace(EFFECT, **(effect or {})),
        usage=dataclasses.replace(USAGE, **(usage or {})),
        now=now,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},  # every bound at its edge
        {"grant": {"state": "log_only"}},
        {"grant": ANYTHING, "effect": {"counterparty": "x", "accounts": ("y",), "cost_centre": ""}},
        {"detail": {"company": "US01"}},
        {"detail": {"resource": "vendor:1580"}},
        {"detail": {"resource": "cost_centre:4711"}},
        {"detail": {"resource": "account:6000"}},
        {"detail": {"ceiling_minor": 1_000_00, "currency": "EUR"}},
        {"now": BOUNDS["valid_from"]},
        {"now": BOUNDS["valid_until"] - timedelta(microseconds=1)},
    ],
)  # fmt: skip
def test_inside_the_bounds(changes: dict[str, Any]) -> None:
    assert verdict(**changes) == Allowed()


@pytest.mark.parametrize(
    ("changes", "code", "observed", "acceptable"),
    [
        ({"grant": {"state": "revoked"}}, "grant_not_active", "revoked", "a new grant"),
        ({"now": BOUNDS["valid_from"] - timedelta(seconds=1)}, "grant_not_yet_valid", "2026-11-22T08:59:59", "2026-11-22T09:00:00"),
        ({"now": BOUNDS["valid_until"]}, "grant_expired", "2026-11-24T09:00:00", "a new grant"),
        ({"detail": {"company": "FR01"}}, "grant_company", "FR01", "DE01, US01"),
        ({"effect": {"counterparty": "9999"}}, "grant_vendor", "9999", "1580, 1650"),
        ({"effect": {"counterparty": ""}}, "grant_vendor", "", "1580, 1650"),
        ({"effect": {"accounts": ("6000", "7000")}}, "grant_account", "7000", "6000, 6100"),
        ({"effect": {"cost_centre": "4712"}}, "grant_cost_centre", "4712", "4711"),
        ({"effect": {"amount": Money(1, "USD")}}, "grant_currency", "USD", "EUR"),
        ({"effect": {"amount": Money(1_000_01, "EUR")}}, "ceiling_per_write", "1,000.01 EUR", "at most 1,000.00 EUR"),
        ({"effect": {"amount": Money(-1_000_01, "EUR")}}, "ceiling_per_write", "1,000.01 EUR", "at most 1,000.00 EUR"),
        ({"usage": {"day_minor": 2_000_01}}, "ceiling_day", "3,000.01 EUR", "at most 999.99 EUR"),
        ({"usage": {"day_minor": 5_000_00}}, "ceiling_day", "6,000.00 EUR", "at most 0.00 EUR"),
        ({"usage": {"thirty_days_minor": 8_000_01}}, "ceiling_30_days", "9,000.01 EUR", "at most 999.99 EUR"),
        ({"usage": {"hour_count": 5}}, "count_per_hour", "6", "at most 5 per hour"),
        ({"detail": {"ceiling_minor": 999_99, "currency": "EUR"}}, "ceiling_token", "1,000.00 EUR", "at most 999.99 EUR"),
        ({"detail": {"ceiling_minor": 1_000_01, "currency": "EUR"}}, "ceiling_per_write", "1,000.01 EUR", "at most 1,000.00 EUR"),
        ({"detail": {"ceiling_minor": 1, "currency": "USD"}}, "grant_currency", "USD", "EUR"),
        ({"detail": {"resource": "vendor:1650"}}, "token_resource", "vendor:1580", "vendor:1650"),
        ({"detail": {"resource": "account:6100"}}, "token_resource", "account:6000", "account:6100"),
        ({"detail": {"resource": "customer:1580"}}, "token_resource", "customer:", "customer:1580"),
        ({"detail": {"resource": "item:1580"}}, "token_resource", "item:", "item:1580"),
    ],
)
def test_outside_the_bounds(changes: dict[str, Any], code: str, observed: str, acceptable: str) -> None:
    denied = verdict(**changes)
    assert isinstance(denied, Denied)
    assert denied.code == code
    assert denied.observed.startswith(observed)
    assert acceptable in denied.acceptable
    assert observed in denied.reason


def test_no_grant_at_all() -> None:
    denied = check_grant(grant=None, detail=DETAIL, now=NOW)
    assert isinstance(denied, Denied)
    assert denied.code == "grant_missing"


def test_a_read_looks_at_state_dates_and_companies_only() -> None:
    grant = Grant(**(BOUNDS | {"tool_kind": "read", "ceiling_minor": None}))
    assert check_grant(grant=grant, detail=DETAIL, now=NOW) == Allowed()
    denied = check_grant(grant=grant, detail=dataclasses.replace(DETAIL, company="FR01"), now=NOW)
    assert isinstance(denied, Denied)
    assert denied.code == "grant_company"


@pytest.mark.parametrize(
    ("state", "expires_on", "code"),
    [
        ("active", date(2026, 11, 23), ""),
        ("active", date(2026, 11, 22), "agent_review_overdue"),
        ("draft", date(2027, 1, 1), "agent_not_active"),
        ("suspended", date(2026, 1, 1), "agent_suspended"),
        ("decommissioned", date(2027, 1, 1), "agent_decommissioned"),
    ],
)
def test_an_agents_standing(state: str, expires_on: date, code: str) -> None:
    standing = agent_standing(Agent(name="A", state=state, expires_on=expires_on), NOW)
    assert (standing.code if isinstance(standing, Denied) else "") == code
