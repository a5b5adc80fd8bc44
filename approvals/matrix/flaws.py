"""What is wrong with one row of a matrix: the same sentences for the editor, the CSV file and the service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from approvals.routing import StepRule, groups_of
from approvals.rules.catalogue import GATE_CODES
from approvals.states import RollingKey, StepRuleKind
from gateway.catalogue import get_tool
from gateway.catalogue.base import Tool, ToolKind
from gateway.errors import UnknownTool
from kernel.money import CURRENCY_PATTERN

if TYPE_CHECKING:
    from approvals.services.matrix import RowDraft

MIN_APPROVALS_MAX = 20
GROUPS_MAX = 4
DUE_DAYS_MAX = 60
ROLLING_DAYS_MAX = 365
TEXT_MAX = 120
MINOR_MAX = 10**15
PATTERNS = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.\-/]*\*?(\s*,\s*[A-Za-z0-9][A-Za-z0-9_.\-/]*\*?)*$")
COMPANY = re.compile(r"^[A-Z0-9]{1,12}$")
RULES = tuple(kind.value for kind in StepRuleKind)

# Path, message, what is acceptable.
Flaw = tuple[str, str, str]


def flaws(row: RowDraft, groups: set[str]) -> Iterator[Flaw]:
    """Yield path, message and what is acceptable for each flaw of one row; `groups` are the codes that exist."""
    if not row.title.strip() or len(row.title) > TEXT_MAX:
        yield "/title", "empty or too long", f"1 to {TEXT_MAX} characters"
    tool = _write_tool(row.tool)
    if tool is None:
        yield "/tool", f"{row.tool!r} is not a write of the catalogue", "a write tool's name"
    if row.company and not COMPANY.match(row.company):
        yield "/company", f"{row.company!r} is not a company code", "a code such as DE01, or empty for every company"
    for name in ("cost_centre", "account", "counterparty", "vendor_class"):
        value = getattr(row, name)
        if value and (len(value) > TEXT_MAX or not PATTERNS.match(value)):
            yield f"/{name}", f"{value!r} is not a list of patterns", "numbers separated by commas, 41* for all that begin with 41"
    if not 0 < row.priority <= 2**31 - 1:
        yield "/priority", f"{row.priority}", "a whole number from 1"
    yield from _amounts(row)
    yield from _flags(row)
    if row.is_automatic:
        yield from _automatic(row, tool)
    elif not row.steps:
        yield "/steps", "the row asks nobody", "at least one step"
    for position, step in enumerate(row.steps):
        for path, message, acceptable in _step(step, groups):
            yield f"/steps/{position}{path}", message, acceptable


def _amounts(row: RowDraft) -> Iterator[Flaw]:
    if not CURRENCY_PATTERN.match(row.currency):
        yield "/currency", f"{row.currency!r} is not a currency", "an ISO 4217 code"
    if row.from_minor < 0 or (row.up_to_minor is not None and row.up_to_minor < row.from_minor):
        yield "/up_to_minor", "the band is empty or negative", "from 0, up to at least from"
    for name in ("from_minor", "up_to_minor", "bulk_up_to_minor", "step_up_from_minor"):
        value = getattr(row, name)
        if value is not None and value > MINOR_MAX:
            yield f"/{name}", "too large", f"up to {MINOR_MAX} smallest units"
        if value is not None and value < 0 and name.endswith(("bulk_up_to_minor", "step_up_from_minor")):
            yield f"/{name}", "negative", "0 or more, or empty"
    if not 0 <= row.rolling_days <= ROLLING_DAYS_MAX:
        yield "/rolling_days", f"{row.rolling_days}", f"0 for the single amount, or up to {ROLLING_DAYS_MAX} days"
    if row.rolling_by not in RollingKey.values:
        yield "/rolling_by", f"{row.rolling_by!r}", ", ".join(RollingKey.values)


def _flags(row: RowDraft) -> Iterator[Flaw]:
    for name in ("flags_required", "flags_forbidden"):
        unknown = [code for code in getattr(row, name) if code not in GATE_CODES]
        if unknown:
            yield f"/{name}", f"{', '.join(unknown)}: no rule that strikes at submission", ", ".join(GATE_CODES)
    both = sorted(set(row.flags_required) & set(row.flags_forbidden))
    if both:
        yield "/flags_forbidden", f"{', '.join(both)} can't have struck and not have struck", "each rule on one side"


def _automatic(row: RowDraft, tool: Tool | None) -> Iterator[Flaw]:
    if row.steps:
        yield "/steps", "an automatic row asks nobody", "no steps"
    if row.up_to_minor is None:
        yield "/up_to_minor", "an automatic row needs a cap", "an upper end"
    if tool is not None and not tool.is_reversible:
        yield "/is_automatic", f"{row.tool} can't be reversed", "a row that asks somebody"
    for name in ("bulk_up_to_minor", "step_up_from_minor"):
        if getattr(row, name) is not None:
            yield f"/{name}", "an automatic row has no decision", "empty"


def _step(step: StepRule, groups: set[str]) -> Iterator[Flaw]:
    asked = groups_of(step)
    kind = step.get("rule", StepRuleKind.QUORUM.value)
    for number, code in enumerate(asked):
        if code not in groups:
            path = "/group" if number == 0 else f"/further_groups/{number - 1}"
            yield path, f"there is no group {code!r}", ", ".join(sorted(groups))
    if len(set(asked)) != len(asked) or len(asked) > GROUPS_MAX:
        yield "/further_groups", "the same group twice, or too many", f"up to {GROUPS_MAX} different groups"
    if kind not in RULES:
        yield "/rule", f"{kind!r}", ", ".join(RULES)
    if kind == StepRuleKind.PER_GROUP and len(asked) < 2:
        yield "/further_groups", "so many of each group needs two groups at least", "a further group"
    if not 1 <= step["min_approvals"] <= MIN_APPROVALS_MAX:
        yield "/min_approvals", f"{step['min_approvals']}", f"1 to {MIN_APPROVALS_MAX}"
    elif kind == StepRuleKind.ANY and step["min_approvals"] != 1:
        yield "/min_approvals", f"any one of them is 1 approval, not {step['min_approvals']}", "1"
    if "due_days" in step and not 1 <= step["due_days"] <= DUE_DAYS_MAX:
        yield "/due_days", f"{step['due_days']}", f"1 to {DUE_DAYS_MAX} business days, or nothing"
    fallback = step.get("fallback", "")
    if fallback and (fallback not in groups or fallback in asked):
        yield "/fallback", f"{fallback!r} is no other group", "another group, or nothing"


def _write_tool(name: str) -> Tool | None:
    try:
        tool = get_tool(name)
    except UnknownTool:
        return None
    return tool if tool.kind is ToolKind.WRITE and tool.is_grantable else None
