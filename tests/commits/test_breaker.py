"""A connection that fails again and again is left alone by every worker, probed with one write, and open again to all when it answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

import pytest

from audit.models import Event
from commits import services
from commits.models import Breaker, Commit
from commits.queries import has_due_work
from commits.records import Counts
from commits.services import breaker
from commits.services.breaker import FAILURES_MAX, OPEN_SECONDS, OPEN_SECONDS_MAX, OUTAGE_CODES
from commits.tasks import run_commits
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.port import SendStatus, WriteOutcome
from kernel.clock import now as clock_now
from tests.builders.commits import WORKER, Gate, commit_of, landed_orders, outcome_of
from tests.builders.gateway import Fault, FaultyConnector

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


class Busy(FaultyConnector):
    """An ERP that asks to be left alone for forty seconds."""

    def commit_many(self, requests, *, now):  # type: ignore[no-untyped-def]
        return [WriteOutcome(item.key, SendStatus.NOT_SENT, code="rate_limited", retry_after_seconds=40) for item in requests]


class Ahead(datetime):
    """A machine's clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Ahead:
        return super().now(tz) + timedelta(hours=1)


@pytest.fixture
def erp() -> Iterator[FaultyConnector]:
    """Return an ERP that a test can take down."""
    with use_connector(FaultyConnector(EmbeddedConnector())) as connector:
        assert isinstance(connector, FaultyConnector)
        yield connector


def round_at(moment: datetime) -> Counts:
    return services.run_round(now=lambda: moment, worker=WORKER, since=None)


def open_breaker(erp: FaultyConnector) -> tuple[Breaker, datetime]:
    """Take the ERP down and fail until the breaker opens; return it with the instant at which it did."""
    erp.is_down, at = True, clock_now()
    for _ in range(FAILURES_MAX):
        at += timedelta(minutes=6)
        round_at(at)
    return Breaker.objects.get(), at


def events(kind: str) -> list[dict[str, object]]:
    return [outcome_of(event) for event in Event.objects.filter(kind=kind).order_by("event_id")]


def test_connection_that_works_has_no_breaker(gate: Gate) -> None:
    gate.approved_order()
    round_at(clock_now())
    assert not Breaker.objects.exists()


def test_failures_in_a_row_open_it_and_nothing_more_is_claimed(gate: Gate, erp: FaultyConnector) -> None:
    proposal = gate.approved_order()
    found, at = open_breaker(erp)

    assert (found.connection, found.state, found.failure_count, found.code) == ("faulty", "open", FAILURES_MAX, "erp_unavailable")
    assert found.probe_at == at + timedelta(seconds=OPEN_SECONDS)
    assert events("connector:breaker_opened") == [
        {"code": "erp_unavailable", "failures": FAILURES_MAX, "seconds": OPEN_SECONDS, "probed": False}
    ]
    tried = commit_of(proposal).attempt_number
    erp.is_down = False
    gate.approved_order("2600.00")
    assert round_at(at + timedelta(seconds=OPEN_SECONDS - 1)) == Counts(opened=1)
    assert commit_of(proposal).attempt_number == tried == FAILURES_MAX


def test_an_answer_in_between_starts_the_count_again(gate: Gate, erp: FaultyConnector) -> None:
    gate.approved_order()
    at = clock_now()
    for number in range(1, 2 * FAILURES_MAX):
        at += timedelta(minutes=6)
        erp.is_down = number != FAILURES_MAX
        erp.faults = [Fault.REFUSED] if number == FAILURES_MAX else []
        round_at(at)
        if number == FAILURES_MAX:
            gate.approved_order("2600.00")
    found = Breaker.objects.get()
    assert (found.state, found.failure_count) == ("closed", FAILURES_MAX - 1)


def test_one_write_probes_and_an_answer_releases_the_others(gate: Gate, erp: FaultyConnector) -> None:
    gate.orders(3)
    found, at = open_breaker(erp)
    due = at + timedelta(seconds=OPEN_SECONDS)
    Commit.objects.update(not_before=due + timedelta(minutes=5))
    erp.is_down = False

    assert round_at(due) == Counts(claimed=1, succeeded=1)

    found.refresh_from_db()
    assert (found.state, found.probe_at, found.failure_count, found.opening_count) == ("closed", None, 0, 0)
    assert events("connector:breaker_closed") == [{"released": 2}]
    assert round_at(due) == Counts(claimed=2, succeeded=2)
    assert len(landed_orders()) == 3


