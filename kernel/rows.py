"""Rows of models, read and written by SQL that stands still.

Where a request does it every time, building the statement anew costs more than running it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import AutoField, Field, Model

from kernel.together import Reply, write

M = TypeVar("M", bound=Model)
Converter = Callable[[Any, Any, Any], Any]


@lru_cache(maxsize=256)
def columns_of(model: type[Model], alias: str) -> str:
    """Return the columns of the model's table for a SELECT, in the order in which `row_of` takes them."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def width_of(model: type[Model]) -> int:
    """Return how many columns that is."""
    return len(model._meta.concrete_fields)


def row_of(model: type[M], values: Sequence[Any]) -> M:
    """Return the model's instance as the ORM would have loaded it from these columns of the default database."""
    names, converters = _names_and_converters(model)
    found = list(values)
    for position, convert in converters:
        found[position] = convert(found[position], None, connection)
    return model.from_db("default", names, found)


@lru_cache(maxsize=256)
def _names_and_converters(model: type[Model]) -> tuple[list[str], list[tuple[int, Converter]]]:
    fields = model._meta.concrete_fields
    converters = [(position, convert) for position, field in enumerate(fields) for convert in field.get_db_converters(connection)]
    return [field.attname for field in fields], converters


def insert_rows(rows: Sequence[Model]) -> None:
    """Insert the rows of one model in one statement, as `bulk_create` would; a key that the database makes is not read back."""
    if not rows:
        return
    statement, fields = _insert_into(type(rows[0]))
    values = [_value(field, row) for row in rows for field in fields]
    places = ", ".join(["(" + ", ".join(["%s"] * len(fields)) + ")"] * len(rows))
    write(f"{statement} VALUES {places}", values, then=lambda asked: _inserted(asked, rows))


@lru_cache(maxsize=256)
def _insert_into(model: type[Model]) -> tuple[str, list[Field[Any, Any]]]:
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({columns})', fields


def _value(field: Field[Any, Any], row: Model) -> object:
    return field.get_db_prep_save(field.pre_save(row, add=True), connection)


def _inserted(asked: Reply, rows: Sequence[Model]) -> None:
    del asked
    for row in rows:
        row._state.adding = False
        row._state.db = "default"
