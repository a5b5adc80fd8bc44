"""The grown matrix: conditions, rules of steps, company currency, sums by account and cost centre."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from approvals.calendars.services import escalate_overdue
from approvals.errors import DecisionRefused, NoApprover
from approvals.matrix.asking import rule_text
from approvals.matrix.models import CompanyCurrency, ExchangeRate, StepGroup
from approvals.matrix.rates import NoRate, converted
from approvals.models import Route, RouteStep
from approvals.queries import inbox, verify_route
from approvals.queries.quorum import is_satisfied
from approvals.queries.verification import Verified
from approvals.routing import StepRule, matches
from approvals.states import StepState
from identity.models import ApprovalGroupMember, Role
from kernel.clock import now as clock_now
from kernel.money import Money
from proposals.gate import Unroutable
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import Cast, a_row, an_order, decided_by, make_cast, opened, principal_of
from tests.builders.commits import as_owner
from tests.builders.identity import make_grant, make_group, make_user, terms
from tests.builders.proposals import PlainErp, a_journal_entry, submit

pytestmark = pytest.mark.django_db

BOTH: StepRule = {"group": "purchasing", "further_groups": ["finance"], "min_approvals": 1, "rule": "per_group"}


def cast_asking(erp: PlainErp, *steps: StepRule, **row: Any) -> Cast:
    return make_cast([a_row(10, steps=steps, **row)])


def state_of(proposal: Proposal) -> str:
    proposal.refresh_from_db()
    return proposal.state


@pytest.mark.parametrize(
    ("patterns", "value", "is_match"),
    [("", "", True), ("", "x", True), ("4100", "4100", True), ("4100", "41001", False), ("41*", "4100", True), ("42*, 4100", "4100", True),
     ("41*", "", False), ("*", "anything", True)],
)  # fmt: skip
def test_patterns(patterns: str, value: str, is_match: bool) -> None:
    assert matches(patterns, value) is is_match


def test_per_group_needs_one_of_each_and_both_groups_see_it_at_once(db: None, erp: PlainErp) -> None:
    cast = cast_asking(erp, BOTH)
    proposal = an_order(cast)
    step = proposal.route.steps.get()
    assert (step.rule, step.per_group, step.min_approvals, step.is_distinct) == ("per_group", 1, 2, True)
    now = clock_now()
    for person in (cast.alice, cast.dora):
        assert [row.id for row in inbox(person, "mine", now=now).rows] == [proposal.public_id]
    decided_by(cast.alice, proposal)
    assert state_of(proposal) == ProposalState.PENDING
    # Another buyer does not stand for finance.
    decided_by(cast.bob, proposal)
    assert state_of(proposal) == ProposalState.PENDING
    decided_by(cast.dora, proposal)
    assert state_of(proposal) == ProposalState.APPROVED
    assert isinstance(verify_route(proposal, clock_now()), Verified)


@pytest.mark.parametrize(("is_distinct", "needed"), [(True, 2), (False, 1)])
def test_one_person_in_two_groups_counts_once_unless_the_row_says_otherwise(
    db: None, erp: PlainErp, is_distinct: bool, needed: int
) -> None:
    cast = cast_asking(erp, {**BOTH, "is_distinct": is_distinct})
    ApprovalGroupMember.objects.create(group=cast.finance, user=cast.alice, companies=["DE01"])
    proposal = an_order(cast)
    decided_by(cast.alice, proposal)
    assert state_of(proposal) == (ProposalState.APPROVED if needed == 1 else ProposalState.PENDING)
    if needed > 1:
        decided_by(cast.bob, proposal)
        assert state_of(proposal) == ProposalState.APPROVED


@pytest.mark.parametrize(
    ("step", "people"),
    [
        ({"group": "purchasing", "min_approvals": 1, "rule": "any", "further_groups": ["finance"]}, ["dora"]),
        ({"group": "purchasing", "min_approvals": 1, "rule": "all"}, ["alice", "bob"]),
        ({"group": "purchasing", "min_approvals": 3, "further_groups": ["finance"]}, ["alice", "dora", "erik"]),
    ],
)
def test_any_all_and_quorum(db: None, erp: PlainErp, step: StepRule, people: list[str]) -> None:
    cast = cast_asking(erp, step)
    proposal = an_order(cast)
    for name in people:
        assert state_of(proposal) == ProposalState.PENDING
        decided_by(getattr(cast, name), proposal)
    assert state_of(proposal) == ProposalState.APPROVED


def test_all_leaves_out_who_is_excluded(db: None, erp: PlainErp) -> None:
    cast = cast_asking(erp, {"group": "purchasing", "min_approvals": 1, "rule": "all"})
    proposal = an_order(cast, on_behalf_of="bob")
    assert proposal.route.steps.get().min_approvals == 1
    decided_by(cast.alice, proposal)
    assert state_of(proposal) == ProposalState.APPROVED


def test_per_group_is_refused_when_one_group_has_nobody(db: None, erp: PlainErp) -> None:
    cast = cast_asking(erp, BOTH)
    ApprovalGroupMember.objects.filter(group=cast.finance).delete()
    with pytest.raises(NoApprover, match="asks 1 of Finance"):
        an_order(cast)


def test_the_database_counts_groups_as_the_service_does(db: None, erp: PlainErp) -> None:
    cast = cast_asking(erp, BOTH)
    proposal = an_order(cast)
    decided_by(cast.alice, proposal)
    decided_by(cast.bob, proposal)
    with pytest.raises(IntegrityError, match="lacks approvals"), transaction.atomic():
        RouteStep.objects.filter(route=proposal.route).update(state=StepState.SATISFIED, satisfied_at=clock_now())


def test_an_overdue_step_takes_its_fallback_group_for_a_group_that_does_not_answer(db: None, erp: PlainErp) -> None:
    dirk, eva = (make_user(name, [Role.APPROVER]) for name in ("dirk", "eva"))
    make_group("directors", dirk, eva)
    cast = cast_asking(erp, {**BOTH, "fallback": "directors"})
    proposal = an_order(cast)
    steps = RouteStep.objects.filter(route=proposal.route)
    decided_by(cast.alice, proposal)
    decided_by(cast.bob, proposal)
    with pytest.raises(DecisionRefused):
        decided_by(dirk, proposal)
    escalate_overdue(now=steps.get().due_at or clock_now())
    # Asking more people approves nothing by itself.
    assert state_of(proposal) == ProposalState.PENDING
    with pytest.raises(IntegrityError, match="lacks approvals"), transaction.atomic():
        steps.update(state=StepState.SATISFIED, satisfied_at=clock_now())
    for change in ({"fallback_group": cast.purchasing}, {"escalated_at": None}):
        with pytest.raises(IntegrityError, match="only moves forward"), transaction.atomic():
            steps.update(**change)
    # An escalation lies in the past of those who decide after it.
    as_owner("UPDATE approvals_routestep SET escalated_at = %s", [clock_now()])
    decided_by(dirk, proposal)
    assert state_of(proposal) == ProposalState.APPROVED
    assert isinstance(verify_route(proposal, clock_now()), Verified)


def test_the_fallback_group_alone_satisfies_it_with_as_many_people(db: None, erp: PlainErp) -> None:
    dirk, eva = (make_user(name, [Role.APPROVER]) for name in ("dirk", "eva"))
    make_group("directors", dirk, eva)
    cast = cast_asking(erp, {**BOTH, "fallback": "directors"})
    proposal = an_order(cast)
    as_owner("UPDATE approvals_routestep SET escalated_at = %s", [clock_now()])
    decided_by(dirk, proposal)
    assert state_of(proposal) == ProposalState.PENDING
    decided_by(eva, proposal)
    assert state_of(proposal) == ProposalState.APPROVED


def test_whoever_approved_before_the_escalation_stands_in_for_nobody(db: None, erp: PlainErp) -> None:
    """Bob is in the fallback group as well; silence of the others does not make his approval worth more."""
    make_group("directors", make_user("dirk", [Role.APPROVER]))
    cast = cast_asking(erp, {**BOTH, "fallback": "directors"})
    make_group("directors", cast.bob)
    proposal = an_order(cast)
    decided_by(cast.alice, proposal)
    decided_by(cast.bob, proposal)
    as_owner("UPDATE approvals_routestep SET escalated_at = %s", [clock_now()])
    step = proposal.route.steps.get()
    assert not is_satisfied(step, proposal.company)
    with pytest.raises(IntegrityError, match="lacks approvals"), transaction.atomic():
        RouteStep.objects.filter(pk=step.pk).update(state=StepState.SATISFIED, satisfied_at=clock_now())


def test_a_group_is_added_to_a_step_only_as_the_route_says(cast: Cast) -> None:
    proposal = an_order(cast)
    step = proposal.route.steps.get()
    with pytest.raises(IntegrityError, match="does not ask this group"), transaction.atomic():
        StepGroup.objects.create(step=step, group=cast.finance)
    cast_step = RouteStep.objects.filter(pk=step.pk)
    for change in ({"rule": "any"}, {"is_distinct": False}, {"min_approvals": 1, "per_group": 0, "rule": "all"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            cast_step.update(**change)


def test_accounts_counterparties_and_flags_are_conditions(db: None, erp: PlainErp) -> None:
    finance = ({"group": "finance", "min_approvals": 1},)
    rows = [
        a_row(10, tool="post_journal_entry", account="6*", flags_forbidden=("J2",), steps=finance, title="Costs"),
        a_row(20, counterparty="17*, 1580", steps=finance, title="Known vendors"),
    ]
    cast = make_cast(rows)
    assert an_order(cast, vendor="1700").route.row.title == "Known vendors"
    with pytest.raises(Unroutable):
        an_order(cast, vendor="2000")
    grant = make_grant(cast.agent, "post_journal_entry", bounds=terms(ceiling_minor=100_000_00))
    principal = principal_of(cast.agent, grant, cast.principal.credential_thumbprint)
    route = submit(principal, "post_journal_entry", a_journal_entry()).route
    assert route.row.title == "Costs"
    assert "account 6*" in route.reason


def test_a_rolling_sum_by_cost_centre_counts_over_vendors(db: None, erp: PlainErp) -> None:
    rows = [
        a_row(10, up_to_minor=10_000_00, rolling_days=30, rolling_by="cost_centre"),
        a_row(20, steps=({"group": "finance", "min_approvals": 1},)),
    ]
    cast = make_cast(rows)
    assert an_order(cast, "6000.00", vendor="1580").route.row.priority == 10
    route = an_order(cast, "6000.00", vendor="1700").route
    # The sum passed the band; the next row compares the single amount again.
    assert (route.row.priority, route.routed_minor) == (20, 6_000_00)


def test_a_rolling_sum_counts_what_is_pending_or_approved_for_one_vendor(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, rolling_days=1)])
    orders = [an_order(cast, amount) for amount in ("1.00", "2.00", "4.00", "8.00", "16.00")]
    decided_by(cast.alice, orders[3], "reject")
    decided_by(cast.alice, orders[4])
    an_order(cast, "32.00", vendor="1496")
    assert an_order(cast, "64.00").route.routed_minor == 87_00


def test_a_rolling_sum_by_account_counts_every_entry_that_touches_it(db: None, erp: PlainErp) -> None:
    row = a_row(10, tool="post_journal_entry", rolling_days=30, rolling_by="account", steps=({"group": "finance", "min_approvals": 1},))
    cast = make_cast([row])
    grant = make_grant(cast.agent, "post_journal_entry", bounds=terms(ceiling_minor=100_000_00))
    principal = principal_of(cast.agent, grant, cast.principal.credential_thumbprint)
    routed = [submit(principal, "post_journal_entry", a_journal_entry()).route for _ in range(2)]
    assert [route.routed_minor for route in routed] == [120_00, 240_00]
    assert "rolling sum per account of 240.00 EUR" in routed[1].reason


class TestCompanyCurrency:
    """Amounts are compared in the company's currency, with a stored rate."""

    @pytest.fixture
    def cast(self, db: None, erp: PlainErp) -> Cast:
        cast = make_cast(
            [a_row(10, currency="USD", up_to_minor=12_000_00), a_row(20, currency="USD", steps=({"group": "finance", "min_approvals": 1},))]
        )
        CompanyCurrency.objects.create(company="DE01", currency="USD", recorded_by=cast.cora, recorded_at=clock_now())
        return cast

    def rate(self, cast: Cast, rate: str, days: int = 1, **changes: Any) -> ExchangeRate:
        now = clock_now()
        values = {"from_currency": "EUR", "to_currency": "USD", "rate": Decimal(rate), "rate_on": now.date() - timedelta(days=days)}
        values |= {"source": "ECB", "recorded_by": cast.cora, "recorded_at": now}
        return ExchangeRate.objects.create(**{**values, **changes})

    def test_the_rate_and_its_day_stand_on_the_route_and_on_the_page(self, cast: Cast) -> None:
        rate = self.rate(cast, "1.25")
        proposal = an_order(cast, "10000.00")
        route = Route.objects.get(pk=proposal.pk)
        assert (route.row.priority, route.routed(proposal)) == (20, Money(12_500_00, "USD"))
        assert route.snapshot["conversion"]["rate_on"] == rate.rate_on.isoformat()
        assert f"10,000.00 EUR count as 12,500.00 USD at 1.25 USD for one EUR of {rate.rate_on.isoformat()} (ECB)." in route.reason
        ApprovalGroupMember.objects.filter(user=cast.dora).update(limit_minor=12_500_00, limit_currency="USD")
        facts = opened(cast.dora, proposal).facts
        assert facts["route"]["routed"] == "12,500.00 USD"
        decided_by(cast.dora, proposal)
        assert state_of(proposal) == ProposalState.APPROVED

    def test_a_limit_in_the_currency_of_the_order_no_longer_reaches(self, cast: Cast) -> None:
        self.rate(cast, "1.25")
        proposal = an_order(cast, "10000.00")
        ApprovalGroupMember.objects.filter(user=cast.dora).update(limit_minor=90_000_00, limit_currency="EUR")
        with pytest.raises(DecisionRefused, match=r"Your limit in Finance is 90,000\.00 EUR; this proposal counts as 12,500\.00 USD"):
            decided_by(cast.dora, proposal)

    def test_without_a_recent_rate_it_is_refused(self, cast: Cast) -> None:
        self.rate(cast, "1.25", days=11)
        self.rate(cast, "1.25", days=-1)
        with pytest.raises(NoRate, match="no rate of the last 10 days from EUR to USD") as refusal:
            an_order(cast)
        assert refusal.value.code == "unroutable_no_rate"
        assert not Proposal.objects.exists()

    def test_the_newest_day_counts_and_within_it_what_was_recorded_last(self, cast: Cast) -> None:
        self.rate(cast, "3", days=5)
        self.rate(cast, "2", recorded_at=clock_now() - timedelta(hours=1))
        self.rate(cast, "1.1")
        assert an_order(cast, "100.00").route.routed_minor == 110_00

    def test_rolling_sums_count_in_the_company_currency(self, db: None, cast: Cast) -> None:
        self.rate(cast, "1.25")
        cast.policy.__class__.objects.filter(pk=cast.policy.pk).update(state="retired")
        from tests.builders.approvals import make_policy

        make_policy([a_row(10, currency="USD", rolling_days=30)], author=cast.cora, activator=cast.cem)
        assert [an_order(cast, "100.00").route.routed_minor for _ in range(2)] == [125_00, 250_00]

    @pytest.mark.parametrize(
        ("minor", "rate", "to", "expected"), [(1, "0.5", "EUR", 1), (100, "151.237", "JPY", 151), (12345, "0.3071", "KWD", 37911)]
    )
    def test_rounding_is_half_up_to_the_smallest_unit(self, minor: int, rate: str, to: str, expected: int) -> None:
        assert converted(Money(minor, "USD"), Decimal(rate), to) == Money(expected, to)

    def test_a_rate_is_never_changed(self, cast: Cast) -> None:
        self.rate(cast, "1.25")
        with pytest.raises(IntegrityError), transaction.atomic():
            ExchangeRate.objects.update(rate=Decimal(2))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"group": "a", "min_approvals": 1}, "Alpha: 1 approval"),
        ({"group": "a", "min_approvals": 2, "further_groups": ["b"]}, "Alpha and Beta: 2 approvals"),
        ({"group": "a", "min_approvals": 1, "rule": "any", "further_groups": ["b"]}, "any one of Alpha or Beta"),
        ({"group": "a", "min_approvals": 1, "rule": "all"}, "Alpha: everybody who may, at least 1"),
        ({"group": "a", "min_approvals": 1, "rule": "per_group", "further_groups": ["b"], "due_days": 2, "fallback": "c"},
         "1 of each of Alpha and Beta, within 2 business days, then c as well"),
    ],
)  # fmt: skip
def test_a_step_in_words(rule: StepRule, text: str) -> None:
    assert rule_text(rule, {"a": "Alpha", "b": "Beta"}) == text
