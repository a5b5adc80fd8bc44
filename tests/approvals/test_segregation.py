"""Segregation of duties: who is kept out and through what, at every place that asks, the database included."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from approvals.errors import DecisionRefused
from approvals.models import Decision
from approvals.queries import Problem, may_decide, verify_route
from approvals.segregation.drawing import drawn
from approvals.segregation.graph import graph_of_agent, graph_of_proposal
from config.databases import RUNTIME
from identity.models import Agent, ApprovalGroupMember, Credential, Grant
from kernel.clock import now as clock_now
from kernel.verdicts import Denied
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.approvals.test_guards import assert_guarded, forced
from tests.approvals.test_verify_routes import forged
from tests.builders.approvals import Cast, a_row, an_order, approved, decided_by, make_cast, opened
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db


def become_owner(cast: Cast, user: Any) -> None:
    forged(Agent.objects.filter(pk=cast.agent.pk), owner=user)


def become_sponsor(cast: Cast, user: Any) -> None:
    forged(Agent.objects.filter(pk=cast.agent.pk), sponsor=user)


def become_editor(cast: Cast, user: Any) -> None:
    forged(Agent.objects.filter(pk=cast.agent.pk), last_edited_by=user)


def become_issuer_of_the_key(cast: Cast, user: Any) -> None:
    forged(Credential.objects.filter(agent=cast.agent), issued_by=user)


def become_issuer_of_the_grant(cast: Cast, user: Any) -> None:
    forged(Grant.objects.filter(pk=cast.grant.pk), issued_by=user)


def become_activator_of_the_grant(cast: Cast, user: Any) -> None:
    forged(Grant.objects.filter(pk=cast.grant.pk), activated_by=user)


SINCE = [
    (become_owner, "sod_owner"),
    (become_sponsor, "sod_sponsor"),
    (become_editor, "sod_last_editor"),
    (become_issuer_of_the_key, "sod_issued_credential"),
    (become_issuer_of_the_grant, "sod_issued_grant"),
    (become_activator_of_the_grant, "sod_issued_grant"),
]


@pytest.mark.parametrize(("become", "code"), SINCE)
def test_what_came_to_be_after_routing_excludes_everywhere(cast: Cast, become: Any, code: str) -> None:
    """In the page's sentence, in the service, in the database before the row, and at the approval of an earlier approver."""
    proposal = an_order(cast, "30000.00")
    decided_by(cast.alice, proposal)
    page = opened(cast.dora, proposal)
    become(cast, cast.dora)
    verdict = may_decide(cast.dora, proposal, clock_now())
    assert isinstance(verdict, Denied)
    assert verdict.code == code
    with pytest.raises(DecisionRefused):
        decided_by(cast.dora, proposal)
    step = proposal.route.steps.get(position=2)
    assert_guarded("approvals_guard_excluded", lambda: forced(cast, proposal, cast.dora, step_id=step.pk))
    assert page.facts["payload_digest"] == proposal.payload_digest


@pytest.mark.parametrize(("become", "code"), SINCE)
def test_an_approval_does_not_come_about_through_somebody_excluded_since(cast: Cast, become: Any, code: str) -> None:
    proposal = an_order(cast, "30000.00")
    decided_by(cast.alice, proposal)
    become(cast, cast.alice)
    with pytest.raises(Exception, match="Somebody who approved earlier is excluded now") as refusal:
        decided_by(cast.dora, proposal)
    assert refusal.value.code == "approver_excluded"  # type: ignore[attr-defined]
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.PENDING
    assert Decision.objects.filter(proposal=proposal).count() == 1
    assert code.startswith("sod_")


def test_the_commit_asks_again(cast: Cast) -> None:
    proposal = approved(an_order(cast), cast.alice)
    become_owner(cast, cast.alice)
    found = verify_route(proposal, clock_now())
    assert isinstance(found, Problem)
    assert found.code == "approver_excluded"


def test_a_superuser_is_no_exception(cast: Cast) -> None:
    cast.olga.is_superuser = cast.olga.is_staff = True
    cast.olga.save()
    ApprovalGroupMember.objects.create(group=cast.purchasing, user=cast.olga, companies=["DE01"])
    proposal = an_order(cast)
    verdict = may_decide(cast.olga, proposal, clock_now())
    assert isinstance(verdict, Denied)
    assert verdict.reason == "You own agent AP-Bot, so you can't decide on its proposals (SoD: owner)."
    assert_guarded("approvals_guard_excluded", lambda: forced(cast, proposal, cast.olga))


def test_who_asked_for_any_revision_is_excluded_by_the_database_too(cast: Cast) -> None:
    first = an_order(cast, on_behalf_of="bob")
    decided_by(cast.alice, first, "request_changes")
    second = an_order(cast, supersedes=first.public_id)
    decided_by(cast.alice, second, "request_changes")
    third = an_order(cast, supersedes=second.public_id)
    with connection.cursor() as cursor:
        # As if the exclusions of routing were lost: the chain of revisions is asked anew.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM approvals_exclusion WHERE route_id = %s", [third.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert_guarded("approvals_guard_excluded", lambda: forced(cast, third, cast.bob))


