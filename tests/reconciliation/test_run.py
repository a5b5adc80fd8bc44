"""A run over real books: what matches, every kind of break, the same break again, and a break that is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event
from identity.models import Role
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, PermissionRefused
from kernel.queue import depth
from ledger.contracts import GATE
from ledger.services import place_staff_order
from proposals.models import Proposal
from reconciliation import services, tasks
from reconciliation.errors import RunInProgress
from reconciliation.models import Break, Run
from reconciliation.services.runs import company_lock
from tests.builders import ledger
from tests.builders.commits import Gate, as_owner, commit_of, landed_orders, outcome_of, remove_order, run
from tests.builders.identity import COMPANY, actor, make_user

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def reconcile() -> Run:
    return services.reconcile(company=COMPANY, now=clock_now())


def breaks() -> list[tuple[str, str, str]]:
    return sorted((item.kind, item.document, item.state) for item in Break.objects.all())


def write_past_the_gate(amount: str = "77.00", reference: str = "", written_by: str = GATE) -> str:
    action = ledger.order(lines=(("I1", "1", amount),))
    return place_staff_order(company=COMPANY, action=action, written_by=written_by, reference=reference, now=clock_now()).document


def committed(gate: Gate, amount: str = "100.00") -> tuple[Proposal, str]:
    proposal = gate.order(amount)
    run()
    return proposal, landed_orders(proposal)[0].number


def alter(document: str) -> None:
    as_owner("UPDATE ledger_purchaseorder SET note = 'altered later' WHERE number = %s", [document], using="ledger")


def test_everything_matches(gate: Gate) -> None:
    gate.orders(3)
    run()
    gate.order("5000.00")

    done = reconcile()

    assert (done.state, done.matched_count, done.intended_count, done.landed_count, done.break_count) == ("completed", 3, 3, 3, 0)
    assert done.intended_totals == done.landed_totals == {"EUR": 600}
    assert breaks() == []
    events = Event.objects.filter(subject_id=done.public_id).order_by("position")
    assert [event.kind for event in events] == ["reconciliation:started", "reconciliation:completed"]
    assert outcome_of(events[1])["intended_totals"] == {"EUR": "600"}


@pytest.mark.parametrize(
    ("tool", "payload"),
    [
        ("create_purchase_order", ledger.order()),
        ("post_journal_entry", ledger.entry()),
        ("release_inventory", ledger.release()),
        ("update_customer", ledger.customer_update()),
        ("update_customer", ledger.customer_update(payment_terms_days=45)),
    ],
)
def test_every_tool_matches(gate: Gate, tool: str, payload: dict[str, object]) -> None:
    from commits.models import Receipt

    proposal = gate.approved_order() if tool == "create_purchase_order" else gate.approved(tool, payload)
    run()
    assert commit_of(proposal).state == "succeeded", commit_of(proposal).detail
    assert Receipt.objects.get(commit__proposal=proposal).differences == []

    done = reconcile()

    assert [(item.kind, item.landed) for item in Break.objects.all()] == []
    assert (done.matched_count, done.intended_totals) == (1, done.landed_totals)


def test_staff_documents_are_not_ours(gate: Gate) -> None:
    write_past_the_gate(written_by="staff")
    assert (reconcile().landed_count, breaks()) == (0, [])


def test_every_kind_of_break_is_found_once(gate: Gate) -> None:
    _, missing = committed(gate, "1.00")
    _, altered = committed(gate, "2.00")
    twice, _ = committed(gate, "3.00")
    pending = gate.order("5000.00")
    remove_order(missing)
    alter(altered)
    duplicate = write_past_the_gate("3.00", twice.public_id)
    bare = write_past_the_gate("4.00")
    unapproved = write_past_the_gate("5000.00", pending.public_id, "staff")

    first = reconcile()

    expected = sorted(
        [
            ("missing", missing, "open"),
            ("altered", altered, "open"),
            ("duplicate", duplicate, "open"),
            ("orphan", bare, "open"),
            ("orphan", unapproved, "open"),
        ]
    )
    assert breaks() == expected
    assert (first.break_count, first.matched_count, first.intended_count, first.landed_count) == (5, 1, 3, 5)
    assert Break.objects.get(document=unapproved).proposal_id == pending.pk
    assert Break.objects.get(document=bare).proposal_id is None
    assert Event.objects.filter(kind="reconciliation:break_opened").count() == 5

    second = reconcile()

    assert breaks() == expected
    assert second.break_count == 5
    assert set(Break.objects.values_list("first_run", "last_run")) == {(first.pk, second.pk)}
    assert Event.objects.filter(kind="reconciliation:break_opened").count() == 5


def test_break_that_is_gone_is_resolved_and_back_again_when_it_returns(gate: Gate) -> None:
    _, document = committed(gate)
    alter(document)
    reconcile()
    found = Break.objects.get()
    as_owner("UPDATE ledger_purchaseorder SET note = '' WHERE number = %s", [document], using="ledger")

    assert reconcile().break_count == 0
    found.refresh_from_db()
    assert (found.state, found.closed_at is not None) == ("resolved", True)

    alter(document)
    assert reconcile().break_count == 1
    assert [(item.pk, item.state, item.closed_at) for item in Break.objects.all()] == [(found.pk, "open", None)]
    assert [event.kind for event in Event.objects.filter(subject_id=found.public_id).order_by("position")] == [
        "reconciliation:break_opened",
        "reconciliation:break_resolved",
        "reconciliation:break_reopened",
    ]


def test_earlier_cut_off_does_not_resolve_later_breaks(gate: Gate) -> None:
    write_past_the_gate()
    reconcile()
    services.reconcile(company=COMPANY, now=clock_now(), kind="nightly", business_date=clock_now().date() - timedelta(days=3))
    assert Break.objects.get().state == "open"


def test_what_differed_at_landing_is_a_break_although_it_landed(gate: Gate) -> None:
    from gateway.connections import use_connector
    from gateway.connectors.embedded import EmbeddedConnector
    from tests.builders.gateway import FaultyConnector

    gate.order()
    with use_connector(FaultyConnector(EmbeddedConnector(), altered={"ordered_on": "2026-12-01"})):
        run()
    reconcile()
    (found,) = Break.objects.all()
    assert found.landed is not None
    assert (found.kind, found.landed["differences"][0]["landed"]) == ("date_differs", "2026-12-01")


def test_landing_of_a_failed_commit_is_unsettled(gate: Gate) -> None:
    proposal, document = committed(gate)
    as_owner("DELETE FROM commits_receipt")
    as_owner("UPDATE commits_commit SET state = 'failed', code = 'not_landed'")
    reconcile()
    assert breaks() == [("unsettled", document, "open")]
    assert Break.objects.get().proposal_id == proposal.pk
    assert commit_of(proposal).state == "failed"


def test_command_prints_a_line_and_fails_on_breaks(gate: Gate, capsys: pytest.CaptureFixture[str]) -> None:
    committed(gate)
    call_command("reconcile", "--company", COMPANY)
    assert capsys.readouterr().out == "DE01: matched 1 of 1, breaks 0; intended 100.00 EUR; landed 1, 100.00 EUR\n"

    write_past_the_gate()
    with pytest.raises(CommandError) as failure:
        call_command("reconcile")
    assert failure.value.returncode == 1
    assert "matched 1 of 1, breaks 1" in capsys.readouterr().out


def test_person_asks_for_a_run(gate: Gate) -> None:
    waiting = depth()
    asked = services.request_run(company=COMPANY, user=gate.otto, actor=actor(gate.otto), now=clock_now())
    assert (asked.state, asked.started_by, depth()) == ("running", gate.otto, waiting + 1)

    assert tasks.run_requested(asked.public_id) == f"{asked.public_id} completed"
    events = Event.objects.count()
    assert tasks.run_requested(asked.public_id) == f"{asked.public_id} completed"
    assert Event.objects.count() == events


def test_only_operators_of_the_company_may_ask(gate: Gate) -> None:
    outsider = make_user("otis", [Role.OPERATOR], companies=("US01",))
    for user, refusal in ((gate.cast.alice, PermissionRefused), (outsider, NotVisible)):
        with pytest.raises(refusal):
            services.request_run(company=COMPANY, user=user, actor=actor(user), now=clock_now())
    assert not Run.objects.exists()


def test_aborted_run_says_so(gate: Gate) -> None:
    from gateway.connections import use_connector
    from gateway.connectors.embedded import EmbeddedConnector
    from gateway.errors import ErpUnavailable
    from tests.builders.gateway import FaultyConnector

    with use_connector(FaultyConnector(EmbeddedConnector(), is_down=True)), pytest.raises(ErpUnavailable):
        reconcile()
    aborted = Run.objects.get()
    assert aborted.state == "aborted"
    last = Event.objects.filter(subject_id=aborted.public_id).order_by("position").last()
    assert last is not None
    assert outcome_of(last) == {"status": "aborted", "code": "erp_unavailable"}


@pytest.mark.django_db(databases=["default", "ledger"], transaction=True)
def test_company_is_compared_by_one_worker_at_a_time(transactional_db: None) -> None:
    import threading

    from django.db import connections

    ledger.open_company(COMPANY)
    caught: list[Exception] = []

    def other() -> None:
        try:
            reconcile()
        except RunInProgress as error:
            caught.append(error)
        finally:
            connections.close_all()

    with company_lock(COMPANY):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(30)
    assert len(caught) == 1
    assert reconcile().state == "completed"
