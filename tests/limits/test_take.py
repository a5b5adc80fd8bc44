"""Taking from a quota: evenly, across connections, in one statement."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from identity.limits import services
from identity.limits.models import RateCounter
from identity.limits.quotas import Quota, Standing, parse_quota, rate_limit_headers

TEN = Quota("agent", 10, 60)
THREE = Quota("tool", 3, 60)


def after(instant: datetime, seconds: float) -> datetime:
    return instant + timedelta(seconds=seconds)


@pytest.mark.django_db
def test_a_quota_is_used_up_and_comes_back_evenly(instant: datetime) -> None:
    taken = [services.take("a", TEN, now=instant) for _ in range(11)]
    assert [item.is_allowed for item in taken] == [True] * 10 + [False]
    assert [item.remaining for item in taken] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert taken[-1].wait_seconds == 6
    assert not services.take("a", TEN, now=after(instant, 5.9)).is_allowed
    assert services.take("a", TEN, now=after(instant, 6)).is_allowed
    assert not services.take("a", TEN, now=after(instant, 6)).is_allowed
    whole = services.take("a", TEN, now=after(instant, 200))
    assert (whole.is_allowed, whole.remaining) == (True, 9)


@pytest.mark.django_db
def test_who_is_refused_pays_nothing(instant: datetime) -> None:
    for _ in range(20):
        services.take("a", THREE, now=instant)
    assert services.take("a", THREE, now=after(instant, 20)).is_allowed


@pytest.mark.django_db
def test_two_quotas_are_taken_in_one_statement_each_by_its_own_size(instant: datetime) -> None:
    with CaptureQueriesContext(connection) as queries:
        both = services.take_all([("a", TEN), ("a/tool", THREE)], now=instant)
    assert len(queries) == 1
    assert [item.remaining for item in both] == [9, 2]
    for _ in range(2):
        services.take_all([("a", TEN), ("a/tool", THREE)], now=instant)
    agent, tool = services.take_all([("a", TEN), ("a/tool", THREE)], now=instant)
    assert (agent.is_allowed, tool.is_allowed) == (True, False)
    assert (agent.wait_seconds, tool.wait_seconds) == (1, 20)
    assert services.take("b", TEN, now=instant).remaining == 9


@pytest.mark.django_db
def test_a_cost_counts_as_so_many_and_never_more_than_the_quota(instant: datetime) -> None:
    assert services.take("a", TEN, now=instant, cost=7).remaining == 3
    assert not services.take("a", TEN, now=instant, cost=4).is_allowed
    assert services.take("a", TEN, now=instant, cost=3).is_allowed
    assert services.take("b", TEN, now=instant, cost=1000).is_allowed


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_exactly_the_quota(instant: datetime) -> None:
    allowed: list[Standing] = []

    def knock() -> None:
        try:
            taken = [services.take("a", TEN, now=instant) for _ in range(5)]
            allowed.extend(standing for standing in taken if standing.is_allowed)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=knock) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == 10
    RateCounter.objects.all().delete()


@pytest.mark.django_db
def test_a_counter_costs_no_log_and_is_forgotten(instant: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'identity_ratecounter'")
        assert cursor.fetchone() == ("u",)
    services.take("a", TEN, now=instant)
    assert services.forget_unused(now=after(instant, 3600)) == 0
    assert services.forget_unused(now=after(instant, 25 * 3600)) == 1


def test_the_fields_are_those_of_the_draft(instant: datetime) -> None:
    standings = [
        Standing(Quota("agent", 100, 60), is_allowed=True, full_at=after(instant, 30), now=instant),
        Standing(Quota("tool", 10, 60), is_allowed=False, full_at=after(instant, 60), now=instant),
        Standing(Quota("fresh", 10, 60), is_allowed=True, full_at=instant, now=instant),
    ]
    assert rate_limit_headers(standings) == {
        "RateLimit-Policy": '"agent";q=100;w=60, "tool";q=10;w=60, "fresh";q=10;w=60',
        "RateLimit": '"agent";r=50;t=1, "tool";r=0;t=6, "fresh";r=10;t=0',
    }
    assert rate_limit_headers([]) == {}


@pytest.mark.parametrize("text", ["", "0/60", "60", "60/0", "-1/60", "1.5/60", "60/60/60", "sixty/60", "60/ 60", "99999999/60"])
def test_a_quota_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither off nor"):
        parse_quota("agent", text)


def test_a_quota_can_be_off() -> None:
    assert parse_quota("agent", "Off") is None
    assert parse_quota("agent", "600/60") == Quota("agent", 600, 60)
