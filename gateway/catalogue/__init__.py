"""The tool catalogue: everything an agent can ever see of the ERP. One file per domain; adding a tool touches one place."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from gateway.catalogue import accounts, banking, budgets, customers, inventory, journals, periods, purchasing, vendors
from gateway.catalogue.base import Effect, Risk, Tool, ToolKind, WriteTool
from gateway.catalogue.presentation import Budget, Column, Presented, Table
from gateway.errors import UnknownTool

_DOMAINS = (budgets, accounts, periods, vendors, purchasing, inventory, customers, journals, banking)
TOOLS: Mapping[str, Tool] = MappingProxyType({tool.name: tool for domain in _DOMAINS for tool in domain.TOOLS})


def get_tool(name: str) -> Tool:
    """Return the tool; raises UnknownTool listing the nearest names."""
    try:
        return TOOLS[name]
    except KeyError:
        similar = get_close_matches(name[:80], list(TOOLS), n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
        raise UnknownTool(detail=f"There is no tool {name[:80]!r}.{hint}", data={"tool": name[:80], "similar": similar}) from None


def get_write_tool(name: str) -> WriteTool[Any]:
    """Return the write tool; raises UnknownTool for names that are no grantable write."""
    tool = get_tool(name)
    if not isinstance(tool, WriteTool):
        writes = [item.name for item in write_tools()]
        raise UnknownTool(
            detail=f"{name} is not a tool that can be proposed; these can: {', '.join(writes)}.",
            data={"tool": name, "similar": writes},
        )
    return tool


def read_tools() -> list[Tool]:
    """Return the read tools."""
    return [tool for tool in TOOLS.values() if tool.kind is ToolKind.READ]


def write_tools() -> list[WriteTool[Any]]:
    """Return the writes that can be proposed."""
    return [tool for tool in TOOLS.values() if isinstance(tool, WriteTool)]


def privileged_tools() -> list[Tool]:
    """Return the tools that are listed and can be granted to no agent."""
    return [tool for tool in TOOLS.values() if not tool.is_grantable]


__all__ = [
    "TOOLS",
    "Budget",
    "Column",
    "Effect",
    "Presented",
    "Risk",
    "Table",
    "Tool",
    "ToolKind",
    "WriteTool",
    "get_tool",
    "get_write_tool",
    "privileged_tools",
    "read_tools",
    "write_tools",
]
