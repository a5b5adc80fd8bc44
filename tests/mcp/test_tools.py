"""What a token shows and reads, in both eras of the protocol."""

from __future__ import annotations

import pytest
from mcp.shared.exceptions import MCPError

from gateway.catalogue import TOOLS
from kernel.clock import now
from proposals.mcp.results import SENTENCES
from proposals.mcp.tools import OWN_TOOLS
from proposals.models import ReadReceipt
from proposals.representation import STATUSES
from tests.builders.proposals import a_key
from tests.mcp.standing import (
    A_BUDGET,
    BUDGET,
    LEGACY,
    MODERN,
    ORDER,
    READ,
    TASKS,
    Knocker,
    Standing,
    an_order,
    recorded,
    refused,
    value_of,
)

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
BOTH = pytest.mark.parametrize("mode", [MODERN, LEGACY])


@BOTH
def test_a_token_shows_its_own_tools_and_no_others(standing: Standing, mine: Knocker, mode: str) -> None:
    async def look(client):  # type: ignore[no-untyped-def]
        return client.session.protocol_version, (await client.list_tools()).tools

    version, proposing = standing.ask(mine.token(ORDER), look, mode=mode)
    _, reading = standing.ask(mine.token(READ), look, mode=mode)
    assert version == (MODERN if mode == MODERN else "2025-11-25")
    assert [tool.name for tool in proposing] == [ORDER, "get_proposal", "list_proposals", "get_read", "withdraw_proposal"]
    assert [tool.name for tool in reading] == [READ, "get_proposal", "list_proposals", "get_read"]
    order, budget = proposing[0], reading[0]
    assert order.input_schema["required"] == ["idempotency_key", "payload"]
    assert set(order.input_schema["properties"]) == {
        "idempotency_key", "payload", "reads", "rationale", "on_behalf_of", "supersedes", "expires_in_seconds", "company",
    }  # fmt: skip
    catalogue = TOOLS[ORDER].input_schema()
    assert order.input_schema["properties"]["payload"]["properties"] == catalogue["properties"]
    assert order.input_schema["$defs"] == catalogue["$defs"]
    assert order.input_schema["properties"]["company"]["enum"] == ["DE01"]
    assert budget.input_schema["required"] == ["cost_centre", "year"]
    assert budget.annotations is not None
    assert (budget.annotations.read_only_hint, budget.annotations.destructive_hint) == (True, False)
    assert order.meta is not None
    assert order.meta["grant"]["ceiling_per_write"] == "100000.00"


def test_the_server_says_what_it_is_and_that_it_knows_tasks(standing: Standing, mine: Knocker) -> None:
    async def look(client):  # type: ignore[no-untyped-def]
        return (await client.session.discover()).capabilities

    capabilities = standing.ask(mine.token(READ), look, mode="auto")
    assert (capabilities.extensions, capabilities.tasks) == ({TASKS: {}}, None)


def test_own_tools_take_no_name_of_the_catalogue_and_every_status_has_its_words() -> None:
    assert not set(OWN_TOOLS) & set(TOOLS)
    assert {str(status) for status in SENTENCES} == set(STATUSES)


@BOTH
def test_a_read_answers_and_leaves_a_receipt_to_cite(standing: Standing, mine: Knocker, mode: str) -> None:
    before = now()
    with recorded("read:taken") as records:
        value = value_of(standing.call(mine.token(READ), READ, BUDGET, mode=mode))
    receipt = ReadReceipt.objects.latest("pk")
    assert (value["read_id"], value["tool"], value["company"], value["arguments"]) == (receipt.public_id, READ, "DE01", BUDGET)
    assert receipt.as_of >= before
    assert value["result"] == A_BUDGET
    assert records[0]["origin"]["channel"] == "mcp"
    again = value_of(standing.call(mine.token(ORDER), "get_read", {"read_id": value["read_id"]}, mode=mode))
    assert again == value
    proposed = value_of(standing.call(mine.token(), ORDER, an_order(a_key(), reads=[value["read_id"]]), mode=mode))
    assert proposed["proposal"]["reads"] == [value["read_id"]]


def test_a_refused_read_names_fields_as_they_were_sent(standing: Standing, mine: Knocker) -> None:
    with recorded("read:refused"):
        value = refused(standing.call(mine.token(READ), READ, {"cost_centre": "4100", "year": "2026", "color": "red"}), "validation_failed")
    assert sorted(error["path"] for error in value["errors"]) == ["/color", "/year"]
    assert "/arguments" not in value["detail"]
    assert value["retryable"] is False


def test_an_erp_that_is_down_is_worth_another_try(standing: Standing, mine: Knocker, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.connections import all_connectors

    monkeypatch.setattr(all_connectors()[0], "is_down", True)
    with recorded("read:refused"):
        value = refused(standing.call(mine.token(READ), READ, BUDGET), "erp_unavailable")
    assert value["retryable"] is True
    assert value["next_step"].startswith("Repeat the same call")


@BOTH
def test_a_tool_that_does_not_exist_is_an_error_of_the_protocol(standing: Standing, mine: Knocker, mode: str) -> None:
    with recorded("read:refused"), pytest.raises(MCPError) as caught:
        standing.call(mine.token(READ), "drop_tables", {}, mode=mode)
    assert caught.value.error.code == -32602
    assert caught.value.error.data["code"] == "unknown_tool"


def test_a_tool_of_the_catalogue_needs_a_token_for_it(standing: Standing, mine: Knocker) -> None:
    with recorded("read:refused"):
        value = refused(standing.call(mine.token(ORDER), READ, BUDGET), "token_scope")
    assert value["data"]["needed"] == {"action": "read", "tool": READ}
    assert "access token" in value["next_step"]
    with recorded("proposal:refused"):
        refused(standing.call(mine.token(ORDER), "close_period", {"idempotency_key": "k", "payload": {}, "company": "DE01"}), "token_scope")


def test_another_agent_sees_neither_reads_nor_proposals(standing: Standing, mine: Knocker, other: Knocker) -> None:
    read = value_of(standing.call(mine.token(READ), READ, BUDGET))
    proposed = value_of(standing.call(mine.token(), ORDER, an_order(a_key())))

    async def look(client):  # type: ignore[no-untyped-def]
        return [
            await client.call_tool("get_read", {"read_id": read["read_id"]}),
            await client.call_tool("get_proposal", {"proposal_id": proposed["proposal_id"]}),
            await client.call_tool("withdraw_proposal", {"proposal_id": proposed["proposal_id"]}),
            await client.call_tool("list_proposals", {}),
        ]

    *hidden, listed = standing.ask(other.token(), look)
    for result in hidden:
        refused(result, "not_found")
    assert proposed["proposal_id"] not in [row["id"] for row in value_of(listed)["results"]]


def test_the_list_of_proposals_comes_in_pages(standing: Standing, mine: Knocker) -> None:
    ids = [value_of(standing.call(mine.token(), ORDER, an_order(a_key())))["proposal_id"] for _ in range(3)]

    async def look(client):  # type: ignore[no-untyped-def]
        first = value_of(await client.call_tool("list_proposals", {"limit": 2, "states": ["pending"], "tool": ORDER}))
        second = value_of(await client.call_tool("list_proposals", {"limit": 1, "cursor": first["next"]}))
        wrong = await client.call_tool("list_proposals", {"states": ["lost"], "limit": 5})
        return first, second, wrong

    first, second, wrong = standing.ask(mine.token(), look)
    assert [row["id"] for row in first["results"] + second["results"]] == ids[::-1]
    assert refused(wrong, "validation_failed")["errors"][0]["path"] == "/states/0"
