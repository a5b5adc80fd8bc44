"""A period over real books: its population, the rules, samples, the control matrix, the tie-out, access."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from audit.models import Event
from audit.queries import record_of
from identity.models import Role
from identity.services import assign_role
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, ValidationFailed
from kernel.queue import depth
from reconciliation.assurance import tasks
from reconciliation.assurance.access import access_rows, duty_rows
from reconciliation.assurance.controls import control_rows
from reconciliation.assurance.hit_words import names_in, seen_text
from reconciliation.assurance.models import RuleHit, RuleRun, Sample
from reconciliation.assurance.population import members, statement
from reconciliation.assurance.rule_runs import request_rule_run
from reconciliation.assurance.samples import draw_sample, redrawn
from reconciliation.assurance.scope import Scope, scope_asked
from reconciliation.assurance.states import ControlResult
from reconciliation.assurance.tie_out import tie_out
from tests.builders.commits import Gate, as_owner, landed_orders, run
from tests.builders.flags import calm
from tests.builders.identity import COMPANY, actor, make_user
from tests.reconciliation.builders import committed, write_past_the_gate

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.fixture
def gate(gate: Gate) -> Gate:
    """Return the gate on days that all look alike."""
    calm(author=gate.cast.cora, activator=gate.cast.cem)
    return gate


@pytest.fixture
def auditor() -> User:
    return make_user("samuel", [Role.AUDITOR])


def today() -> Scope:
    """Return everything of the last day up to a moment from now."""
    now = clock_now()
    return Scope(now - timedelta(days=1), now + timedelta(minutes=1), (COMPANY,))


def rules_run(user: User) -> RuleRun:
    """Return a run of the rules over today, done as the worker does it."""
    asked = request_rule_run(scope=today(), user=user, actor=actor(user), now=clock_now())
    assert tasks.run_requested(asked.public_id) == f"{asked.public_id} completed"
    asked.refresh_from_db()
    return asked


def results(user: User) -> dict[str, str]:
    return {row.control.code: row.result for row in control_rows(today())}


def test_a_period_is_days_that_were_written() -> None:
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    asked = scope_asked(since="2026-11-30", until="2026-11-01", company="", allowed=frozenset({"DE01", "AT01"}), now=now)
    assert str(asked) == "2026-11-01 to 2026-11-30, AT01, DE01"
    assert str(scope_asked(since="", until="no day", company="US01", allowed=frozenset({"DE01"}), now=now)) == (
        "2026-10-25 to 2026-11-23, no company"
    )
    assert asked.digest != scope_asked(since="", until="", company="", allowed=frozenset({"DE01"}), now=now).digest


def test_the_statement_counts_what_was_proposed_and_what_landed(gate: Gate) -> None:
    gate.orders(3)
    run()
    gate.order("5000.00")
    found = statement(today(), run_by="7", run_at=clock_now())
    assert [(item.label, item.count, str(item.total)) for item in found.landed] == [("landed", 3, "6.00 EUR")]
    assert [(item.label, item.count, str(item.total)) for item in found.proposed] == [
        ("approved", 3, "6.00 EUR"),
        ("pending", 1, "5,000.00 EUR"),
    ]
    assert found.events.count == Event.objects.count()
    assert found.events.gaps == 0
    assert not found.is_complete, "nothing is sealed in a test's transaction, and the statement says so"
    elsewhere = Scope(found.scope.since, found.scope.until, ("US01",))
    assert statement(elsewhere, run_by="7", run_at=clock_now()).landed_count == 0


def test_the_rules_run_over_what_landed(gate: Gate, auditor: User) -> None:
    gate.order("500.17")
    run()
    again = gate.order("500.17")
    gate.order("20000.00")
    run()
    waiting = depth()
    found = rules_run(auditor)
    assert depth() == waiting + 1, "a worker was woken"
    assert (found.population_count, found.population_totals) == (2, {"EUR": 100034})
    assert found.thresholds == {COMPANY: 1}
    assert {code: item["hits"] for code, item in found.results.items() if item["hits"]} == {"J11": 1}
    hit = RuleHit.objects.get()
    assert (hit.rule, hit.proposal_id) == ("J11", again.pk)
    assert hit.observed["count"] == "1"
    assert found.results["J3"]["tested"] == 2
    assert found.results["J13"]["not_tested"] == {"so many earlier amounts are fewer than so many": 2}
    assert found.results["J9"]["not_applicable"] == 2
    event = record_of(Event.objects.get(kind="evidence:rules_run"))
    assert event["outcome"]["population"] == 2
    assert event["outcome"]["hits"] == {"J11": 1}


def test_a_run_ends_once_and_stays(gate: Gate, auditor: User) -> None:
    gate.order("100.00")
    run()
    found = rules_run(auditor)
    tasks.run_requested(found.public_id)
    assert Event.objects.filter(kind="evidence:rules_run").count() == 1
    for statement_text in ("UPDATE reconciliation_rulerun SET results = '{}'", "DELETE FROM reconciliation_rulerun"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement_text)


def test_approvals_and_read_backs_are_tested_over_the_period(gate: Gate, auditor: User) -> None:
    proposal = gate.approved_order("2500.17")
    run()
    as_owner("UPDATE approvals_decision SET shown_at = decided_at - interval '1 second'", [])
    as_owner("UPDATE commits_receipt SET differences = %s", ['[{"field": "total", "approved": "2500.17", "landed": "2500.20"}]'])
    rules_run(auditor)
    found = {hit.rule: hit.observed for hit in RuleHit.objects.filter(proposal=proposal)}
    assert found == {
        "J14": {f"seconds:{gate.cast.alice.pk}": "1"},
        "J17": {"fields": "total", "differences": "1"},
    }
    struck = RuleHit.objects.get(proposal=proposal, rule="J14")
    assert seen_text(struck, names_in([struck])) == "Alice: approved 1 s after the page was shown"


def test_nobody_runs_rules_or_draws_where_they_have_no_right(gate: Gate) -> None:
    charlie = make_user("charlie2", [Role.AUDITOR], ["US01"])
    with pytest.raises(NotVisible):
        request_rule_run(scope=today(), user=charlie, actor=actor(charlie), now=clock_now())
    with pytest.raises(NotVisible):
        draw_sample(scope=today(), method="random", size=1, purpose="x", user=charlie, actor=actor(charlie), now=clock_now())
    with pytest.raises(ValidationFailed):
        request_rule_run(scope=Scope(today().since, today().until, ()), user=charlie, actor=actor(charlie), now=clock_now())
    assert RuleRun.objects.count() == Sample.objects.count() == 0


def drawn(user: User, method: str, size: int, **changes: str) -> Sample:
    return draw_sample(
        scope=today(), method=method, size=size, purpose="Walkthrough", user=user, actor=actor(user), now=clock_now(), **changes
    )


def test_a_sample_keeps_its_seed_and_is_drawn_again(gate: Gate, auditor: User) -> None:
    gate.orders(12)
    run()
    for method in ("random", "stratified", "monetary_unit"):
        sample = drawn(auditor, method, 4, currency="EUR")
        assert (sample.population_count, sample.population_totals) == (12, {"EUR": 7800})
        picked, population = redrawn(sample)
        assert [item.member.key for item in picked] == [item.proposal_id for item in sample.items.all()]
        assert population.text == sample.population_digest
    assert drawn(auditor, "random", 4, seed="same").pk != drawn(auditor, "random", 4, seed="same").pk
    outcome = record_of(Event.objects.filter(kind="evidence:sample_drawn").order_by("event_id").first())["outcome"]  # type: ignore[arg-type]
    assert (outcome["drawn"], outcome["population"], outcome["method"]) == (4, 12, "random")


def test_what_changed_since_a_sample_shows_in_the_population_s_digest(gate: Gate, auditor: User) -> None:
    gate.orders(2)
    run()
    sample = drawn(auditor, "random", 2)
    as_owner("UPDATE proposals_proposal SET amount_minor = amount_minor + 1", [])
    assert redrawn(sample)[1].text != sample.population_digest


@pytest.mark.parametrize(
    ("method", "size", "changes"),
    [
        ("best", 1, {}),
        ("random", 0, {}),
        ("random", 1001, {}),
        ("random", 1, {"seed": "a b"}),
        ("monetary_unit", 1, {}),
        ("monetary_unit", 1, {"currency": "USD"}),
    ],
)
def test_a_sample_without_a_form_is_refused(gate: Gate, auditor: User, method: str, size: int, changes: dict[str, str]) -> None:
    gate.order("100.00")
    run()
    with pytest.raises(ValidationFailed):
        drawn(auditor, method, size, **changes)
    assert Sample.objects.count() == 0


def test_samples_are_only_ever_added(gate: Gate, auditor: User) -> None:
    gate.order("100.00")
    run()
    drawn(auditor, "random", 1)
    for table in ("reconciliation_sample", "reconciliation_sampleitem", "reconciliation_rulehit"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")


def test_gate_and_erp_tie_out(gate: Gate) -> None:
    gate.orders(3)
    run()
    (found,) = tie_out(today())
    assert found.is_tied
    assert (found.gate_count, found.erp_count, found.matched, found.gate_totals, found.erp_totals) == (3, 3, 3, {"EUR": 600}, {"EUR": 600})


def test_what_one_side_has_alone_is_listed_both_ways(gate: Gate) -> None:
    proposal, document = committed(gate)
    past_the_gate = write_past_the_gate("77.00")
    as_owner("UPDATE commits_receipt SET document = 'PO-2026-999999' WHERE document = %s", [document])
    (found,) = tie_out(today())
    assert not found.is_tied
    assert [side.document for side in found.only_gate] == ["PO-2026-999999"]
    assert sorted(side.document for side in found.only_erp) == sorted([document, past_the_gate])
    assert proposal.public_id in {side.reference for side in found.only_erp}
    assert results(gate.cast.cora)["AC-6"] == ControlResult.EXCEPTIONS


def test_another_period_s_documents_are_no_difference(gate: Gate) -> None:
    committed(gate)
    as_owner("UPDATE commits_receipt SET recorded_at = recorded_at - interval '3 days'", [])
    (found,) = tie_out(today())
    assert (found.gate_count, found.only_erp_count) == (0, 0)


def test_the_control_matrix_computes_or_says_not_tested(gate: Gate, auditor: User) -> None:
    assert results(auditor)["AC-1"] == ControlResult.NOT_TESTED, "nothing landed yet"
    gate.approved_order("2500.17")
    run()
    found = {row.control.code: row for row in control_rows(today())}
    assert {code: row.result for code, row in found.items()} == {
        **dict.fromkeys(("AC-1", "AC-2", "AC-3", "AC-4", "AC-5", "AC-6", "IA-1", "IA-3", "CM-1", "CM-2"), ControlResult.EFFECTIVE),
        **dict.fromkeys(("AC-7", "MO-1", "MO-2", "LG-2", "LG-3", "OP-1", "CM-3"), ControlResult.NOT_TESTED),
        "IA-2": ControlResult.EXCEPTIONS,
        "LG-1": ControlResult.EXCEPTIONS,
    }
    assert found["AC-1"].tested == 1
    assert all(row.sentence for row in found.values())


@pytest.mark.parametrize(
    ("code", "tampering"),
    [
        ("AC-1", "UPDATE commits_commit SET first_sent_at = first_sent_at - interval '1 hour'"),
        (
            "AC-2",
            "INSERT INTO approvals_exclusion (route_id, user_id, reason) SELECT proposal_id, user_id, 'x' FROM approvals_decision",
        ),
        ("AC-3", "UPDATE commits_commit SET request_bytes = request_bytes || ' '::bytea"),
        ("AC-3", "UPDATE proposals_proposal SET action_bytes = action_bytes || ' '::bytea"),
        ("AC-5", """UPDATE commits_receipt SET differences = '[{"field": "total"}]'"""),
    ],
)
def test_a_control_that_failed_says_so(gate: Gate, auditor: User, code: str, tampering: str) -> None:
    gate.approved_order("2500.17")
    run()
    as_owner(tampering, [])
    row = next(row for row in control_rows(today()) if row.control.code == code)
    assert (row.result, row.exception_count) == (ControlResult.EXCEPTIONS, 1)
    assert row.exceptions


def test_not_even_the_owner_of_the_database_lets_an_author_activate(gate: Gate) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        as_owner("UPDATE approvals_policy SET activated_by_id = author_id WHERE state = 'active'", [])


def test_access_lists_roles_and_duties(gate: Gate, auditor: User) -> None:
    gate.approved_order("2500.17")
    adele = make_user("adele", [Role.ADMINISTRATOR])
    end = clock_now().date() + timedelta(days=30)
    assign_role(user_id=auditor.pk, role=Role.AUDITOR, companies=[COMPANY], expires_on=end, actor=actor(adele), now=clock_now())
    (row,) = [item for item in access_rows(today()) if item.user_id == auditor.pk and item.change == "changed"]
    assert (row.role, row.companies, row.expires_on, row.changed_by) == ("Auditor", (COMPANY,), end, adele.pk)
    (duties,) = duty_rows(today())
    assert (duties.user_id, duties.decisions, duties.approvals, duties.excluded, duties.asked, duties.twice) == (
        gate.cast.alice.pk,
        1,
        1,
        0,
        0,
        0,
    )
    assert results(auditor)["IA-2"] == ControlResult.EFFECTIVE


def test_the_population_streams_in_the_order_of_proposals(gate: Gate) -> None:
    made = gate.orders(3)
    run()
    found = list(members(today()))
    assert [member.proposal for member in found] == sorted(proposal.public_id for proposal in made)
    assert {member.document for member in found} == {landed_orders(proposal)[0].number for proposal in made}
