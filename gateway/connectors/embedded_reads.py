"""The read tools over the embedded ledger: arguments in, the tool's documented result out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.port import Json
from ledger import queries

Reader = Callable[..., Mapping[str, object]]

READERS: Mapping[str, Reader] = {
    "check_budget": queries.check_budget,
    "find_similar_entries": queries.find_similar_entries,
    "get_account_balance": queries.get_account_balance,
    "get_customer": queries.get_customer,
    "get_period_status": queries.get_period_status,
    "get_purchase_order": queries.get_purchase_order,
    "get_stock": queries.get_stock,
    "get_trial_balance": queries.get_trial_balance,
    "get_vendor": queries.get_vendor,
    "list_purchase_orders": queries.list_purchase_orders,
    "search_vendors": queries.search_vendors,
}

# What the ledger tells its own people besides: nothing an agent is promised. Names of staff stay in the ERP.
WITHHELD = frozenset({"written_by"})
# Lists of vendors are for choosing one; what a vendor is in full, get_vendor tells.
WITHHELD_IN_LISTS = {"search_vendors": frozenset({"company", "bank_fingerprint", "created_on", "note"})}
WITHHELD_IN_ORDERS = frozenset({"company"})


def read(tool: str, company: str, arguments: Json) -> dict[str, Any]:
    """Return the result of one read tool; raises NotVisible, ValidationFailed, or KeyError for a tool that is no read."""
    reader = READERS[tool]
    given = {name: value for name, value in arguments.items() if value is not None}
    result: dict[str, Any] = {**reader(company=company, **given)}
    if tool == "search_vendors":
        result["vendors"] = [_without(row, WITHHELD_IN_LISTS[tool]) for row in result["vendors"]]
    elif tool == "list_purchase_orders":
        result["orders"] = [_without(row, WITHHELD | WITHHELD_IN_ORDERS) for row in result["orders"]]
    elif tool == "find_similar_entries":
        result["entries"] = [_similar(row) for row in result["entries"]]
    return _without(result, WITHHELD)


def _similar(row: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {("counterparty" if name == "vendor" else name): value for name, value in row.items()}
    return _without(renamed, WITHHELD)


def _without(row: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