def test_failed_probe_opens_it_for_longer_up_to_a_limit(gate: Gate, erp: FaultyConnector) -> None:
    gate.orders(3)
    found, _ = open_breaker(erp)
    waits = []
    for _ in range(5):
        assert found.probe_at is not None
        assert round_at(found.probe_at) == Counts(claimed=1, deferred=1)
        before = found.probe_at
        found.refresh_from_db()
        waits.append((found.probe_at - before).total_seconds())
    assert waits == [2 * OPEN_SECONDS, 4 * OPEN_SECONDS, 8 * OPEN_SECONDS, OPEN_SECONDS_MAX, OPEN_SECONDS_MAX]
    assert found.state == "open"


def test_probe_of_a_dead_worker_does_not_keep_it_shut(gate: Gate, erp: FaultyConnector) -> None:
    gate.orders(2)
    _, at = open_breaker(erp)
    erp.is_down = False
    due = at + timedelta(seconds=OPEN_SECONDS)
    assert len(services.claim(now=due, worker="dies")) == 1
    assert Breaker.objects.get().state == "half_open"
    assert services.claim(now=due + timedelta(seconds=1), worker=WORKER) == []

    later = due + timedelta(seconds=breaker.PROBE_SECONDS)
    assert round_at(later) == Counts(claimed=1, succeeded=1)
    assert Breaker.objects.get().state == "closed"


def test_unknown_outcomes_are_not_looked_up_while_it_is_open(gate: Gate, erp: FaultyConnector) -> None:
    proposal = gate.approved_order()
    erp.faults = [Fault.RAISES_AFTER_COMMIT]
    round_at(clock_now())
    erp.is_down = True
    at = clock_now()
    for _ in range(FAILURES_MAX - 1):
        at += timedelta(minutes=6)
        services.resolve_unknown(now=at)
    assert Breaker.objects.get().state == "open"
    Commit.objects.update(not_before=at)
    due = at + timedelta(seconds=OPEN_SECONDS)
    assert services.resolve_unknown(now=due) == Counts()
    assert Breaker.objects.get().probe_at == due + timedelta(seconds=2 * OPEN_SECONDS)
    Commit.objects.update(not_before=at)
    erp.is_down = False

    assert services.resolve_unknown(now=due + timedelta(seconds=1)) == Counts()
    assert services.resolve_unknown(now=due + timedelta(seconds=2 * OPEN_SECONDS)) == Counts(succeeded=1)
    assert (commit_of(proposal).state, len(landed_orders())) == ("succeeded", 1)


def test_pause_that_the_erp_asked_for_holds_for_the_whole_connection(gate: Gate) -> None:
    gate.approved_order()

    at = clock_now()
    with use_connector(Busy(EmbeddedConnector())):
        round_at(at)
        other = gate.approved_order("2600.00")
        assert round_at(at + timedelta(seconds=39)) == Counts(opened=1)
    found = Breaker.objects.get()
    assert (found.state, found.failure_count, found.paused_until) == ("closed", 0, at + timedelta(seconds=40))
    with use_connector(FaultyConnector(EmbeddedConnector())):
        assert round_at(at + timedelta(seconds=40)) == Counts(claimed=2, succeeded=2)
    assert commit_of(other).attempt_number == 1


def test_worker_whose_clock_is_wrong_pauses_nobody_for_longer(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.approved_order()

    with use_connector(Busy(EmbeddedConnector())), monkeypatch.context() as patch:
        patch.setattr("kernel.clock.datetime", Ahead)
        run_commits()
    until = Breaker.objects.get().paused_until
    assert until is not None
    assert timedelta(0) < until - clock_now() <= timedelta(seconds=40)


def test_pulse_leaves_a_shut_connection_alone(gate: Gate, erp: FaultyConnector) -> None:
    gate.approved_order()
    open_breaker(erp)
    moment = clock_now()
    Commit.objects.update(not_before=moment - timedelta(minutes=1))
    Breaker.objects.update(probe_at=moment + timedelta(minutes=1))
    assert not has_due_work()
    Breaker.objects.update(probe_at=moment - timedelta(seconds=1))
    assert has_due_work()


def test_codes_of_an_outage_are_those_that_waiting_commits_carry(gate: Gate, erp: FaultyConnector) -> None:
    proposal = gate.approved_order()
    erp.is_down = True
    round_at(clock_now())
    assert commit_of(proposal).code in OUTAGE_CODES
