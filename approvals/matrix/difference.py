"""What changed from one version of the matrix to another: row by row, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from approvals.matrix.asking import rule_text
from approvals.models import PolicyRow
from approvals.routing import band_text, step_rules
from kernel.money import Money

NONE = "–"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a row before and after."""

    label: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that was added, removed, moved or changed; `kind` says which."""

    kind: str
    priority: int
    title: str
    summary: str
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Diff:
    """The rows that differ, and how many are the same."""

    changes: tuple[RowChange, ...]
    same: int


def compare(was: Iterable[PolicyRow], now: Iterable[PolicyRow], titles: Mapping[str, str]) -> Diff:
    """Return what turned the one list of rows into the other.

    Rows belong together by their title within a tool and company, then by what they say, then by their number: so a row that only
    moved is one that moved, and a row that was renamed is one that was changed.
    """
    pairs, added, removed = _paired(list(was), list(now), titles)
    changes = [RowChange("added", row.priority, row.title, _summary(row, titles)) for row in added]
    changes += [RowChange("removed", row.priority, row.title, _summary(row, titles)) for row in removed]
    same = 0
    for old, new in pairs:
        before, after = described(old, titles), described(new, titles)
        fields = tuple(FieldChange(label, before[label], after[label]) for label in after if before[label] != after[label])
        if not fields:
            same += 1
            continue
        kind = "moved" if {field.label for field in fields} == {"Number"} else "changed"
        changes.append(RowChange(kind, new.priority, new.title, _summary(new, titles), fields))
    return Diff(tuple(sorted(changes, key=lambda item: (item.priority, item.kind))), same)


def described(row: PolicyRow, titles: Mapping[str, str]) -> dict[str, str]:
    """Return every field of a row in words, by its label."""

    def amount(minor: int | None) -> str:
        return NONE if minor is None else str(Money(minor, row.currency))

    steps = [f"{number}. {rule_text(rule, dict(titles))}" for number, rule in enumerate(step_rules(row), start=1)]
    return {
        "Number": str(row.priority),
        "Title": row.title,
        "Tool": row.tool,
        "Company": row.company or "any",
        "Cost centre": row.cost_centre or "any",
        "Account": row.account or "any",
        "Counterparty": row.counterparty or "any",
        "Vendor class": row.vendor_class or "any",
        "Flagged by": ", ".join(row.flags_required) or NONE,
        "Not flagged by": ", ".join(row.flags_forbidden) or NONE,
        "Amount": band_text(row),
        "Compares": f"sum over {row.rolling_days} days per {row.get_rolling_by_display().lower()}" if row.rolling_days else "single amount",
        "Asks": "; ".join(steps) or "nobody: approved automatically",
        "In bulk up to": amount(row.bulk_up_to_minor),
        "Second factor from": amount(row.step_up_from_minor),
    }


def _paired(
    was: list[PolicyRow], now: list[PolicyRow], titles: Mapping[str, str]
) -> tuple[list[tuple[PolicyRow, PolicyRow]], list[PolicyRow], list[PolicyRow]]:
    pairs: list[tuple[PolicyRow, PolicyRow]] = []

    def content(row: PolicyRow) -> object:
        said = described(row, titles)
        return tuple(value for label, value in said.items() if label not in {"Number", "Title"})

    for key in (lambda row: (row.tool, row.company, row.title), content, lambda row: (row.tool, row.priority)):
        rest: list[PolicyRow] = []
        for new in now:
            old = next((item for item in was if key(item) == key(new)), None)
            if old is None:
                rest.append(new)
                continue
            was.remove(old)
            pairs.append((old, new))
        now = rest
    return pairs, now, was


def _summary(row: PolicyRow, titles: Mapping[str, str]) -> str:
    said = described(row, titles)
    return f"{row.tool}, {said['Company']}, {said['Amount']}: {said['Asks']}"
