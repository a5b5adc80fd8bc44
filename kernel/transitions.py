"""State machines as a table and one function: a transition is a filtered UPDATE that must hit exactly one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from kernel.errors import StateConflict

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
