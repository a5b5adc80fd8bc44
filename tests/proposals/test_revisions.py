"""A revision takes the place of the proposal it supersedes, or nothing changes."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User

from audit.models import Event
from proposals.evidence import proposal_section
from proposals.states import ProposalState
from tests.builders.proposals import PlainGate, an_order_over
from tests.proposals.conftest import Door, bounded_door, only_refused, paths, problem
from tests.proposals.test_status import decide

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def kinds_of(proposal_id: str) -> list[str]:
    return list(Event.objects.filter(proposal=proposal_id).order_by("position").values_list("kind", flat=True))


@pytest.mark.parametrize("end", [None, ProposalState.CHANGES_REQUESTED, ProposalState.REJECTED])
def test_a_revision_takes_the_place_of_its_predecessor(door: Door, end: ProposalState | None) -> None:
    old_id = door.propose().json()["id"]
    if end:
        decide(old_id, end)
    answer = door.propose(an_order_over("10.00"), supersedes=old_id).json()
    assert (answer["revision"], answer["supersedes"]) == (2, old_id)
    old = door.get(f"proposals/{old_id}").json()
    assert (old["status"], old["superseded_by"], old["is_final"]) == ("superseded", answer["id"], True)
    assert kinds_of(old_id)[-1] == "proposal:superseded"
    assert kinds_of(answer["id"]) == ["proposal:proposed"]


def test_a_revision_frees_what_its_predecessor_used(alice: User) -> None:
    door = bounded_door(alice, ceiling_day_minor=100_00)
    old_id = door.propose(an_order_over("90.00")).json()["id"]
    assert door.propose(an_order_over("95.00"), supersedes=old_id).status_code == 202


def test_a_refused_revision_leaves_its_predecessor_as_it_was(door: Door, gate: PlainGate) -> None:
    old_id = door.propose(an_order_over("1.00")).json()["id"]
    gate.limit_minor = 100_00
    with only_refused("unroutable"):
        problem(door.propose(an_order_over("100.01"), supersedes=old_id), 422, "unroutable")
    assert door.get(f"proposals/{old_id}").json()["status"] == "pending"


@pytest.mark.parametrize("end", ["approved", "withdrawn", "superseded"])
def test_what_has_ended_otherwise_is_not_revised(door: Door, end: str) -> None:
    old_id = door.propose().json()["id"]
    if end == "approved":
        decide(old_id, ProposalState.APPROVED)
    elif end == "withdrawn":
        door.post(f"proposals/{old_id}/withdraw")
    else:
        door.propose(supersedes=old_id)
    with only_refused("not_supersedable"):
        document = problem(door.propose(supersedes=old_id), 409, "not_supersedable")
    assert document["data"] == {"state": end}


def test_only_ones_own_proposal_of_the_same_tool_is_revised(door: Door, other_door: Door) -> None:
    old_id = door.propose().json()["id"]
    with only_refused("validation_failed"):
        assert paths(problem(other_door.propose(supersedes=old_id), 422, "validation_failed")) == ["/supersedes"]
    with only_refused("invalid_identifier"):
        problem(door.propose(supersedes="agent_01kas8v3q2f0ynh5tq3n8rzd1c"), 400, "invalid_identifier")


def test_the_evidence_of_each_revision_holds_the_others_and_what_changed(door: Door) -> None:
    first = door.propose(an_order_over("90.00")).json()["id"]
    second = door.propose(an_order_over("10.00"), supersedes=first).json()["id"]
    alone = door.propose(an_order_over("5.00")).json()["id"]
    members_of = proposal_section([first, alone, second])
    assert not [path for path in members_of(alone) if "revisions" in path]
    older, newer = members_of(first), members_of(second)
    assert proposal_section([second])(second) == newer
    assert newer[f"proposal/revisions/001-{first}.json"] == older["proposal/action.json"]
    assert older[f"proposal/revisions/002-{second}.json"] == newer["proposal/action.json"]
    assert older["proposal/diffs.json"] == newer["proposal/diffs.json"]
    (step,) = json.loads(newer["proposal/diffs.json"])["steps"]
    assert (step["from"], step["to"]) == (first, second)
    assert {"90.00", "10.00"} <= {value for change in step["changes"] for value in (change.get("before"), change.get("after"))}
