"""Between approval and commit the world moves: within tolerance it is written down, beyond it the same approvers are asked again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.bulk.services import prepare
from approvals.calendars.queries import calendars_of
from approvals.calendars.services import escalate_overdue
from approvals.flags.queries import flags_of
from approvals.models import Decision, Presentation, RouteStep
from approvals.services import show
from audit.queries import record_of
from commits import services
from commits.models import Commit, Receipt
from identity.models import Grant
from kernel.actors import Actor
from kernel.clock import now as clock_now
from ledger.models import InventoryMovement, Item
from ledger.services import close_period, place_staff_order
from ledger.services.staff import post_staff_entry
from proposals.models import Feedback, Proposal
from proposals.representation import proposal_view
from proposals.states import ProposalState
from tests.builders import ledger
from tests.builders.approvals import a_row, approved, decided_by, make_cast, principal_of
from tests.builders.audit import seal_all
from tests.builders.commits import Gate, as_owner, commit_of, kinds, landed_orders, last_event, make_gate, outcome_of, run
from tests.builders.flags import ANY_DAY, calm, thresholds
from tests.builders.identity import COMPANY
from tests.builders.proposals import submit
from tests.builders.work import bulk_row

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def spend(amount: str, **fields: object) -> None:
    """Let the ERP's own people spend this much of the budget."""
    action = ledger.order(lines=(("I1", "1", amount),), **{"reference": "STAFF-1", **fields})
    place_staff_order(company=COMPANY, action=action, written_by="staff", now=clock_now())


def set_budget(amount_minor: int) -> None:
    as_owner("UPDATE ledger_budget SET amount_minor = %s", [amount_minor], using="ledger")


def set_cost(cost: str) -> None:
    Item.objects.filter(number="I1").update(standard_cost=Decimal(cost))


def drifted_order(gate: Gate | None = None, amount: str = "5000.00") -> tuple[Gate, Proposal, Proposal]:
    """Return an order whose budget was spent between its approval and its commit, and what its approvers are asked now."""
    gate = gate or make_gate(budget="10000.00")
    proposal = gate.approved_order(amount)
    spend("5000.01")
    run()
    return gate, Proposal.objects.get(pk=proposal.pk), Proposal.objects.get(supersedes=proposal)


def approve_again(gate: Gate, proposal: Proposal) -> None:
    """Approving over drift takes a reason."""
    decided_by(gate.cast.alice, proposal, reason_code="warning_accepted", comment="The other order was cancelled.")


def test_material_drift_asks_the_same_approvers_about_nothing_else() -> None:
    _, old, new = drifted_order()

    assert landed_orders() == [] or all(order.reference != old.public_id for order in landed_orders())
    assert (old.state, new.state, new.revision) == ("superseded", "pending", 2)
    assert kinds(old)[-3:] == ["proposal:voided", "proposal:superseded", "commit:failed"]
    assert kinds(new) == ["proposal:proposed", "gate:routed"]
    # What would be written is the same, the digest is not: the facts are part of what is approved.
    assert (new.payload, new.amount, new.agent_id, new.rationale) == (old.payload, old.amount, old.agent_id, old.rationale)
    assert new.payload_digest != old.payload_digest
    assert [(item["field"], item["observed"], item["now"], item["needed"]) for item in new.facts["drift"]] == [
        ("budget_left:CC1", "10000.00", "4999.99", "at least 5,000.00")
    ]
    kept = {item["code"]: item for item in new.preconditions}
    assert kept["budget_left:CC1"] == {**kept["budget_left:CC1"], "expected": "4999.99", "observed": "4999.99"}
    columns = ("position", "group_id", "min_approvals")
    steps = [list(RouteStep.objects.filter(route_id=item.pk).values_list(*columns)) for item in (old, new)]
    assert steps[0] == steps[1]
    assert (new.route.policy_id, new.route.row_id, new.route.routed_minor) == (
        old.route.policy_id,
        old.route.row_id,
        old.route.routed_minor,
    )


def test_what_is_asked_again_is_held_against_the_rules_like_any_other() -> None:
    gate = make_gate(budget="24000.00")
    calm(author=gate.cast.cora, activator=gate.cast.cem)
    _, old, new = drifted_order(gate, "20000.00")
    # The version before is no past of this one: it is no duplicate of itself.
    assert [flag.rule for item in (old, new) for flag in flags_of([item.pk])[item.pk]] == ["J1", "J1"]
    rules = record_of(last_event(new, "gate:routed"))["gate"]["rules"]
    assert rules["struck"] == ["J1/1"]
    assert {"J3", "J11"} & set(rules["tested"]) == {"J11"}, "nobody entered it when the gate asked again"
    shown = show(user=gate.cast.alice, proposal_id=new.public_id, now=clock_now(), actor=Actor.human(gate.cast.alice.pk))
    assert [flag["rule"] for flag in shown.facts["flags"]] == ["J1"]


