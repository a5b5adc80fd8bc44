"""State machines as a table and one function: a transition is a filtered UPDATE that must hit exactly one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.db import connection, models

from kernel.errors import StateConflict
from kernel.together import Reply, write

Transitions = Mapping[str, frozenset[str]]


def advance(row: models.Model, to: str, *, transitions: Transitions, **values: Any) -> None:
    """Move `row` to state `to`, writing `values` in the same UPDATE; the instance is brought up to date.

    Raises StateConflict when the table has no such transition, or when the stored state is no longer the one `row` was
    loaded with: somebody else moved it first, and nothing was written.
    """
    current = str(row.state)  # type: ignore[attr-defined]
    if to not in transitions.get(current, frozenset()):
        raise StateConflict(
            detail=f"{row._meta.verbose_name} cannot go from {current} to {to}.",
            data={"state": current, "requested": to},
        )
    manager = type(row)._default_manager
    changed = manager.using(row._state.db).filter(pk=row.pk, state=current).update(state=to, **values)
    if changed != 1:
        stored = manager.using(row._state.db).filter(pk=row.pk).values_list("state", flat=True).first()
        raise StateConflict(
            detail=f"{row._meta.verbose_name} was expected to be {current} but is {stored}.",
            data={"state": stored, "expected": current, "requested": to},
        )
    for name, value in {"state": to, **values}.items():
        setattr(row, name, value)


def advance_many(rows: Sequence[models.Model], to: str, *, transitions: Transitions, **values: Any) -> None:
    """Move all of these rows, of one model, to state `to` as `advance` moves one; one UPDATE for each state they come from.

    Raises StateConflict as `advance` does, and then none may count as moved: the caller's transaction has to end.
    """
    groups: dict[str, list[models.Model]] = {}
    for row in rows:
        groups.setdefault(str(row.state), []).append(row)  # type: ignore[attr-defined]
    for current, group in groups.items():
        name = group[0]._meta.verbose_name
        if to not in transitions.get(current, frozenset()):
            raise StateConflict(detail=f"{name} cannot go from {current} to {to}.", data={"state": current, "requested": to})
        _move(group, current, to, values)
        for row in group:
            for field, value in {"state": to, **values}.items():
                setattr(row, field, value)


def _move(group: Sequence[models.Model], current: str, to: str, values: Mapping[str, Any]) -> None:
    """Write the UPDATE of these rows, which must touch each of them."""
    meta = group[0]._meta
    moved = {"state": to, **values}
    fields = [cast("models.Field[Any, Any]", meta.get_field(name)) for name in moved]
    written = ", ".join(f'"{field.column}" = %s' for field in fields)
    stored = [field.get_db_prep_save(value, connection) for field, value in zip(fields, moved.values(), strict=True)]
    statement = f'UPDATE "{meta.db_table}" SET {written} WHERE "{meta.pk.column}" = ANY(%s) AND "state" = %s'  # noqa: S608  names only

    def require_all(asked: Reply) -> None:
        if asked.count != len(group):
            detail = f"{len(group)} of {meta.verbose_name} were expected to be {current}, but only {asked.count} are."
            raise StateConflict(detail=detail, data={"expected": current, "requested": to})

    write(statement, [*stored, [row.pk for row in group], current], then=require_all)
