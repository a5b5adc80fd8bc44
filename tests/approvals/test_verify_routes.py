"""The proof at the moment of use: what the commit engine relies on, and what makes it fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.evidence import gate_section
from approvals.finality import activated
from approvals.models import Decision, Presentation, Route, RouteStep
from approvals.queries import Problem, Verified, verify_route, verify_routes
from audit.models import Event
from audit.queries import record_of
from identity.models import Agent
from kernel.canonical import digest_of_bytes, parse_json
from kernel.clock import now as clock_now
from proposals.models import Proposal
from tests.builders.approvals import Cast, a_row, an_order, approved, decided_by, make_cast
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db


def forged(rows: Any, **values: Any) -> None:
    """Change rows past every trigger, as the database's owner could."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        rows.update(**values)
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_an_approval_by_two_people_stands(cast: Cast) -> None:
    proposal = approved(an_order(cast, "30000.00"), cast.alice, cast.dora)
    digest = Route.objects.get(proposal=proposal).digest
    leans_on = (activated(cast.policy.public_id),)
    people = (cast.alice.pk, cast.dora.pk)
    assert verify_route(proposal, clock_now()) == Verified(people, is_automatic=False, route_digest=digest, leans_on=leans_on)


def test_an_automatic_approval_stands(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(5, up_to_minor=500_00, is_automatic=True, steps=())])
    proposal = an_order(cast, "1.00")
    digest, leans_on = Route.objects.get(proposal=proposal).digest, (activated(cast.policy.public_id),)
    assert verify_route(proposal, clock_now()) == Verified((), is_automatic=True, route_digest=digest, leans_on=leans_on)


def test_what_is_not_approved_does_not_stand(cast: Cast) -> None:
    found = verify_route(an_order(cast), clock_now())
    assert isinstance(found, Problem)
    assert found.code == "not_approved"


def _owner(proposal: Proposal, cast: Cast) -> None:
    forged(Agent.objects.filter(pk=cast.agent.pk), owner=cast.alice)


def _action(proposal: Proposal, _cast: Cast) -> None:
    forged(Proposal.objects.filter(pk=proposal.pk), action_bytes=bytes(proposal.action_bytes) + b" ")


def _route(proposal: Proposal, _cast: Cast) -> None:
    route = Route.objects.get(pk=proposal.pk)
    weaker = bytes(route.snapshot_bytes).replace(b'"min_approvals":1', b'"min_approvals":0')
    forged(Route.objects.filter(pk=proposal.pk), snapshot_bytes=weaker)


def _step(proposal: Proposal, _cast: Cast) -> None:
    forged(RouteStep.objects.filter(route_id=proposal.pk, position=2), state="open")


def _quorum(proposal: Proposal, _cast: Cast) -> None:
    forged(RouteStep.objects.filter(route_id=proposal.pk, position=2), min_approvals=2)


def _kind(proposal: Proposal, cast: Cast) -> None:
    forged(Decision.objects.filter(proposal=proposal, user=cast.dora), kind="reject", reason_code="x", comment="x")


def _payload(proposal: Proposal, cast: Cast) -> None:
    forged(Decision.objects.filter(proposal=proposal, user=cast.dora), payload_digest="sha256:other")


def _page(proposal: Proposal, _cast: Cast) -> None:
    forged(Presentation.objects.filter(proposal=proposal), stored_bytes=b"{}")


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (_owner, "approver_excluded"),
        (_action, "action_altered"),
        (_route, "route_altered"),
        (_step, "step_not_satisfied"),
        (_quorum, "route_altered"),
        (_kind, "step_not_satisfied"),
        (_payload, "decision_on_another_payload"),
        (_page, "page_altered"),
    ],
)
def test_what_was_altered_since_does_not_stand(cast: Cast, forge: Callable[[Proposal, Cast], None], code: str) -> None:
    proposal = approved(an_order(cast, "30000.00"), cast.alice, cast.dora)
    forge(proposal, cast)
    found = verify_route(Proposal.objects.get(pk=proposal.pk), clock_now())
    assert isinstance(found, Problem)
    assert found.code == code
    assert found.reason


def test_a_batch_takes_a_constant_number_of_queries(cast: Cast) -> None:
    def queries(count: int) -> int:
        proposals = [approved(an_order(cast), cast.alice) for _ in range(count)]
        with CaptureQueriesContext(connection) as captured:
            found = verify_routes(proposals, clock_now())
        assert all(isinstance(item, Verified) for item in found.values())
        return len(captured)

    assert queries(1) == queries(4)


def test_the_bundle_holds_route_policy_decisions_and_pages(cast: Cast) -> None:
    proposal = an_order(cast, "30000.00")
    decided_by(cast.alice, proposal)
    decided_by(cast.dora, proposal)
    found = gate_section([proposal.public_id])(proposal.public_id)
    page = Presentation.objects.get(proposal=proposal)
    name = f"proposal/presentation-{page.digest.removeprefix('sha256:')}.json"
    gate = {f"gate/{part}.json" for part in ("route", "route_as_found", "decisions", "policy")}
    assert set(found) == {*gate, "proposal/as_shown.html", name}
    routed = record_of(Event.objects.get(kind="gate:routed"))
    assert digest_of_bytes("countersign.route/1", found["gate/route_as_found.json"]) == routed["gate"]["route_digest"]
    assert digest_of_bytes("countersign.presentation/1", found[name]) == page.digest
    assert digest_of_bytes("countersign.policy/1", found["gate/policy.json"]) == cast.policy.__class__.objects.get().digest
    route, decisions = parse_json(found["gate/route.json"]), parse_json(found["gate/decisions.json"])
    assert isinstance(route, dict)
    assert isinstance(decisions, dict)
    assert (route["automatic"], route["required_approvals"]) == (False, 2)
    assert {"user": str(cast.olga.pk), "reason": "owner"} in route["excluded"]
    assert [item["user"] for item in decisions["decisions"]] == [str(cast.alice.pk), str(cast.dora.pk)]
    assert gate_section(["prop_00000000000000000000000000"])("prop_00000000000000000000000000") == {}
