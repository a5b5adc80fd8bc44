"""A night compares what changed and what is open; a run cut short goes on; whatever is done twice is there once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from audit.models import Event
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.port import Landed
from kernel.clock import now as clock_now
from reconciliation import services
from reconciliation.models import Break, Run
from reconciliation.services import comparing, runs
from tests.builders.commits import Gate, as_owner, run
from tests.builders.gateway import FaultyConnector
from tests.builders.identity import COMPANY
from tests.reconciliation.builders import alter, committed, kinds, reconcile, reverse_outside, write_past_the_gate

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
NEXT_DAY = timedelta(days=1)


def night(days: int) -> Run:
    """Return the nightly run of the business date so many days from today."""
    date = clock_now().date() + timedelta(days=days)
    return services.reconcile(company=COMPANY, now=clock_now() + timedelta(days=days + 1), kind="nightly", business_date=date)


def long_ago() -> None:
    """Move everything that was committed and landed two days back, out of the window of the next night."""
    as_owner("UPDATE commits_commit SET settled_at = settled_at - interval '2 days', opened_at = opened_at - interval '2 days'")
    as_owner("UPDATE ledger_purchaseorder SET recorded_at = recorded_at - interval '2 days'", using="ledger")
    as_owner("UPDATE reconciliation_run SET cut_off_at = cut_off_at - interval '1 day'")


def test_first_night_compares_everything_and_the_next_one_what_changed(gate: Gate) -> None:
    gate.orders(3)
    run()
    first = reconcile()
    long_ago()
    committed(gate, "50.00")

    second = night(0)

    assert (first.scope, first.matched_count, second.scope, second.since) == ("full", 3, "incremental", runs_since(first))
    assert (second.intended_count, second.landed_count, second.matched_count) == (1, 1, 1)
    assert second.intended_totals == {"EUR": 50_00}


def runs_since(basis: Run) -> object:
    basis.refresh_from_db()
    return basis.cut_off_at - runs.OVERLAP


def test_window_does_not_mistake_what_is_older_for_missing_or_orphaned(gate: Gate) -> None:
    reconcile()
    _, settled_late = committed(gate, "60.00")
    _, recorded_late = committed(gate, "61.00")
    long_ago()
    as_owner(
        "UPDATE commits_commit SET settled_at = now() WHERE id = (SELECT commit_id FROM commits_receipt WHERE document = %s)",
        [settled_late],
    )
    as_owner("UPDATE ledger_purchaseorder SET recorded_at = now() WHERE number = %s", [recorded_late], using="ledger")

    done = night(0)

    assert (done.scope, done.matched_count, kinds()) == ("incremental", 2, [])


def test_window_finds_the_second_document_of_an_old_commit_and_its_reversal(gate: Gate) -> None:
    proposal, document = committed(gate)
    reconcile()
    long_ago()
    duplicate = write_past_the_gate("100.00", proposal.public_id)
    night(0)
    assert kinds() == [("duplicate", duplicate)]
    reverse_outside(document)
    night(1)
    assert kinds() == [("duplicate", duplicate), ("reversed_outside", document)]


def test_what_is_open_is_looked_at_although_nothing_changed(gate: Gate) -> None:
    _, altered = committed(gate)
    alter(altered)
    orphan = write_past_the_gate()
    first = reconcile()
    long_ago()

    assert night(0).break_count == 2
    assert kinds() == [("altered", altered), ("orphan", orphan)]
    as_owner("UPDATE ledger_purchaseorder SET note = '' WHERE number = %s", [altered], using="ledger")
    last = night(1)

    assert (last.scope, last.intended_count, last.break_count, kinds()) == ("incremental", 0, 1, [("orphan", orphan)])
    assert Break.objects.get(document=altered).state == "resolved"
    assert set(Break.objects.values_list("first_run", flat=True)) == {first.pk}


def test_old_alteration_is_found_by_the_weekly_full_run(gate: Gate) -> None:
    _, document = committed(gate)
    reconcile()
    long_ago()
    alter(document)
    assert (night(0).scope, kinds()) == ("incremental", [])
    assert [night(day).scope for day in (3, 7)] == ["incremental", "full"]
    assert kinds() == [("altered", document)]


class Killed(BaseException):
    """Stands for kill -9: nothing below the run may catch it."""


class DyingConnector(FaultyConnector):
    """A connector whose worker dies after so many documents."""

    left = 0

    def extract(self, company: str, since: datetime | None, until: datetime) -> Iterator[Landed]:
        for number, item in enumerate(self.inner.extract(company, since, until)):
            if number >= self.left:
                raise Killed
            yield item

    def extract_named(self, company: str, references: Sequence[str], until: datetime) -> Iterator[Landed]:
        return EmbeddedConnector().extract_named(company, references, until)


@pytest.mark.parametrize("left", [0, 3, 5, 8])
def test_run_that_is_killed_goes_on_without_counting_or_finding_anything_twice(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(comparing, "CHECKPOINT_EVERY", 2)
    documents = [committed(gate, f"{number + 1}.00")[1] for number in range(8)]
    alter(documents[1])
    alter(documents[6])
    orphan = write_past_the_gate("9.00")
    dying = DyingConnector(EmbeddedConnector())
    dying.left = left
    with use_connector(dying), pytest.raises(Killed):
        reconcile()
    cut = Run.objects.get()
    assert cut.state == "running"
    assert (cut.position != "") == (left >= 5)
    found_before = Break.objects.count()

    done = services.resume_run(run=cut, now=clock_now())

    assert (done.state, done.intended_count, done.landed_count, done.matched_count, done.break_count) == ("completed", 8, 9, 6, 3)
    assert (done.intended_totals, done.landed_totals) == ({"EUR": 36_00}, {"EUR": 45_00})
    assert kinds() == sorted([("altered", documents[1]), ("altered", documents[6]), ("orphan", orphan)])
    assert Event.objects.filter(kind="reconciliation:break_opened").count() == 3
    assert found_before <= 3
    assert Event.objects.filter(kind="reconciliation:completed").count() == 1


def test_run_killed_while_it_completes_is_completed_once(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    _, document = committed(gate)
    alter(document)

    def dies(**arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(comparing, "follow_compensations", dies)
        with pytest.raises(Killed):
            reconcile()
    done = services.resume_run(run=Run.objects.get(), now=clock_now())
    assert (done.state, done.break_count, Break.objects.count()) == ("completed", 1, 1)


def test_connector_that_cannot_ask_by_reference_is_walked_through(gate: Gate) -> None:
    _, document = committed(gate)
    alter(document)
    with use_connector(FaultyConnector(EmbeddedConnector())):
        reconcile()
    assert kinds() == [("altered", document)]
