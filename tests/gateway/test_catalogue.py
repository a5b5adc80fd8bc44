"""The catalogue as a whole: names, schemas, descriptions, what can be granted."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from gateway.catalogue import TOOLS, get_tool, get_write_tool, privileged_tools, read_tools, write_tools
from gateway.catalogue.base import Risk, Tool, ToolKind
from gateway.errors import UnknownTool
from identity.models import PRIVILEGED_TOOLS
from tests.builders.gateway import PAYLOADS

READS = {
    "check_budget",
    "find_similar_entries",
    "get_account_balance",
    "get_customer",
    "get_period_status",
    "get_purchase_order",
    "get_stock",
    "get_trial_balance",
    "get_vendor",
    "list_purchase_orders",
    "search_vendors",
}
every_tool = pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))


def test_it_lists_what_the_design_lists() -> None:
    assert {tool.name for tool in read_tools()} == READS
    assert {tool.name for tool in write_tools()} == set(PAYLOADS)
    assert set(TOOLS) == READS | set(PAYLOADS) | set(PRIVILEGED_TOOLS)


def test_names_are_unique() -> None:
    # A second tool of the same name would silently replace the first in the mapping.
    from gateway.catalogue import _DOMAINS

    assert len(TOOLS) == sum(len(domain.TOOLS) for domain in _DOMAINS)


def test_privileged_tools_are_those_no_grant_may_name() -> None:
    assert {tool.name for tool in privileged_tools()} == set(PRIVILEGED_TOOLS)
    assert all(not tool.is_grantable for tool in privileged_tools())
    assert all(tool.is_grantable for tool in [*read_tools(), *write_tools()])


@every_tool
def test_schemas_are_valid_and_say_what_each_field_takes(tool: Tool) -> None:
    for schema in (tool.input_schema(), tool.output_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
    schema = tool.input_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    assert all(item["additionalProperties"] is False for item in objects)
    for item in objects:
        for name, described in item["properties"].items():
            assert described.get("description"), f"{tool.name}.{name} has no description"


@every_tool
def test_descriptions_are_sentences_for_a_language_model(tool: Tool) -> None:
    assert len(tool.description) > 60
    assert tool.description.endswith(".")
    assert tool.title
    assert tool.version == 1


@every_tool
def test_no_schema_takes_or_gives_a_float(tool: Tool) -> None:
    def types(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["type"]] if isinstance(node.get("type"), str) else []
            return own + [found for value in node.values() for found in types(value)]
        return [found for value in node for found in types(value)] if isinstance(node, list) else []

    assert "number" not in types(tool.input_schema())
    assert "number" not in types(tool.output_schema())


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_schema_accepts_what_the_tool_accepts(name: str) -> None:
    payload = PAYLOADS[name]()
    jsonschema.validate(payload, get_tool(name).input_schema())
    tool = get_write_tool(name)
    assert tool.canonical(tool.validate(payload)) == payload


def test_writes_say_how_they_are_compensated() -> None:
    assert all(tool.is_reversible and tool.compensation and tool.kind is ToolKind.WRITE for tool in write_tools())
    assert all(tool.risk is not Risk.PRIVILEGED for tool in write_tools())


def test_an_unknown_tool_lists_near_names() -> None:
    with pytest.raises(UnknownTool) as refused:
        get_tool("create_purchase_orders")
    assert refused.value.code == "unknown_tool"
    assert refused.value.data["similar"][0] == "create_purchase_order"  # type: ignore[index]
    assert "create_purchase_order" in refused.value.detail


def test_a_tool_that_resembles_nothing_lists_nothing() -> None:
    with pytest.raises(UnknownTool) as refused:
        get_tool("x" * 5000)
    assert refused.value.data == {"tool": "x" * 80, "similar": []}


@pytest.mark.parametrize("name", ["check_budget", "open_period"])
def test_only_grantable_writes_can_be_proposed(name: str) -> None:
    with pytest.raises(UnknownTool) as refused:
        get_write_tool(name)
    assert "create_purchase_order" in refused.value.detail
