"""What a controller asks a version before it routes anything: gaps, the tester, the difference, the backtest."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from approvals.matrix import editing
from approvals.matrix.backtest import Change, backtest
from approvals.matrix.checker import Kind, check
from approvals.matrix.difference import compare
from approvals.matrix.inflight import in_flight, kept_routes
from approvals.matrix.tester import Trial, try_out
from approvals.models import Policy, PolicyRow
from approvals.services.matrix import RowDraft, row_of
from kernel.clock import now as clock_now
from kernel.money import Money
from proposals.models import Proposal
from tests.approvals.test_verify_routes import forged
from tests.builders.approvals import TOOL, Cast, a_row, an_order, decided_by, make_cast, make_policy
from tests.builders.identity import actor
from tests.builders.proposals import PlainErp

FINANCE = ({"group": "finance", "min_approvals": 1},)
TWO = ({"group": "finance", "min_approvals": 2},)


def rows_of(*drafts: RowDraft) -> list[PolicyRow]:
    return [row_of(Policy(), draft, author=None) for draft in drafts]


def dated(proposal: Proposal, at: datetime) -> Proposal:
    """Return the proposal as if it had been made then."""
    forged(Proposal.objects.filter(pk=proposal.pk), created_at=at)
    return proposal


def found(*drafts: RowDraft, **currencies: str) -> list[tuple[str, str]]:
    report = check(rows_of(*drafts), currencies or {"DE01": "EUR"})
    assert report.is_complete
    return [(item.kind.value, item.text) for item in report.findings]


class TestChecker:
    """Gaps, rows that never decide, overlaps; no database is asked."""

    def test_a_matrix_that_covers_everything_once_has_no_finding(self) -> None:
        assert found(a_row(10, company="DE01", up_to_minor=100), a_row(20, company="DE01", from_minor=101, steps=FINANCE)) == []

    def test_a_gap_between_bands_and_above_the_last(self) -> None:
        rows = [
            a_row(10, company="DE01", up_to_minor=100_00),
            a_row(20, company="DE01", from_minor=200_00, up_to_minor=300_00, steps=FINANCE),
        ]
        ((kind, text),) = found(*rows)
        assert kind == "gap"
        assert text.startswith("create_purchase_order in DE01: no row asks anybody for 100.01 EUR to 199.99 EUR and 300.01 EUR and more,")

    def test_an_automatic_row_alone_leaves_a_gap(self) -> None:
        """Whatever may not be approved automatically needs somebody who is asked."""
        rows = [a_row(10, company="DE01", is_automatic=True, steps=(), up_to_minor=100_00), a_row(20, company="DE01", from_minor=100_01)]
        ((kind, text),) = found(*rows)
        assert kind == "gap"
        assert "0.00 EUR to 100.00 EUR" in text

    def test_a_company_without_rows_and_a_tool_without_rows(self) -> None:
        report = check(rows_of(a_row(10, company="DE01")), {"DE01": "EUR", "US01": "USD"}, [TOOL, "release_inventory"])
        texts = [item.text for item in report.findings]
        assert "create_purchase_order in US01: no row asks anybody for 0.00 USD and more, so it is refused as unroutable." in texts
        assert "No row is for release_inventory: every such write is refused as unroutable." in texts

    def test_a_row_behind_a_wider_one_never_decides(self) -> None:
        wide, narrow = a_row(10, company="DE01"), a_row(20, company="DE01", cost_centre="4100", steps=FINANCE)
        assert found(wide, narrow) == [("unreachable", "Row 20 (Row 20) never decides: rows before it cover everything it covers.")]
        # The other way round it is an exception before a rule: what the order is for.
        assert found(replace(narrow, priority=5), wide) == []

    def test_rows_that_overlap_in_part_are_named(self) -> None:
        rows = [a_row(10, company="DE01", up_to_minor=100_00, steps=FINANCE), a_row(20, company="DE01", from_minor=50_00)]
        ((kind, text),) = found(*rows)
        assert kind == "overlap"
        assert "both cover writes in DE01, from 50.00 EUR on, and ask differently: row 10 decides" in text

    def test_a_gap_that_only_a_condition_leaves(self) -> None:
        ((kind, text),) = found(a_row(10, company="DE01", flags_forbidden=("J1",)))
        assert kind == "gap"
        assert "(flagged by J1)" in text

    def test_a_rolling_sum_that_runs_past_the_last_band(self) -> None:
        ((kind, text),) = found(
            a_row(10, company="DE01", up_to_minor=100_00, rolling_days=30), a_row(20, company="DE01", from_minor=100_01)
        )
        assert kind == "gap"
        assert "with a rolling sum from 100.01 EUR over 30 days" in text

    def test_every_company_means_the_others_too(self) -> None:
        texts = [text for _, text in found(a_row(10, up_to_minor=5_00))]
        assert any("in any other company" in text for text in texts)
        assert any("in DE01" in text for text in texts)

    def test_what_is_too_much_to_try_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("approvals.matrix.checker.CASES_MAX", 2_000)
        rows = [
            a_row(
                10 + place,
                company="DE01",
                cost_centre=f"{place}*",
                account=f"{place}1",
                counterparty=f"{place}2",
                from_minor=place,
                up_to_minor=place + 5,
            )
            for place in range(30)
        ]
        assert not check(rows_of(*rows), {"DE01": "EUR"}).is_complete


@pytest.mark.django_db
class TestTester:
    """The tester asks the gate's own functions."""

    def test_it_shows_row_people_and_why_others_were_passed_over(self, cast: Cast) -> None:
        answer = try_out(cast.policy, Trial(TOOL, "DE01", Money(30_000_00, "EUR")), clock_now())
        assert answer.match is not None
        assert answer.match.row.priority == 20
        assert [step.need.people for step in answer.steps] == [{cast.alice.pk, cast.bob.pk}, {cast.dora.pk, cast.erik.pk}]
        assert [item.why for item in answer.looked_at] == ["30,000.00 EUR is not within 0.00 EUR to 25,000.00 EUR", ""]
        assert answer.refusal == ""

    def test_it_agrees_with_the_gate(self, cast: Cast) -> None:
        for amount in ("0.01", "25000.00", "25000.01", "50000.00"):
            proposal = an_order(cast, amount)
            answer = try_out(cast.policy, Trial(TOOL, "DE01", proposal.amount, agent=cast.agent), clock_now())
            assert answer.match is not None
            assert answer.match.row == proposal.route.row
            assert answer.reason == proposal.route.reason
            assert {item.user_id for item in answer.excluded} == set(proposal.route.exclusions.values_list("user_id", flat=True))

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"amount": Money(99_999_99, "EUR")}, "No row covers it"),
            ({"company": "FR01"}, "Step 1 asks 1 of Purchasing, but 0 can decide"),
            ({"tool": "release_inventory"}, "No row covers it"),
        ],
    )
    def test_it_says_why_the_gate_would_refuse(self, cast: Cast, changes: dict[str, Any], refusal: str) -> None:
        trial = replace(Trial(TOOL, "DE01", Money(1_00, "EUR")), **changes)
        assert refusal in try_out(cast.policy, trial, clock_now()).refusal

    def test_what_was_proposed_before_counts_for_a_rolling_row(self, db: None, erp: PlainErp) -> None:
        cast = make_cast([a_row(10, up_to_minor=10_000_00, rolling_days=30), a_row(20, steps=FINANCE)])
        trial = Trial(TOOL, "DE01", Money(4_900_00, "EUR"), earlier_minor=44_100_00)
        answer = try_out(cast.policy, trial, clock_now())
        assert answer.match is not None
        assert answer.match.row.priority == 20


