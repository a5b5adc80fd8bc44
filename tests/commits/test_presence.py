"""A dead worker's claim is taken over within seconds, a living worker's never; what is due without a wake-up is found by the pulse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection

from commits import services
from commits.models import Commit
from commits.presence import abandoned, hold
from commits.queries import has_due_work
from commits.records import Counts
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from kernel import queue
from kernel.clock import now as clock_now
from kernel.queue import Cluster, SkipLockedBroker, on_pulse, wake
from tests.builders.commits import WORKER, Gate, commit_of, landed_orders
from tests.builders.gateway import Fault, FaultyConnector

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
NOBODY = 4711


def claimed(gate: Gate) -> Commit:
    proposal = gate.approved_order()
    services.open_commits(now=clock_now())
    services.claim(now=clock_now(), worker=WORKER)
    return commit_of(proposal)


def test_claim_carries_the_number_that_its_session_holds(gate: Gate) -> None:
    commit = claimed(gate)
    assert commit.holder == hold() == hold()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time(), pg_try_advisory_lock(%s)", [commit.holder])
        assert cursor.fetchone() == (commit.holder_server_started_at, True)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [commit.holder])


def test_living_worker_keeps_its_claim_until_the_lease_ends(gate: Gate) -> None:
    claimed(gate)
    assert abandoned(limit=5) == []
    assert services.expire_leases(now=clock_now() + timedelta(seconds=100)) == Counts()
    assert services.expire_leases(now=clock_now() + timedelta(seconds=121)) == Counts(unknown=1)


def test_dead_workers_claim_is_taken_over_at_once(gate: Gate) -> None:
    commit = claimed(gate)
    assert not has_due_work()
    Commit.objects.update(holder=NOBODY)

    assert has_due_work()
    assert services.recover(now=clock_now) == Counts(unknown=1, deferred=1)
    commit.refresh_from_db()
    assert (commit.state, commit.code, commit.holder, commit.holder_server_started_at) == ("queued", "not_landed", None, None)
    later = clock_now() + timedelta(seconds=2)
    assert services.recover(now=lambda: later) == Counts(claimed=1, succeeded=1)
    assert len(landed_orders()) == 1


@pytest.mark.parametrize("number", [NOBODY, -NOBODY, 2**63 - 1, -(2**63)])
def test_a_lock_that_somebody_holds_is_recognised_whatever_its_number(gate: Gate, number: int) -> None:
    claimed(gate)
    Commit.objects.update(holder=number)
    assert len(abandoned(limit=5)) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        try:
            assert abandoned(limit=5) == []
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


def test_restart_of_postgresql_proves_nothing_about_a_worker(gate: Gate) -> None:
    commit = claimed(gate)
    assert commit.holder_server_started_at is not None
    Commit.objects.update(holder=NOBODY, holder_server_started_at=commit.holder_server_started_at - timedelta(hours=1))
    assert abandoned(limit=5) == []
    assert services.expire_leases(now=clock_now()) == Counts()


def test_pulse_finds_a_pause_that_is_over_and_an_unknown_outcome(gate: Gate) -> None:
    gate.approved_order()
    with use_connector(FaultyConnector(EmbeddedConnector(), [Fault.NOT_SENT, Fault.RAISES_AFTER_COMMIT])):
        services.run(now=clock_now)
        assert not has_due_work()
        Commit.objects.update(not_before=clock_now() - timedelta(seconds=2))
        assert has_due_work()
        services.run(now=clock_now)
        assert Commit.objects.get().state == "unknown"
        Commit.objects.update(not_before=clock_now())
        assert has_due_work()
        services.recover(now=clock_now)
    assert Commit.objects.get().state == "succeeded"
    assert not has_due_work()


def test_pulse_wakes_only_what_is_due_in_its_own_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_pulses", [])
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(queue, "async_task", lambda task, *, cluster: said.append((task, cluster)))
    on_pulse(lambda: True, "due")
    on_pulse(lambda: False, "not_due")
    on_pulse(lambda: 1 // 0 == 0, "broken")
    on_pulse(lambda: True, "long", cluster=Cluster.BULK)
    SkipLockedBroker(list_key="commit").pulse()
    assert said == [("due", "commit")]
    SkipLockedBroker(list_key="bulk").pulse()
    assert said == [("due", "commit"), ("long", "bulk")]


def test_wake_ups_go_to_the_cluster_of_their_task() -> None:
    from django_q.models import OrmQ

    wake("approved", "x")
    wake("reconciliation_requested", "y")
    assert list(OrmQ.objects.order_by("id").values_list("key", flat=True)) == ["commit", "bulk"]
    assert settings.Q_CLUSTER["name"] == "commit"
