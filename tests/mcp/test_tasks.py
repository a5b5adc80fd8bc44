"""The tasks extension: a handle instead of a plain answer, polling, and who may ask about what."""

from __future__ import annotations

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from kernel.canonical import to_json_text
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.proposals import a_key
from tests.mcp.standing import LEGACY, ORDER, TASKS, Knocker, Standing, TaskAnswer, TaskParams, TaskRequest, an_order, recorded, value_of
from tests.mcp.test_propose import commit, decide

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
METHODS = ("tasks/get", "tasks/update", "tasks/cancel")


def a_task(standing: Standing, knocker: Knocker, arguments: dict[str, object] | None = None) -> dict[str, object]:
    """Return the handle that a proposing call answers with."""
    return standing.handle(knocker.token(), ORDER, arguments or an_order(a_key())).model_dump(by_alias=True, mode="json")


def test_a_client_that_knows_tasks_gets_a_handle_and_polls_the_result(standing: Standing, mine: Knocker) -> None:
    arguments = an_order(a_key())
    handle = a_task(standing, mine, arguments)
    assert (handle["resultType"], handle["status"], handle["ttlMs"]) == ("task", "working", None)
    assert handle["pollIntervalMs"] == 15_000
    task_id = str(handle["taskId"])
    working = standing.task(mine.token(), task_id)
    assert (working.status, working.result) == ("working", None)
    assert a_task(standing, mine, arguments)["taskId"] == task_id
    commit(task_id)
    done = standing.task(mine.token(), task_id)
    assert (done.status, done.task_id) == ("completed", task_id)
    assert done.result is not None
    assert (done.result["isError"], done.result["structuredContent"]["status"]) == (False, "committed")
    # The same call again: it is done, so the answer is the result and no handle.
    again = standing.handle(mine.token(), ORDER, arguments)
    assert isinstance(again, CallToolResult)
    assert value_of(again) == done.result["structuredContent"]


def test_a_rejected_proposal_is_a_completed_task_with_an_error_in_it(standing: Standing, mine: Knocker) -> None:
    task_id = str(a_task(standing, mine)["taskId"])
    decide(task_id, ProposalState.REJECTED, comment="Wrong vendor.")
    done = standing.task(mine.token(), task_id)
    assert done.status == "completed"
    assert done.result is not None
    assert done.result["isError"] is True
    assert done.result["structuredContent"]["code"] == "wrong_vendor"


def test_cancelling_is_the_client_looking_away(standing: Standing, mine: Knocker) -> None:
    task_id = str(a_task(standing, mine)["taskId"])
    with recorded():
        for method in ("tasks/cancel", "tasks/update", "tasks/cancel"):
            acknowledged = standing.task(mine.token(), task_id, method)
            assert acknowledged.model_dump(exclude_none=True, exclude={"meta"}) == {"result_type": "complete"}
    assert standing.task(mine.token(), task_id).status == "working"
    assert Proposal.objects.latest("pk").state == ProposalState.PENDING


def test_a_withdrawn_proposal_is_a_cancelled_task(standing: Standing, mine: Knocker) -> None:
    task_id = str(a_task(standing, mine)["taskId"])
    standing.call(mine.token(), "withdraw_proposal", {"proposal_id": task_id})
    assert standing.task(mine.token(), task_id).status == "cancelled"


@pytest.mark.parametrize("method", METHODS)
def test_tasks_of_others_do_not_exist(standing: Standing, mine: Knocker, other: Knocker, method: str) -> None:
    task_id = str(a_task(standing, mine)["taskId"])
    for knocker, asked in ((other, task_id), (mine, encode(Prefix.PROPOSAL, new_id())), (mine, "prop_' OR 1=1"), (mine, "")):
        with pytest.raises(MCPError) as caught:
            standing.task(knocker.token(), asked, method)
        assert caught.value.error.code == -32602


@pytest.mark.parametrize("method", METHODS)
def test_a_client_that_did_not_declare_tasks_is_told_so(standing: Standing, mine: Knocker, method: str) -> None:
    async def ask(client):  # type: ignore[no-untyped-def]
        await client.session.send_request(TaskRequest(method=method, params=TaskParams(task_id="prop_x")), TaskAnswer)

    with pytest.raises(MCPError) as caught:
        standing.ask(mine.token(), ask)
    assert caught.value.error.code == -32021
    assert caught.value.error.data == {"requiredCapabilities": {"extensions": {TASKS: {}}}}
    with pytest.raises(MCPError) as caught:
        standing.ask(mine.token(), ask, mode=LEGACY)
    assert caught.value.error.code == -32601


def test_a_header_that_names_another_task_is_refused(standing: Standing, mine: Knocker) -> None:
    task_id = str(a_task(standing, mine)["taskId"])
    body = to_json_text(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tasks/get",
            "params": {
                "taskId": task_id,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}},
                },
            },
        }
    )
    headers = {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tasks/get"}
    right = standing.post(body, mine.token(), **headers, **{"Mcp-Name": task_id})
    assert (right.status_code, right.json()["result"]["status"]) == (200, "working")
    wrong = standing.post(body, mine.token(), **headers, **{"Mcp-Name": "prop_other"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32020)