def test_the_difference_is_by_field_and_knows_what_only_moved() -> None:
    was = rows_of(
        a_row(10, title="Small", up_to_minor=100_00), a_row(20, title="Large", from_minor=100_01), a_row(30, title="Old", cost_centre="9")
    )
    now = rows_of(
        a_row(15, title="Small", up_to_minor=100_00),
        a_row(20, title="Large", from_minor=100_01, steps=TWO),
        a_row(5, title="New", company="US01"),
    )
    diff = compare(was, now, {"finance": "Finance", "purchasing": "Purchasing"})
    assert [(item.kind, item.title) for item in diff.changes] == [
        ("added", "New"),
        ("moved", "Small"),
        ("changed", "Large"),
        ("removed", "Old"),
    ]
    (asks,) = diff.changes[2].fields
    assert (asks.label, asks.was, asks.now) == ("Asks", "1. Purchasing: 1 approval", "1. Finance: 2 approvals")
    assert compare(was, was, {}).same == 3


@pytest.mark.django_db
class TestBacktest:
    """Versions tried on what was proposed."""

    def draft(self, cast: Cast, *rows: RowDraft) -> Policy:
        now = clock_now()
        policy = editing.start_draft(title="Next", copy_of=None, user=cast.cem, actor=actor(cast.cem), now=now)
        return editing.replace_rows(policy_id=policy.pk, rows=rows, user=cast.cem, actor=actor(cast.cem), now=now)

    def test_the_same_matrix_changes_nothing(self, cast: Cast) -> None:
        for amount in ("100.00", "30000.00"):
            an_order(cast, amount)
        result = backtest(cast.policy, ["DE01"], clock_now())
        assert (result.tried, result.differing, result.is_complete) == (2, (), True)

    def test_it_counts_who_loses_and_gains_and_what_is_refused(self, cast: Cast) -> None:
        small, large = an_order(cast, "100.00"), an_order(cast, "30000.00")
        policy = self.draft(cast, a_row(10, from_minor=1_000_00, steps=FINANCE))
        result = backtest(policy, ["DE01"], clock_now())
        assert [(item.proposal_id, item.change) for item in result.differing] == [
            (large.public_id, Change.LOSES_SECOND),
            (small.public_id, Change.REFUSED),
        ]
        assert (result.differing[0].was, result.differing[0].would) == ("1 of purchasing, then 1 of finance", "1 of finance")
        policy = self.draft(cast, a_row(10, up_to_minor=500_00, is_automatic=True, steps=()), a_row(20, steps=TWO))
        changes = {item.proposal_id: item.change for item in backtest(policy, ["DE01"], clock_now()).differing}
        assert changes == {small.public_id: Change.AUTOMATIC, large.public_id: Change.OTHER_PEOPLE}
        policy = self.draft(cast, a_row(10, steps=TWO))
        changes = {item.proposal_id: item.change for item in backtest(policy, ["DE01"], clock_now()).differing}
        assert changes == {small.public_id: Change.GAINS_SECOND, large.public_id: Change.OTHER_PEOPLE}

    def test_rolling_sums_are_those_of_the_time(self, cast: Cast) -> None:
        now = clock_now()
        orders = [dated(an_order(cast, "4900.00"), now - timedelta(days=days)) for days in (3, 2, 1)]
        rejected = dated(an_order(cast, "4900.00"), now - timedelta(hours=2))
        decided_by(cast.alice, rejected, "reject")
        policy = self.draft(cast, a_row(10, up_to_minor=9_800_00, rolling_days=30), a_row(20, rolling_days=30, steps=FINANCE))
        differing = {item.proposal_id for item in backtest(policy, ["DE01"], clock_now()).differing}
        assert differing == {orders[2].public_id, rejected.public_id}

    def test_only_the_companies_asked_for_and_only_90_days(self, cast: Cast) -> None:
        dated(an_order(cast), clock_now() - timedelta(days=91))
        an_order(cast)
        assert backtest(cast.policy, ["DE01"], clock_now()).tried == 1
        assert backtest(cast.policy, ["US01"], clock_now()).tried == 0


@pytest.mark.django_db
def test_what_is_in_flight_keeps_the_older_route(cast: Cast) -> None:
    now = clock_now()
    kept = an_order(cast)
    assert in_flight(["DE01"], now) == []
    make_policy([a_row(1)], author=cast.cora, activator=cast.cem)
    an_order(cast)
    ((item),) = in_flight(["DE01"], now)
    assert (item.policy, item.count) == (cast.policy, 1)
    assert [route.proposal for route in kept_routes(["DE01"], now)] == [kept]
    assert in_flight(["US01"], now) == []


def test_kinds_are_sorted_worst_first() -> None:
    kinds = [
        kind
        for kind, _ in found(
            a_row(10, company="DE01", up_to_minor=9), a_row(20, company="DE01", up_to_minor=5, cost_centre="1", steps=FINANCE)
        )
    ]
    assert kinds == [Kind.GAP.value, Kind.UNREACHABLE.value]
