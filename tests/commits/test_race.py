"""Several workers at once: one effect each, nothing twice, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, connections

from commits import services
from commits.models import Attempt, Breaker, Commit, Receipt
from commits.records import Counts
from commits.services.twins import LOCKS_OF_CONTENTS
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from kernel.clock import now as clock_now
from tests.builders.commits import Gate, landed_orders, make_gate, run
from tests.builders.gateway import FaultyConnector

pytestmark = pytest.mark.django_db(databases=["default", "ledger"], transaction=True)


@pytest.fixture
def gate(transactional_db: None) -> Gate:
    return make_gate()


@pytest.fixture
def slow() -> Iterator[FaultyConnector]:
    with use_connector(FaultyConnector(EmbeddedConnector(), delay_seconds=0.2)) as connector:
        assert isinstance(connector, FaultyConnector)
        yield connector


def at_once(count: int, work: Callable[[], Counts]) -> list[Counts]:
    """Run the work in so many threads that start together."""
    barrier, results, errors = threading.Barrier(count), [], []

    def body() -> None:
        try:
            barrier.wait()
            results.append(work())
        except Exception as error:  # noqa: BLE001  handed to the test
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    return results


def test_four_workers_on_one_proposal(gate: Gate, slow: FaultyConnector) -> None:
    gate.order()

    results = at_once(4, run)

    assert sum(item.succeeded for item in results) == 1
    assert sum(item.claimed for item in results) == 1
    assert len(landed_orders()) == 1
    assert (Commit.objects.count(), Attempt.objects.count(), Receipt.objects.count()) == (1, 1, 1)
    assert len(slow.sent) == 1


def test_twins_in_the_hands_of_two_workers_are_not_written_side_by_side(gate: Gate, slow: FaultyConnector) -> None:
    gate.order()
    gate.order()

    def one() -> Counts:
        return services.run_round(now=clock_now, worker="race", since=None, limit=1)

    results = at_once(2, one)

    assert sum(item.claimed for item in results) == 2
    assert (sum(item.succeeded for item in results), sum(item.deferred for item in results)) == (1, 1)
    assert len(landed_orders()) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %s", [LOCKS_OF_CONTENTS])
        assert cursor.fetchone() == (0,)


def test_four_workers_on_many_proposals(gate: Gate) -> None:
    proposals = gate.orders(40)

    def work() -> Counts:
        total = Counts()
        for _ in range(30):
            total.add(services.run_round(now=clock_now, worker="race", since=None, limit=3))
        return total

    results = at_once(4, work)

    assert sum(item.succeeded for item in results) == len(proposals)
    assert len(landed_orders()) == len(proposals)
    assert set(Commit.objects.values_list("state", "attempt_number")) == {("succeeded", 1)}
    assert {order.reference for order in landed_orders()} == {item.public_id for item in proposals}


def test_sweeps_at_once_on_an_unknown_commit(gate: Gate) -> None:
    from tests.builders.gateway import Fault

    gate.order()
    with use_connector(FaultyConnector(EmbeddedConnector(), [Fault.RAISES_AFTER_COMMIT])):
        run()

    at_once(4, lambda: services.sweep(now=clock_now))

    assert Commit.objects.get().state == "succeeded"
    assert (Receipt.objects.count(), len(landed_orders())) == (1, 1)


def test_one_of_four_workers_probes_an_open_breaker(gate: Gate) -> None:
    gate.orders(8)
    services.open_commits(now=clock_now())
    moment = clock_now()
    Breaker.objects.create(connection="embedded", state="open", failure_count=5, opening_count=1, probe_at=moment, changed_at=moment)

    results = at_once(4, lambda: Counts(claimed=len(services.claim(now=moment, worker="race"))))

    assert sum(item.claimed for item in results) == 1
    assert Breaker.objects.get().state == "half_open"
