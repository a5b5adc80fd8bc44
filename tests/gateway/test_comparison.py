"""Approved against landed: nothing that differs is missed, nothing that is the same is reported."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.catalogue import get_write_tool
from tests.builders.gateway import PAYLOADS, customer_payload, entry_payload, order_payload

TOTALS = {"create_purchase_order": {"total": "1250.90"}, "post_journal_entry": {"total": "12400.00"}}


def approved(tool: str) -> dict[str, Any]:
    found = get_write_tool(tool)
    return found.canonical(found.validate(PAYLOADS[tool]()))


def landed(tool: str, **changes: Any) -> dict[str, Any]:
    return {**PAYLOADS[tool](), **TOTALS.get(tool, {}), "document": "XX-2026-1", "written_by": "countersign", **changes}


@pytest.mark.parametrize("tool", PAYLOADS)
def test_what_landed_as_approved_does_not_differ(tool: str) -> None:
    assert get_write_tool(tool).compare(approved(tool), landed(tool)) == []


def test_decimals_are_compared_by_value_and_empty_is_absent() -> None:
    lines = [
        {"item": "P-1009", "quantity": "100.0000", "unit_price": "0.959", "description": ""},
        {"item": "P-1003", "quantity": "37.50", "unit_price": "30.8", "description": "black"},
    ]
    found = landed("create_purchase_order", lines=lines, note="", total="1250.9")
    assert get_write_tool("create_purchase_order").compare(approved("create_purchase_order"), found) == []


@pytest.mark.parametrize(
    ("tool", "changes", "difference"),
    [
        (
            "create_purchase_order",
            {"total": "1488.57"},
            {"field": "/total", "approved": "1250.90", "landed": "1488.57"},
        ),
        (
            "create_purchase_order",
            {"vendor": "70002"},
            {"field": "/vendor", "approved": "70001", "landed": "70002"},
        ),
        (
            "create_purchase_order",
            {"note": "Call me"},
            {"field": "/note", "approved": "absent", "landed": "Call me"},
        ),
        (
            "create_purchase_order",
            {"deliver_on": ""},
            {"field": "/deliver_on", "approved": "2026-12-11", "landed": "absent"},
        ),
        (
            "create_purchase_order",
            {"lines": [order_payload()["lines"][0], {**order_payload()["lines"][1], "unit_price": "30.81"}]},
            {"field": "/lines/1/unit_price", "approved": "30.80", "landed": "30.81"},
        ),
        (
            "post_journal_entry",
            {"effective_on": "2026-12-01"},
            {"field": "/effective_on", "approved": "2026-11-23", "landed": "2026-12-01"},
        ),
        (
            "post_journal_entry",
            {"lines": [{**entry_payload()["lines"][0], "cost_centre": ""}, *entry_payload()["lines"][1:]]},
            {"field": "/lines/0/cost_centre", "approved": "4030", "landed": "absent"},
        ),
        (
            "release_inventory",
            {"location": "WEST"},
            {"field": "/location", "approved": "MAIN", "landed": "WEST"},
        ),
        (
            "update_customer",
            {"changes": {"credit_limit": "35000.00", "status": "blocked"}},
            {"field": "/changes/status", "approved": "absent", "landed": "blocked"},
        ),
        (
            "update_customer",
            {"expected_version": 2},
            {"field": "/expected_version", "approved": "1", "landed": "2"},
        ),
    ],
)
def test_an_altered_field_is_found(tool: str, changes: dict[str, Any], difference: dict[str, str]) -> None:
    assert get_write_tool(tool).compare(approved(tool), landed(tool, **changes)) == [difference]


def test_a_line_more_or_less_is_found() -> None:
    tool = get_write_tool("create_purchase_order")
    lines = order_payload()["lines"]
    (missing,) = tool.compare(approved(tool.name), landed(tool.name, lines=lines[:1]))
    assert missing["field"] == "/lines/1"
    assert missing["landed"] == "absent"
    extra = {"item": "P-1000", "quantity": "1", "unit_price": "0"}
    (added,) = tool.compare(approved(tool.name), landed(tool.name, lines=[*lines, extra]))
    assert added == {"field": "/lines/2", "approved": "absent", "landed": "item=P-1000, quantity=1, unit_price=0"}


@pytest.mark.parametrize("tool", PAYLOADS)
def test_a_document_that_is_not_there_differs_everywhere(tool: str) -> None:
    found = get_write_tool(tool).compare(approved(tool), {})
    assert {difference["landed"] for difference in found} == {"absent"}
    assert {difference["field"].split("/")[1] for difference in found} >= set(approved(tool))


POSTINGS = [
    {"account": "9100", "cost_centre": "4010", "debit": "1250.90"},
    {"account": "9190", "credit": "1250.90"},
]


@pytest.mark.parametrize("tool", ["create_purchase_order", "release_inventory", "post_journal_entry"])
def test_a_reversal_exchanges_the_sides(tool: str) -> None:
    found = landed(tool, postings=POSTINGS, currency="EUR", effective_on="2026-11-23")
    name, payload = get_write_tool(tool).reversal(approved(tool), "XX-2026-000001", found)
    assert name == "post_journal_entry"
    assert payload["reverses"] == "XX-2026-000001"
    assert payload["lines"] == [
        {"account": "9100", "cost_centre": "4010", "credit": "1250.90"},
        {"account": "9190", "debit": "1250.90"},
    ]
    get_write_tool(name).validate(payload)


def test_a_customer_change_is_reversed_by_restoring() -> None:
    found = landed("update_customer", before={"credit_limit": "25000.00"}, version=2)
    name, payload = get_write_tool("update_customer").reversal(approved("update_customer"), "CU-2026-000001", found)
    assert (name, payload["expected_version"], payload["changes"]) == ("update_customer", 2, {"credit_limit": "25000.00"})
    get_write_tool(name).validate(payload)
    assert customer_payload()["customer"] == payload["customer"]
