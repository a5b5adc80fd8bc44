"""Nights: once each, whoever starts them and however often; missed ones are made up for; a dead run is taken up."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connections

from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from reconciliation import services
from reconciliation.models import Run
from reconciliation.services.runs import missing_nights
from tests.builders import ledger
from tests.builders.gateway import FaultyConnector
from tests.builders.identity import COMPANY

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
MORNING = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.fixture
def company(db: None) -> str:
    return ledger.open_company(COMPANY)


def nights() -> list[tuple[date, str]]:
    return list(Run.objects.filter(kind="nightly").order_by("business_date").values_list("business_date", "state"))


def test_first_night_is_yesterday(company: str) -> None:
    finished = services.run_nights(now=MORNING)
    assert [(run.business_date, run.cut_off_at) for run in finished] == [(date(2026, 11, 23), datetime(2026, 11, 24, tzinfo=UTC))]
    assert nights() == [(date(2026, 11, 23), "completed")]


def test_night_that_starts_again_is_the_same_run(company: str) -> None:
    services.run_nights(now=MORNING)
    assert services.run_nights(now=MORNING + timedelta(hours=5)) == []
    assert Run.objects.count() == 1


def test_missed_nights_are_made_up_for(company: str) -> None:
    services.run_nights(now=MORNING)
    services.run_nights(now=MORNING + timedelta(days=4))
    assert nights() == [(date(2026, 11, day), "completed") for day in range(23, 28)]
    assert missing_nights(company, now=MORNING + timedelta(days=4)) == []


def test_unreachable_company_is_tried_again(company: str) -> None:
    with use_connector(FaultyConnector(EmbeddedConnector(), is_down=True)):
        assert services.run_nights(now=MORNING) == []
    assert nights() == [(date(2026, 11, 23), "aborted")]
    services.run_nights(now=MORNING + timedelta(hours=1))
    assert nights() == [(date(2026, 11, 23), "completed")]


def test_run_of_a_dead_worker_is_taken_up(company: str) -> None:
    from reconciliation.services.subjects import ACTOR

    services.start_run(
        company=company,
        kind="nightly",
        business_date=date(2026, 11, 23),
        cut_off_at=datetime(2026, 11, 24, tzinfo=UTC),
        started_by=None,
        actor=ACTOR,
        now=MORNING,
    )
    assert len(services.run_nights(now=MORNING + timedelta(hours=1))) == 1
    assert nights() == [(date(2026, 11, 23), "completed")]


@pytest.mark.django_db(databases=["default", "ledger"], transaction=True)
def test_two_workers_make_one_run(transactional_db: None) -> None:
    ledger.open_company(COMPANY)
    barrier, finished = threading.Barrier(3), []

    def work() -> None:
        try:
            barrier.wait()
            finished.extend(services.run_nights(now=MORNING))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert nights() == [(date(2026, 11, 23), "completed")]
    from audit.models import Event

    assert Event.objects.filter(kind="reconciliation:completed").count() == 1