def test_entries_that_are_asked_again_are_held_against_the_books_as_they_are_now() -> None:
    gate = make_gate(budget="10000.00")
    calm(author=gate.cast.cora, activator=gate.cast.cem)
    proposal = gate.approved("post_journal_entry", ledger.entry("5000.00"))
    thresholds({**ANY_DAY, "usage_postings_from": "0"}, author=gate.cast.cora, activator=gate.cast.cem)
    spend("5000.01")
    run()
    new = Proposal.objects.get(supersedes=proposal)
    found = {flag.rule: flag for flag in flags_of([new.pk])[new.pk]}
    assert set(found) == {"J6", "J7", "J9"}
    assert found["J6"].thresholds_version == 2
    assert found["J6"].observed == {"6200": "0", "2000": "0"}


def test_its_first_step_is_due_by_the_calendar_and_then_asks_the_fallback_group() -> None:
    steps = ({"group": "purchasing", "min_approvals": 1, "due_days": 1, "fallback": "finance"}, {"group": "finance", "min_approvals": 1})
    ledger.open_company(COMPANY, budget="10000.00")
    cast = make_cast([a_row(10, steps=steps)])
    calm(author=cast.cora, activator=cast.cem)
    seal_all()
    proposal = approved(Gate(cast=cast, otto=cast.olga).order("5000.00"), cast.alice, cast.dora)
    spend("5000.01")
    run()
    new = Proposal.objects.get(supersedes=proposal)
    first, second = RouteStep.objects.filter(route_id=new.pk).order_by("position")
    assert first.due_at == calendars_of([COMPANY])[COMPANY].due_at(new.created_at, 1)
    assert (second.due_at, first.escalated_at) == (None, None)
    assert escalate_overdue(now=first.due_at) == 1


def test_it_is_never_part_of_a_bulk_approval() -> None:
    ledger.open_company(COMPANY, budget="10000.00")
    cast = make_cast([bulk_row(10, up_to_minor=25_000_00)])
    seal_all()
    _, _, new = drifted_order(Gate(cast=cast, otto=cast.olga))
    gate = Gate(cast=cast, otto=cast.olga)
    plain = gate.order("101.17")
    made = prepare(user=cast.alice, proposal_ids=[new.public_id, plain.public_id], actor=Actor.human(cast.alice.pk), now=clock_now())
    assert [item.proposal_id for item in made.items.all()] == [plain.pk]
    (left_out,) = made.excluded
    assert (left_out["proposal"], left_out["code"]) == (new.public_id, "has_drifted")
    assert "asked again" in left_out["reason"]
    # Its page was not even opened for that.
    assert not Presentation.objects.filter(proposal=new).exists()


def test_its_agent_is_told_where_to_look() -> None:
    _, old, new = drifted_order()
    told = Feedback.objects.get(proposal=old)
    assert told.code == "material_drift"
    assert new.public_id in told.comment
    view = proposal_view(Proposal.objects.select_related("outcome", "feedback").get(pk=old.pk), reads=[], superseded_by=new.pk)
    assert (view["status"], view["is_final"], view["superseded_by"]) == ("superseded", True, new.public_id)
    assert view["outcome"]["data"]["asked_again"] == new.public_id


def test_approved_again_it_lands_once_and_the_first_decision_stays() -> None:
    gate, old, new = drifted_order()
    set_budget(20_000_00)
    approve_again(gate, new)
    run()
    assert commit_of(new).state == "succeeded"
    assert len(landed_orders(new)) == 1
    assert landed_orders(old) == []
    assert [Decision.objects.filter(proposal=item).count() for item in (old, new)] == [1, 1]
    assert Commit.objects.count() == 2


def test_the_erp_keeps_the_last_word() -> None:
    """Approving over a spent budget does not make it larger: the ERP refuses, and an operator may try again once it is."""
    gate, _, new = drifted_order()
    approve_again(gate, new)
    run()
    assert (commit_of(new).state, commit_of(new).code) == ("failed", "budget_exceeded")
    assert landed_orders(new) == []


def test_drifting_further_asks_once_more() -> None:
    gate, _, new = drifted_order()
    approve_again(gate, new)
    spend("1000.00", reference="STAFF-2")
    run()
    third = Proposal.objects.get(supersedes=new)
    assert (third.state, third.revision) == ("pending", 3)
    assert [(item["observed"], item["now"]) for item in third.facts["drift"]] == [("4999.99", "3999.99")]


def test_rejected_again_nothing_is_written() -> None:
    gate, _, new = drifted_order()
    decided_by(gate.cast.alice, new, "reject")
    assert run().claimed == 0
    assert Proposal.objects.get(pk=new.pk).state == ProposalState.REJECTED
    assert landed_orders(new) == []


def test_the_page_binds_what_drifted() -> None:
    gate, _, new = drifted_order()
    shown = show(user=gate.cast.alice, proposal_id=new.public_id, now=clock_now(), actor=Actor.human(gate.cast.alice.pk))
    assert [item["field"] for item in shown.facts["drift"]] == ["budget_left:CC1"]
    assert shown.needs_reason


def test_hard_beats_material() -> None:
    gate = make_gate(budget="10000.00")
    proposal = gate.approved_order("5000.00")
    spend("5000.01")
    close_period(company=COMPANY, year=2026, month=11)
    run()
    assert (Proposal.objects.get(pk=proposal.pk).state, commit_of(proposal).code) == ("voided", "drift")
    assert not Proposal.objects.filter(supersedes=proposal).exists()


