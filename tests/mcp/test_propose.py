"""Proposing through MCP: the way from the call to what became of it, replays and refusals."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from anyio import to_thread
from django.db import connections, transaction

from identity.services import resume_agent, suspend_agent
from kernel.actors import Actor
from kernel.canonical import to_json_text
from kernel.clock import now
from kernel.release import RELEASE
from proposals.events import ProposalEvent
from proposals.models import Proposal
from proposals.queries import lock_proposal
from proposals.services import FeedbackNote, record_outcome, resolve
from proposals.states import OutcomeStatus, ProposalState
from tests.builders import identity
from tests.builders.proposals import a_key, a_purchase_order
from tests.mcp.standing import (
    LEGACY,
    MODERN,
    ORDER,
    Knocker,
    Standing,
    an_order,
    recorded,
    refused,
    refused_without_a_trace,
    value_of,
)

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
BOTH = pytest.mark.parametrize("mode", [MODERN, LEGACY])
TRACE = "0af7651916cd43dd8448eb211c80319c"


def with_quantity(quantity: object) -> dict[str, Any]:
    """Return an order of one line with this quantity."""
    return a_purchase_order(lines=[{"item": "PD-T852", "quantity": quantity, "unit_price": "1"}])


def decide(proposal_id: str, to: ProposalState, *, comment: str = "") -> Proposal:
    """Make a person's decision stand."""
    with transaction.atomic():
        proposal = lock_proposal(Proposal.objects.get(pk=_key(proposal_id)).pk)
        return resolve(
            proposal=proposal,
            to=to,
            actor=Actor.system("test"),
            now=now(),
            kind=ProposalEvent.REJECTED,
            feedback=FeedbackNote("wrong_vendor", comment) if comment else None,
        )


def commit(proposal_id: str) -> None:
    """Approve it and report that it stands in the ERP."""
    proposal = decide(proposal_id, ProposalState.APPROVED)
    record_outcome(proposal_id=proposal.pk, status=OutcomeStatus.COMMITTED, document="PO-1", now=now())


def _key(proposal_id: str) -> Any:
    from kernel.ids import Prefix, decode

    return decode(Prefix.PROPOSAL, proposal_id)


@BOTH
def test_propose_approve_result(standing: Standing, mine: Knocker, mode: str) -> None:
    arguments = an_order(a_key(), rationale="Stock is low.\nThe robot needs pedals.")
    token = mine.token()
    with recorded("proposal:proposed") as records:
        value = value_of(standing.call(token, ORDER, arguments, mode=mode))
    assert (value["status"], value["message"]) == ("pending_approval", "People decide on it now; that may take days.")
    assert value["proposal"]["amount"] == "2764.08"
    assert records[0]["origin"]["channel"] == "mcp"
    assert records[0]["actor"]["id"] == mine.agent.public_id
    commit(value["proposal_id"])
    found = value_of(standing.call(token, "get_proposal", {"proposal_id": value["proposal_id"]}, mode=mode))
    assert (found["status"], found["is_final"], found["outcome"]["document"]) == ("committed", True, "PO-1")
    repeated = standing.call(token, ORDER, arguments, mode=mode)
    assert (repeated.is_error, value_of(repeated)["status"], value_of(repeated)["proposal_id"]) == (
        False,
        "committed",
        value["proposal_id"],
    )


def test_the_origin_of_a_call_is_on_its_record(standing: Standing, mine: Knocker) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ORDER, "arguments": an_order(a_key())}}
    with recorded("proposal:proposed") as records:
        answer = standing.post(to_json_text(call), mine.token(), traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    origin = records[0]["origin"]
    assert origin == {"channel": "mcp", "request_id": answer.headers["x-request-id"], "trace_id": TRACE, "release": RELEASE}
    with recorded("proposal:proposed") as records:
        meta: Any = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        standing.ask(mine.token(), lambda client: client.call_tool(ORDER, an_order(a_key()), meta=meta))
    assert records[0]["origin"]["trace_id"] == TRACE


@BOTH
def test_the_same_call_again_is_the_same_proposal(standing: Standing, mine: Knocker, mode: str) -> None:
    arguments = an_order(a_key())
    with recorded("proposal:proposed"):
        first = value_of(standing.call(mine.token(), ORDER, arguments, mode=mode))
        again = value_of(standing.call(mine.token(), ORDER, arguments, mode=mode))
    assert again == first


def test_the_same_call_through_the_other_door_is_the_same_proposal(standing: Standing, mine: Knocker) -> None:
    key = a_key()
    first = value_of(standing.call(mine.token(), ORDER, an_order(key)))
    token = identity.access_token(mine.agent, mine.key)
    answer = httpx2.post(
        f"{standing.address}/api/v1/proposals",
        json={"tool": ORDER, "company": "DE01", "payload": a_purchase_order()},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key},
        timeout=20,
    )
    assert (answer.status_code, answer.json()["id"]) == (200, first["proposal_id"])


