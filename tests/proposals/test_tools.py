"""What an agent may know of the catalogue: what it was granted."""

from __future__ import annotations

import pytest

from proposals.documents import ToolDocument, ToolList
from tests.proposals.conftest import Door, problem

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def test_the_list_is_what_was_granted(door: Door, other_door: Door) -> None:
    answer = door.get("tools").json()
    ToolList.model_validate(answer)
    assert [tool["name"] for tool in answer["results"]] == ["check_budget", "create_purchase_order", "post_journal_entry"]
    assert [tool["name"] for tool in other_door.get("tools").json()["results"]] == ["check_budget", "create_purchase_order"]


def test_a_tool_has_schemas_and_the_bounds_of_its_grant(door: Door) -> None:
    answer = door.get("tools/create_purchase_order").json()
    ToolDocument.model_validate(answer)
    assert answer["input_schema"]["properties"]["vendor"]["type"] == "string"
    assert (answer["grant"]["ceiling_per_write"], answer["grant"]["currency"]) == ("100000.00", "EUR")


@pytest.mark.parametrize("name", ["release_inventory", "close_period", "nothing"])
def test_a_tool_that_was_not_granted_is_not_there(door: Door, name: str) -> None:
    problem(door.get(f"tools/{name}"), 404, "not_found")
