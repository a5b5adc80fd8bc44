"""Looking at proposals: one, many, and only one's own; status and finality follow state and outcome."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import transaction

from kernel.actors import Actor
from kernel.clock import now
from kernel.ids import Prefix, decode
from proposals import services
from proposals.documents import ProposalDocument, ProposalPage
from proposals.events import ProposalEvent
from proposals.models import Proposal
from proposals.queries import lock_proposal
from proposals.services import FeedbackNote, NewOutcome
from proposals.states import OutcomeStatus, ProposalState
from tests.proposals.conftest import Door, problem

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

PERSON = Actor.human(1)


def decide(proposal_id: str, to: ProposalState, feedback: FeedbackNote | None = None, *, at: datetime | None = None) -> Proposal:
    kinds = {"rejected": ProposalEvent.REJECTED, "changes_requested": ProposalEvent.CHANGES_REQUESTED}
    with transaction.atomic():
        proposal = lock_proposal(decode(Prefix.PROPOSAL, proposal_id))
        kind = kinds.get(to.value, ProposalEvent.REJECTED)
        return services.resolve(proposal=proposal, to=to, actor=PERSON, now=at or now(), kind=kind, feedback=feedback)


def test_another_agents_proposal_is_not_there(door: Door, other_door: Door) -> None:
    proposal_id = door.propose().json()["id"]
    problem(other_door.get(f"proposals/{proposal_id}"), 404, "not_found")
    assert other_door.get("proposals").json() == {"results": [], "next": None}


@pytest.mark.parametrize("text", ["read_01kas8v3q2f0ynh5tq3n8rzd1c", "prop_", "17", "prop_01kas8v3q2f0ynh5tq3n8rzd1u"])
def test_an_identifier_of_another_kind_is_refused(door: Door, text: str) -> None:
    problem(door.get(f"proposals/{text}"), 400, "invalid_identifier")


@pytest.mark.parametrize("to", [ProposalState.REJECTED, ProposalState.CHANGES_REQUESTED])
def test_a_refusal_brings_its_reason(door: Door, to: ProposalState) -> None:
    proposal_id = door.propose().json()["id"]
    decide(proposal_id, to, FeedbackNote("price_too_high", "Ask for the list price."))
    response = door.get(f"proposals/{proposal_id}")
    answer = response.json()
    ProposalDocument.model_validate(answer)
    assert (answer["status"], answer["is_final"]) == (to.value, True)
    assert answer["feedback"] == {"reason_code": "price_too_high", "comment": "Ask for the list price.", "differences": []}
    assert response["Countersign-Settled"] == "true"


@pytest.mark.parametrize(
    ("status", "data", "is_final"),
    [
        (OutcomeStatus.QUEUED, {}, False),
        (OutcomeStatus.IN_FLIGHT, {}, False),
        (OutcomeStatus.UNKNOWN, {}, False),
        (OutcomeStatus.COMMITTED, {}, True),
        (OutcomeStatus.FAILED, {"is_retryable": True}, False),
        (OutcomeStatus.FAILED, {"is_retryable": False}, True),
    ],
)
def test_once_approved_the_outcome_is_the_status(door: Door, status: OutcomeStatus, data: dict[str, object], is_final: bool) -> None:
    proposal_id = door.propose().json()["id"]
    before = door.get(f"proposals/{proposal_id}")
    proposal = decide(proposal_id, ProposalState.APPROVED)
    assert door.get(f"proposals/{proposal_id}").json()["status"] == "queued"
    services.record_outcomes([NewOutcome(proposal.pk, OutcomeStatus.QUEUED)], now=now())
    services.record_outcome(proposal_id=proposal.pk, status=status, document="PO-1", data=data, now=now())
    response = door.get(f"proposals/{proposal_id}")
    answer = response.json()
    ProposalDocument.model_validate(answer)
    assert (answer["status"], answer["is_final"]) == (status.value, is_final)
    assert answer["outcome"] == {"document": "PO-1", "code": None, "detail": None, "data": data}
    assert response.headers.get("Countersign-Settled") == ("true" if is_final else None)
    assert response["ETag"] != before["ETag"]


def test_looking_twice_gives_the_same_etag(door: Door) -> None:
    proposal_id = door.propose().json()["id"]
    first, second = door.get(f"proposals/{proposal_id}"), door.get(f"proposals/{proposal_id}")
    assert first["ETag"] == second["ETag"]
    assert "Countersign-Settled" not in first


def test_the_list_pages_and_filters(door: Door) -> None:
    ids = [door.propose().json()["id"] for _ in range(5)]
    decide(ids[0], ProposalState.REJECTED, FeedbackNote("duplicate", "Ordered already."))
    first = door.get("proposals", limit=3).json()
    ProposalPage.model_validate(first)
    second = door.get("proposals", limit=3, cursor=first["next"]).json()
    assert [item["id"] for item in first["results"] + second["results"]] == ids[::-1]
    assert second["next"] is None
    assert [item["id"] for item in door.get("proposals", state="rejected").json()["results"]] == [ids[0]]
    assert len(door.get("proposals", state=["rejected", "pending"]).json()["results"]) == 5
    assert door.get("proposals", tool="post_journal_entry").json()["results"] == []
    assert door.get("proposals", company="US01").json()["results"] == []


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ({"limit": "0"}, "validation_failed", 422),
        ({"limit": "101"}, "validation_failed", 422),
        ({"limit": "-1"}, "validation_failed", 422),
        ({"state": "lost"}, "validation_failed", 422),
        ({"cursor": "17"}, "invalid_identifier", 400),
    ],
)
def test_a_wrong_query_is_refused(door: Door, query: dict[str, str], code: str, status: int) -> None:
    problem(door.get("proposals", **query), status, code)


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "1.5"])
def test_a_wrong_wait_is_refused(door: Door, wait: str) -> None:
    proposal_id = door.propose().json()["id"]
    document = problem(door.get(f"proposals/{proposal_id}", wait=wait), 422, "validation_failed")
    assert document["errors"][0]["acceptable"] == "an integer from 0 to 60"