ATTACKS = {
    "approve without a decision": "UPDATE proposals_proposal SET state = 'approved', decided_at = now() WHERE id = %(proposal)s",
    "satisfy a step": "UPDATE approvals_routestep SET state = 'satisfied', satisfied_at = now() WHERE route_id = %(proposal)s",
    "ask for less": "UPDATE approvals_routestep SET min_approvals = 1, rule = 'any' WHERE route_id = %(proposal)s AND position = 2",
    "ask another group": (
        "INSERT INTO approvals_stepgroup (step_id, group_id) SELECT s.id, g.id FROM approvals_routestep s, identity_approvalgroup g"
        " WHERE s.route_id = %(proposal)s AND s.position = 2 AND g.code = 'purchasing'"
    ),
    "forget who is excluded": "DELETE FROM approvals_exclusion WHERE route_id = %(proposal)s",
    "make the row automatic": "UPDATE approvals_policyrow SET is_automatic = true",
    "make the route automatic": "UPDATE approvals_route SET is_automatic = true WHERE proposal_id = %(proposal)s",
    "forget an editor": "DELETE FROM approvals_policyeditor",
    "change a rate": "UPDATE approvals_exchangerate SET rate = 1",
    "switch the triggers off": "SET session_replication_role = replica",
    "drop the guard": "DROP TRIGGER approvals_decision_segregation ON approvals_decision",
    "defer the guard and commit": "ALTER TABLE approvals_decision DISABLE TRIGGER ALL",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_application_role_gets_nowhere_by_sql(cast: Cast, attack: str) -> None:
    proposal = an_order(cast, "30000.00")
    with connection.cursor() as cursor:
        cursor.execute(_rights())
    with pytest.raises(DatabaseError):
        _as_the_application(ATTACKS[attack], proposal)
    assert Proposal.objects.get(pk=proposal.pk).state == ProposalState.PENDING
    assert list(proposal.route.steps.values_list("state", "min_approvals", "rule")) == [("open", 1, "quorum"), ("waiting", 1, "quorum")]


def _as_the_application(statement: str, proposal: Proposal) -> None:
    """Run the statement with the application's role, as far as a commit would."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {RUNTIME}")
        cursor.execute(statement.replace("%(proposal)s", f"'{proposal.pk}'"))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("RESET ROLE")


def _rights() -> str:
    """Return what lets the role of tests do what the application's role may: rows of every table, no tables."""
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{RUNTIME}') THEN CREATE ROLE {RUNTIME}; END IF; END $$;"
        f" GRANT USAGE ON SCHEMA public TO {RUNTIME}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {RUNTIME};"
        f" GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {RUNTIME}"
    )


def test_a_deferred_guard_still_guards(cast: Cast) -> None:
    proposal = an_order(cast)
    approve = "UPDATE proposals_proposal SET state = 'approved', decided_at = now() WHERE id = %(proposal)s"
    with connection.cursor() as cursor:
        cursor.execute(_rights())
    with pytest.raises(IntegrityError, match="a step of the route is not satisfied"):
        _as_the_application(f"SET CONSTRAINTS ALL DEFERRED; {approve}", proposal)


class TestGraph:
    """The graph names every person once with every tie."""

    def test_of_a_proposal(self, cast: Cast) -> None:
        proposal = an_order(cast, on_behalf_of="erik")
        become_sponsor(cast, cast.bob)
        proposal = Proposal.objects.get(pk=proposal.pk)
        graph = graph_of_proposal(proposal, proposal.route, clock_now())
        ties = {(tie.person, tie.reason, tie.thing, tie.since) for tie in graph.ties}
        assert {("Olga", "owner", "agent", ""), ("Erik", "asked", "request", ""), ("Cora", "policy_author", "policy", "")} <= ties
        # The former sponsor stays excluded from what was routed then, the new one is excluded since.
        assert ("Bob", "sponsor", "agent", "since routing") in ties
        assert ("Sponsor-Of-Ap-Bot", "sponsor", "agent", "") in ties
        titles = {thing.key: thing.title for thing in graph.things}
        assert titles["agent"] == "Agent AP-Bot"
        assert titles["policy"] == "Policy v1, row 10"
        olga = next(ties for _, name, ties in graph.people if name == "Olga")
        assert [tie.reason for tie in olga] == ["owner", "issued_credential", "issued_grant", "last_editor"]

    def test_of_an_agent(self, cast: Cast) -> None:
        graph = graph_of_agent(cast.agent, clock_now())
        assert {(tie.person, tie.reason) for tie in graph.ties} == {
            ("Olga", "owner"), ("Olga", "issued_credential"), ("Olga", "issued_grant"), ("Olga", "last_editor"),
            ("Sponsor-Of-Ap-Bot", "sponsor"), ("Cora", "policy_author"),
        }  # fmt: skip

    def test_the_picture_has_a_curve_for_every_tie_and_says_all_of_it(self, cast: Cast) -> None:
        graph = graph_of_agent(cast.agent, clock_now())
        drawing = drawn(graph)
        assert len(drawing.boxes) == len(graph.people) + len(graph.things) + 1
        pairs = {(tie.person_id, tie.thing) for tie in graph.ties}
        assert len(drawing.curves) == len(pairs) + len(graph.things)
        assert "Olga owns the agent" in drawing.text
        assert all(0 <= box.y <= drawing.height - drawing.box_height for box in drawing.boxes)


def test_the_writer_of_a_row_in_another_persons_version(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10)])
    ApprovalGroupMember.objects.create(group=cast.purchasing, user=cast.cora, companies=["DE01"])
    proposal = an_order(cast)
    assert_guarded("approvals_guard_excluded", lambda: forced(cast, proposal, cast.cora))