def test_a_lost_answer_costs_nothing(standing: Standing, mine: Knocker) -> None:
    """The server has done the work, the client never hears of it, and repeats."""
    arguments = an_order(a_key())
    lost: list[bool] = []

    class Losing(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            if b'"tools/call"' in request.content and not lost:
                lost.append(True)
                await response.aread()
                return httpx2.Response(502, text="Bad gateway")
            return response

    async def propose(client):  # type: ignore[no-untyped-def]
        with pytest.raises(Exception, match="error response"):
            await client.call_tool(ORDER, arguments)
        return await client.call_tool(ORDER, arguments)

    with recorded("proposal:proposed"):
        value = value_of(standing.ask(mine.token(), propose, transport=Losing()))
    assert Proposal.objects.get(idempotency_key=arguments["idempotency_key"]).public_id == value["proposal_id"]


def test_a_call_without_a_key_is_told_to_make_one(standing: Standing, mine: Knocker) -> None:
    with refused_without_a_trace("proposal:refused", "idempotency_key_missing"):
        value = refused(standing.call(mine.token(), ORDER, {"payload": a_purchase_order()}), "idempotency_key_missing")
    assert "send it as idempotency_key" in value["detail"]
    assert value["errors"] == [{"path": "/idempotency_key", "message": "missing", "acceptable": "1 to 200 visible ASCII characters"}]
    assert value["next_step"] == "Correct what errors names, then call again."


def test_a_key_stands_for_one_body(standing: Standing, mine: Knocker) -> None:
    key = a_key()
    value_of(standing.call(mine.token(), ORDER, an_order(key)))
    with refused_without_a_trace("proposal:refused", "idempotency_key_reused"):
        refused(standing.call(mine.token(), ORDER, an_order(key, rationale="Another reason")), "idempotency_key_reused")


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"payload": with_quantity(1.5)}, "not_canonical", "/payload/lines/0/quantity"),
        ({"payload": with_quantity(1)}, "validation_failed", "/payload/lines/0/quantity"),
        ({"payload": a_purchase_order(note="a\0b")}, "validation_failed", "/payload/note"),
        ({"payload": "everything"}, "validation_failed", "/payload"),
        ({"payload": None}, "validation_failed", "/payload"),
        ({"tool": "close_period"}, "validation_failed", "/tool"),
        ({"compensates": "brk_x"}, "validation_failed", "/compensates"),
        ({"company": "US01"}, "token_scope", ""),
        ({"reads": ["read_01kas8v3q2f0ynh5tq3n8rzd1c"]}, "validation_failed", "/reads/0"),
        ({"supersedes": "prop_01kas8v3q2f0ynh5tq3n8rzd1c"}, "validation_failed", "/supersedes"),
        ({"idempotency_key": 7}, "idempotency_key_missing", "/idempotency_key"),
        ({"idempotency_key": "two words"}, "idempotency_key_invalid", "/idempotency_key"),
    ],
)  # fmt: skip
def test_a_refused_write_says_what_was_wrong_and_leaves_one_record(
    standing: Standing, mine: Knocker, changes: dict[str, Any], code: str, path: str
) -> None:
    with refused_without_a_trace("proposal:refused", code):
        value = refused(standing.call(mine.token(), ORDER, {**an_order(a_key()), **changes}), code)
    assert [error["path"] for error in value["errors"]][:1] == ([path] if path else [])


@pytest.mark.parametrize(
    ("state", "code", "next_step"),
    [
        (ProposalState.REJECTED, "wrong_vendor", "supersedes"),
        (ProposalState.CHANGES_REQUESTED, "wrong_vendor", "supersedes"),
    ],
)
def test_what_people_refuse_comes_back_as_an_error_with_their_words(
    standing: Standing, mine: Knocker, state: ProposalState, code: str, next_step: str
) -> None:
    arguments = an_order(a_key())
    proposal_id = value_of(standing.call(mine.token(), ORDER, arguments))["proposal_id"]
    decide(proposal_id, state, comment="Litware is blocked.")
    value = refused(standing.call(mine.token(), ORDER, arguments), code)
    assert (value["status"], value["retryable"]) == (state, False)
    assert value["message"].endswith("Litware is blocked.")
    assert next_step in value["next_step"]
    revised = value_of(standing.call(mine.token(), ORDER, an_order(a_key(), supersedes=proposal_id)))
    assert (revised["status"], revised["proposal"]["revision"]) == ("pending_approval", 2)
    superseded = refused(standing.call(mine.token(), ORDER, arguments), code)
    assert revised["proposal_id"] in superseded["next_step"]


def test_withdrawing_is_a_tool_of_its_own(standing: Standing, mine: Knocker) -> None:
    proposal_id = value_of(standing.call(mine.token(), ORDER, an_order(a_key())))["proposal_id"]
    with recorded("proposal:refused"):
        refused(standing.call(mine.token("post_journal_entry"), "withdraw_proposal", {"proposal_id": proposal_id}), "token_scope")
    with recorded("proposal:withdrawn"):
        value = value_of(standing.call(mine.token(), "withdraw_proposal", {"proposal_id": proposal_id}))
    assert value["status"] == "withdrawn"
    with recorded("proposal:refused"):
        refused(standing.call(mine.token(), "withdraw_proposal", {"proposal_id": proposal_id}), "state_conflict")


def test_suspension_ends_the_conversation_at_the_next_request(standing: Standing, mine: Knocker) -> None:
    owner = Actor.human(mine.agent.owner_id)

    def suspend() -> None:
        suspend_agent(agent_id=mine.agent.pk, reason="Under review", actor=owner, now=now())
        connections.close_all()

    async def suspended_mid_way(client):  # type: ignore[no-untyped-def]
        await client.list_tools()
        await to_thread.run_sync(suspend)
        with pytest.raises(Exception, match="suspended") as caught:
            await client.call_tool(ORDER, an_order(a_key()))
        return caught.value

    try:
        error = standing.ask(mine.token(), suspended_mid_way)
    finally:
        resume_agent(agent_id=mine.agent.pk, actor=owner, now=now())
    assert error.error.data["code"] == "agent_suspended"
    assert error.error.data["status"] == 403
