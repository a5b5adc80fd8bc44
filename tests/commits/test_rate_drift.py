"""An approval in another currency leans on an exchange rate: it may move by half a percent, and further the approvers are asked again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.matrix.models import CompanyCurrency, ExchangeRate
from approvals.models import Route
from approvals.services import show
from audit.queries import record_of
from kernel.actors import Actor
from kernel.clock import now as clock_now
from proposals.models import Feedback, Proposal
from proposals.states import ProposalState
from tests.builders import ledger
from tests.builders.approvals import a_row, approved, decided_by, make_cast
from tests.builders.audit import seal_all
from tests.builders.commits import Gate, as_owner, commit_of, landed_orders, last_event, make_gate, outcome_of, run
from tests.builders.identity import COMPANY

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
UP_TO = 13_000_00


def record(gate: Gate, rate: str, days: int = 0) -> None:
    """One euro is worth so many dollars, as of so many days ago."""
    now = clock_now()
    ExchangeRate.objects.create(
        from_currency="EUR",
        to_currency="USD",
        rate=Decimal(rate),
        rate_on=now.date() - timedelta(days=days),
        source="ECB",
        recorded_by=gate.cast.cora,
        recorded_at=now,
    )


@pytest.fixture
def gate(db: None) -> Gate:
    """Return the gate of a company whose amounts the matrix compares in dollars, while its orders are in euros."""
    ledger.open_company(COMPANY, budget="100000.00")
    cast = make_cast([a_row(10, currency="USD", up_to_minor=UP_TO), a_row(20, currency="USD", from_minor=UP_TO + 1, is_automatic=False)])
    gate = Gate(cast=cast, otto=cast.olga)
    CompanyCurrency.objects.create(company=COMPANY, currency="USD", recorded_by=cast.cora, recorded_at=clock_now())
    record(gate, "1.25", days=1)
    seal_all()
    return gate


def test_the_rate_is_captured_at_submission_hashed_and_shown(gate: Gate) -> None:
    proposal = gate.order("10000.17")
    (kept,) = [item for item in proposal.preconditions if item["code"] == "exchange_rate"]
    assert (kept["observed"], kept["expected"], kept["tolerance"], kept["severity"]) == ("1.25", "1.25", "0.5", "material")
    assert kept["arguments"] == {"from": "EUR", "to": "USD"}
    assert b'"exchange_rate"' in bytes(proposal.action_bytes)
    yesterday = (clock_now().date() - timedelta(days=1)).isoformat()
    shown = show(user=gate.cast.alice, proposal_id=proposal.public_id, now=clock_now(), actor=Actor.human(gate.cast.alice.pk))
    (check,) = [item for item in shown.facts["checks"] if item["code"] == "exchange_rate"]
    assert check["holds"]
    assert check["label"] == f"One EUR is still worth 1.25 USD, give or take 0.5 % (rate of {yesterday}, ECB)"


def test_nothing_converted_leans_on_no_rate() -> None:
    assert "exchange_rate" not in [item["code"] for item in make_gate().order("10000.17").preconditions]


def test_within_half_a_percent_it_lands_and_old_and_new_are_kept(gate: Gate) -> None:
    proposal = approved(gate.order("10000.17"), gate.cast.alice)
    record(gate, "1.25625")
    run()
    assert commit_of(proposal).state == "succeeded"
    moved = Proposal.objects.get(pk=proposal.pk).outcome.data["tolerated"]
    assert [(item["field"], item["observed"], item["now"]) for item in moved] == [("exchange_rate", "1.25", "1.25625")]
    assert outcome_of(last_event(proposal, "commit:succeeded"))["tolerated"] == ["exchange_rate"]


def test_beyond_it_the_same_approvers_are_asked_at_the_rate_of_now(gate: Gate) -> None:
    proposal = approved(gate.order("10000.17"), gate.cast.alice)
    record(gate, "1.26")
    run()
    assert landed_orders() == []
    new = Proposal.objects.get(supersedes=proposal)
    assert [(item["field"], item["now"], item["needed"]) for item in new.facts["drift"]] == [
        ("exchange_rate", "1.26", "within 0.5 % of 1.25")
    ]
    old_route, route = (Route.objects.get(pk=item.pk) for item in (proposal, new))
    assert (old_route.routed_minor, route.routed_minor, route.row_id) == (12_500_21, 12_600_21, old_route.row_id)
    assert (route.snapshot["routed_minor"], route.snapshot["conversion"]["rate"]) == (12_600_21, "1.26")
    assert record_of(last_event(new, "gate:routed"))["gate"]["route_digest"] == route.digest
    decided_by(gate.cast.alice, new, reason_code="warning_accepted", comment="The dollar is weaker.")
    run()
    assert commit_of(new).state == "succeeded"


def test_out_of_the_row_s_band_it_is_routed_anew_by_a_revision(gate: Gate) -> None:
    """The same people may not decide on what the matrix would bring before others."""
    proposal = approved(gate.order("10000.17"), gate.cast.alice)
    record(gate, "1.31")
    run()
    assert Proposal.objects.get(pk=proposal.pk).state == ProposalState.VOIDED
    assert not Proposal.objects.filter(supersedes=proposal).exists()
    told = Feedback.objects.get(proposal=proposal)
    assert told.code == "material_drift"
    assert "It counts as 13,100.22 USD now, outside of 0.00 USD to 13,000.00 USD" in told.comment
    assert "Propose a revision" in told.comment


def test_without_any_recent_rate_nothing_is_written(gate: Gate) -> None:
    proposal = approved(gate.order("10000.17"), gate.cast.alice)
    as_owner("UPDATE approvals_exchangerate SET rate_on = rate_on - 10")
    run()
    assert (Proposal.objects.get(pk=proposal.pk).state, commit_of(proposal).code) == ("voided", "drift")


def test_a_page_loaded_before_the_rate_moved_is_stale(gate: Gate) -> None:
    proposal = gate.order("10000.17")
    shown = show(user=gate.cast.alice, proposal_id=proposal.public_id, now=clock_now(), actor=Actor.human(gate.cast.alice.pk))
    record(gate, "1.26")
    again = show(user=gate.cast.alice, proposal_id=proposal.public_id, now=clock_now(), actor=Actor.human(gate.cast.alice.pk))
    assert (shown.needs_reason, again.needs_reason) == (False, True)
    assert shown.presentation_digest != again.presentation_digest
