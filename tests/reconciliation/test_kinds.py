"""Every kind of break over real books: seeded the way it comes about, found exactly, and nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from kernel.clock import now as clock_now
from reconciliation.models import Break
from tests.builders.commits import Gate, as_owner, remove_order, run
from tests.builders.gateway import FaultyConnector
from tests.reconciliation.builders import alter, committed, kinds, reconcile, reverse_outside, write_past_the_gate

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
AHEAD = timedelta(minutes=5)


def landed_as(gate: Gate, **altered: object) -> str:
    """Return the order that the ERP wrote otherwise than approved, as it said itself when it was read back."""
    from gateway.connections import use_connector
    from gateway.connectors.embedded import EmbeddedConnector

    with use_connector(FaultyConnector(EmbeddedConnector(), altered=altered)):
        return committed(gate)[1]


def as_approved(assignment: str) -> Callable[[Gate], str]:
    """Return what makes a committed order differ from its proposal since it landed: the header, not its digest."""

    def made(gate: Gate) -> str:
        proposal, document = committed(gate)
        as_owner(f"UPDATE proposals_proposal SET {assignment} WHERE id = %s", [proposal.pk])
        return document

    return made


def missing(gate: Gate) -> str:
    _, document = committed(gate)
    remove_order(document)
    return document


def duplicate(gate: Gate) -> str:
    return write_past_the_gate("100.00", committed(gate)[0].public_id)


def altered(gate: Gate) -> str:
    _, document = committed(gate)
    alter(document)
    return document


def moved(gate: Gate) -> str:
    """Return an order whose digest is as it was, but which names no proposal any more: found by its number, not by its name."""
    _, document = committed(gate)
    as_owner("UPDATE ledger_purchaseorder SET reference = '', written_by = 'staff' WHERE number = %s", [document], using="ledger")
    return document


def reversed_outside(gate: Gate) -> str:
    _, document = committed(gate)
    reverse_outside(document)
    return document


def recorded_late(gate: Gate) -> str:
    _, document = committed(gate)
    as_owner("UPDATE ledger_purchaseorder SET recorded_at = %s WHERE number = %s", [clock_now() + AHEAD, document], using="ledger")
    return document


def never_sent(gate: Gate) -> str:
    proposal = gate.order()
    from commits.services import open_commits

    open_commits(now=clock_now(), since=None)
    as_owner("UPDATE commits_commit SET opened_at = opened_at - interval '2 hours' WHERE proposal_id = %s", [proposal.pk])
    return ""


def never_opened(gate: Gate) -> str:
    proposal = gate.order()
    as_owner("UPDATE proposals_proposal SET decided_at = decided_at - interval '2 hours' WHERE id = %s", [proposal.pk])
    return ""


def in_state(assignment: str) -> Callable[[Gate], str]:
    """Return what makes a landed commit look as if its worker had died."""

    def made(gate: Gate) -> str:
        proposal, document = committed(gate)
        as_owner("DELETE FROM commits_receipt")
        as_owner(f"UPDATE commits_commit SET {assignment} WHERE proposal_id = %s", [proposal.pk])
        return document

    return made


CASES: dict[str, tuple[str, Callable[[Gate], str]]] = {
    "missing": ("missing", missing),
    "duplicate": ("duplicate", duplicate),
    "amount at landing": ("amount_differs", lambda gate: landed_as(gate, total="71.88")),
    "amount": ("amount_differs", as_approved("amount_minor = amount_minor + 1")),
    "account at landing": ("account_differs", lambda gate: landed_as(gate, cost_centre="CC2")),
    "counterparty": ("counterparty_differs", as_approved("counterparty = 'V9'")),
    "date": ("date_differs", as_approved("effective_on = effective_on + 1")),
    "date at landing": ("date_differs", lambda gate: landed_as(gate, ordered_on="2026-12-01")),
    "anything else at landing": ("differs", lambda gate: landed_as(gate, note="The ERP's own words")),
    "altered": ("altered", altered),
    "renamed": ("altered", moved),
    "reversed": ("reversed_outside", reversed_outside),
    "orphan": ("orphan", lambda _: write_past_the_gate()),
    "recorded late": ("late", recorded_late),
    "never sent": ("late", never_sent),
    "never opened": ("late", never_opened),
    "unknown": ("unknown_resolved", in_state("state = 'unknown', settled_at = NULL, first_sent_at = now() - interval '1 hour'")),
    "failed": ("unsettled", in_state("state = 'failed', code = 'not_landed'")),
}


@pytest.mark.parametrize("case", CASES)
def test_kind_is_found_exactly(gate: Gate, case: str) -> None:
    kind, seed = CASES[case]
    document = seed(gate)

    first = reconcile()

    assert kinds() == [(kind, document)]
    assert first.break_count == 1
    (found,) = Break.objects.all()
    assert (found.company, found.reference != "") == ("DE01", kind != "orphan")
    again = reconcile()
    assert (kinds(), again.break_count, Break.objects.count()) == ([(kind, document)], 1, 1)


def test_approved_reversal_is_no_break(gate: Gate) -> None:
    from tests.builders import ledger

    _, document = committed(gate)
    gate.approved("post_journal_entry", ledger.reversal(document, company="DE01"))
    run()
    assert (reconcile().matched_count, kinds()) == (2, [])


def test_late_landing_is_resolved_by_the_next_run(gate: Gate) -> None:
    recorded_late(gate)
    reconcile()
    from reconciliation import services

    done = services.reconcile(company="DE01", now=clock_now() + AHEAD)
    assert (done.break_count, done.matched_count, Break.objects.get().state) == (0, 1, "resolved")


def test_what_differs_may_change_and_stays_one_break(gate: Gate) -> None:
    proposal, document = committed(gate)
    as_owner("UPDATE proposals_proposal SET amount_minor = amount_minor + 1 WHERE id = %s", [proposal.pk])
    reconcile()
    alter(document)
    reconcile()
    assert kinds() == [("altered", document)]
    assert Break.objects.count() == 1