def test_within_tolerance_it_lands_and_old_and_new_are_kept() -> None:
    gate = make_gate(budget="10000.00")
    proposal = gate.approved_order("5000.00")
    spend("1000.00")
    run()
    assert commit_of(proposal).state == "succeeded"
    moved = Proposal.objects.get(pk=proposal.pk).outcome.data["tolerated"]
    assert [(item["field"], item["observed"], item["now"]) for item in moved] == [("budget_left:CC1", "10000.00", "9000.00")]
    assert outcome_of(last_event(proposal, "commit:succeeded"))["tolerated"] == ["budget_left:CC1"]


@pytest.mark.parametrize(("cost", "state"), [("12.40", "approved"), ("12.41", "superseded")])
def test_a_cost_may_move_by_half_a_percent(gate: Gate, cost: str, state: str) -> None:
    proposal = gate.approved("release_inventory", ledger.release())
    set_cost(cost)
    run()
    assert Proposal.objects.get(pk=proposal.pk).state == state
    assert InventoryMovement.objects.filter(reference=proposal.public_id).exists() is (state == "approved")


def test_the_same_order_written_by_hand_meanwhile_is_drift() -> None:
    gate = make_gate()
    proposal = gate.approved_order("5000.00")
    spend("5000.00", reference="REQ-1")
    run()
    new = Proposal.objects.get(supersedes=proposal)
    assert [(item["field"], item["now"]) for item in new.facts["drift"] if item["drift"] == "material"] == [("no_duplicate_since", "1")]


def test_another_order_of_the_same_reference_is_none() -> None:
    gate = make_gate()
    proposal = gate.approved_order("5000.00")
    spend("5000.01", reference="REQ-1")
    run()
    assert commit_of(proposal).state == "succeeded"


def test_the_same_entry_written_by_hand_meanwhile_is_drift(gate: Gate) -> None:
    proposal = gate.approved("post_journal_entry", ledger.entry("120.00"))
    post_staff_entry(company=COMPANY, action=ledger.entry("120.00", description="By hand"), written_by="staff", now=clock_now())
    run()
    new = Proposal.objects.get(supersedes=proposal)
    assert [(item["field"], item["now"]) for item in new.facts["drift"] if item["drift"] == "material"] == [("no_duplicate_since", "1")]
    decided_by(gate.cast.alice, new, reason_code="warning_accepted", comment="Two trips on one day.")
    run()
    assert commit_of(new).state == "succeeded"


def test_two_that_are_the_same_are_not_both_written_unasked(gate: Gate) -> None:
    first = gate.approved("post_journal_entry", ledger.entry("120.00"))
    run()
    principal = principal_of(gate.cast.agent, Grant.objects.get(tool="post_journal_entry"), gate.cast.principal.credential_thumbprint)
    second = submit(principal, "post_journal_entry", ledger.entry("120.00", description="Again"))
    assert commit_of(first).state == "succeeded"
    assert second.facts["warnings"] == [f"The ERP has 1 entry of {ledger.OPEN_DAY} over 120.00 EUR from 2000 to 6200 already."]
    other_day = submit(principal, "post_journal_entry", ledger.entry("120.00", effective_on="2026-11-19"))
    assert other_day.facts["warnings"] == []


def test_of_two_that_are_the_same_in_one_batch_the_second_is_asked_about_again(gate: Gate) -> None:
    first, second, other = gate.approved_order("5000.00"), gate.approved_order("5000.00"), gate.approved_order("5000.01")
    counts = run()
    assert (counts.succeeded, counts.deferred) == (2, 1)
    assert [(commit_of(item).state, commit_of(item).code) for item in (first, second, other)] == [
        ("succeeded", ""),
        ("queued", "twin_first"),
        ("succeeded", ""),
    ]
    assert landed_orders(second) == []

    services.run(now=lambda: clock_now() + timedelta(seconds=2))

    new = Proposal.objects.get(supersedes=second)
    assert [(item["field"], item["now"]) for item in new.facts["drift"] if item["drift"] == "material"] == [("no_duplicate_since", "1")]
    assert landed_orders(second) == []


def test_a_reversal_is_no_duplicate_and_what_it_undid_is_none_either(gate: Gate) -> None:
    proposal = gate.approved("post_journal_entry", ledger.entry("120.00"))
    run()
    document = Receipt.objects.get(commit__proposal=proposal).document
    principal = principal_of(gate.cast.agent, Grant.objects.get(tool="post_journal_entry"), gate.cast.principal.credential_thumbprint)
    reversal = approved(submit(principal, "post_journal_entry", ledger.reversal(document, company=COMPANY)), gate.cast.alice)
    assert "no_duplicate_since" not in [item["code"] for item in reversal.preconditions]
    run()
    assert commit_of(reversal).state == "succeeded"
    again = submit(principal, "post_journal_entry", ledger.entry("120.00"))
    assert again.facts["warnings"] == []
