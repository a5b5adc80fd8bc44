"""Reading with a receipt, and citing it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from audit.models import Event
from identity import services as identity_services
from kernel.canonical import canonical_bytes, digest_of_bytes, parse_json
from kernel.clock import now
from proposals.documents import ReadDocument
from proposals.models import Citation, Proposal, ReadReceipt
from tests.builders import identity
from tests.builders.proposals import PlainErp
from tests.proposals.conftest import Door, only_refused, paths, problem

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

ARGUMENTS = {"cost_centre": "4100", "year": 2026}


def take(door: Door) -> dict[str, Any]:
    reader = door.holding("read", "check_budget")
    response = reader.post("tools/check_budget/read", {"company": "DE01", "arguments": ARGUMENTS})
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def test_a_read_leaves_a_receipt_and_one_event(door: Door, erp: PlainErp) -> None:
    answer = take(door)
    ReadDocument.model_validate(answer)
    receipt = ReadReceipt.objects.get()
    assert (answer["read_id"], answer["result"]) == (receipt.public_id, erp.result)
    assert bytes(receipt.result_bytes) == canonical_bytes(erp.result)
    assert answer["digest"] == digest_of_bytes("countersign.read/1", bytes(receipt.result_bytes))
    event = Event.objects.get(kind="read:taken")
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    assert record["evidence"] == [{"role": "read", "source": answer["read_id"], "as_of": answer["as_of"], "digest": answer["digest"]}]


def test_a_read_can_be_shown_again(door: Door, erp: PlainErp) -> None:
    answer = take(door)
    erp.result = {"budget": "0.00"}
    assert door.get(f"reads/{answer['read_id']}").json() == answer


def test_a_read_of_another_agent_is_not_there(door: Door, other_door: Door) -> None:
    answer = take(door)
    problem(other_door.get(f"reads/{answer['read_id']}"), 404, "not_found")


def test_a_proposal_cites_its_reads_in_order(door: Door) -> None:
    first, second = take(door), take(door)
    answer = door.propose(reads=[second["read_id"], first["read_id"]]).json()
    assert answer["reads"] == [second["read_id"], first["read_id"]]
    assert door.get(f"proposals/{answer['id']}").json()["reads"] == answer["reads"]
    assert [str(citation.read.public_id) for citation in Citation.objects.all()] == answer["reads"]
    record = parse_json(bytes(Event.objects.get(kind="proposal:proposed").bytes))
    assert isinstance(record, dict)
    assert [item["source"] for item in record["evidence"]] == answer["reads"]
    assert [item["digest"] for item in record["evidence"]] == [second["digest"], first["digest"]]


def test_a_read_of_another_agent_cannot_be_cited(door: Door, other_door: Door) -> None:
    read_id = take(door)["read_id"]
    with only_refused("validation_failed"):
        document = problem(other_door.propose(reads=[read_id]), 422, "validation_failed")
    assert paths(document) == ["/reads/0"]


def test_each_read_is_cited_once(door: Door) -> None:
    read_id = take(door)["read_id"]
    with only_refused("validation_failed"):
        assert paths(problem(door.propose(reads=[read_id, read_id]), 422, "validation_failed")) == ["/reads/1"]


def test_an_identifier_of_another_kind_cannot_be_cited(door: Door) -> None:
    proposal_id = door.propose().json()["id"]
    with only_refused("invalid_identifier"):
        assert paths(problem(door.propose(reads=[proposal_id]), 400, "invalid_identifier")) == ["/reads/0"]
    assert Proposal.objects.count() == 1


def test_wrong_arguments_are_named(door: Door) -> None:
    reader = door.holding("read", "check_budget")
    with only_refused("validation_failed", "read:refused"):
        document = problem(reader.post("tools/check_budget/read", {"company": "DE01"}), 422, "validation_failed")
    assert all(path.startswith("/arguments") for path in paths(document))


def test_a_token_for_another_tool_reads_nothing(door: Door) -> None:
    with only_refused("token_scope", "read:refused"):
        body = {"company": "DE01", "arguments": ARGUMENTS}
        problem(door.post("tools/check_budget/read", body), 403, "token_scope")


def test_a_token_for_another_company_reads_nothing(door: Door) -> None:
    reader = door.holding("read", "check_budget")
    with only_refused("token_scope", "read:refused"):
        problem(reader.post("tools/check_budget/read", {"company": "US01", "arguments": ARGUMENTS}), 403, "token_scope")


def test_an_erp_that_does_not_answer_leaves_no_receipt(door: Door, erp: PlainErp) -> None:
    erp.is_down = True
    reader = door.holding("read", "check_budget")
    with only_refused("erp_unavailable", "read:refused"):
        body = {"company": "DE01", "arguments": ARGUMENTS}
        problem(reader.post("tools/check_budget/read", body), 503, "erp_unavailable")


def test_a_suspended_agent_reads_nothing(door: Door, alice: User) -> None:
    reader = door.holding("read", "check_budget")
    identity_services.suspend_agent(agent_id=door.agent.pk, actor=identity.actor(alice), now=now(), reason="Odd orders")
    with only_refused("agent_suspended", "read:refused"):
        body = {"company": "DE01", "arguments": ARGUMENTS}
        problem(reader.post("tools/check_budget/read", body), 403, "agent_suspended")
