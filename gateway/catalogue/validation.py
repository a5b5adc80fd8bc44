"""From pydantic's errors to ours: a JSON pointer, a sentence, and what would be acceptable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.catalogue.shapes import kind_of
from kernel.errors import FieldError, ValidationFailed

ERROR_LIMIT = 50
OUT_OF_RANGE = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})
EXPECTED_KINDS = {
    "int_type": "an integer",
    "list_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "bool_type": "a boolean",
}
Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], value: Mapping[str, object], *, prefix: str) -> Model:
    """Return `value` as `model`; raises ValidationFailed with a FieldError per fault, paths below `prefix`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False)
        errors = tuple(_field_error(model, item, prefix) for item in found[:ERROR_LIMIT])
        more = f" ({len(found)} in all)" if len(found) > 1 else ""
        raise ValidationFailed(detail=f"{errors[0].path or prefix}: {errors[0].message}{more}.", errors=errors) from None


def pointer(prefix: str, parts: Sequence[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of `parts` below `prefix`."""
    return prefix + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def _field_error(model: type[BaseModel], error: Mapping[str, Any], prefix: str) -> FieldError:
    location: tuple[str | int, ...] = error["loc"]
    context: Mapping[str, Any] = error.get("ctx", {})
    path = pointer(prefix, location)[:300]
    kind = str(error["type"])
    if kind == "shape":
        return FieldError(path, str(context["reason"]), str(context["acceptable"]))
    if kind == "extra_forbidden":
        allowed = ", ".join(_properties(model, location[:-1]))
        return FieldError(path, "there is no such field", f"only these fields: {allowed}")
    if kind == "missing":
        return FieldError(path, "required, but absent", _description(model, location))
    if kind in {"too_long", "too_short"}:
        bound = f"at most {context['max_length']}" if kind == "too_long" else f"at least {context['min_length']}"
        return FieldError(path, f"{context['actual_length']} entries", f"{bound} entries")
    if kind == "literal_error":
        return FieldError(path, f"{str(error['input'])[:80]!r} is not one of the known values", str(context["expected"]))
    if kind in OUT_OF_RANGE:
        return FieldError(path, f"{str(error['input'])[:40]} is out of range", _description(model, location))
    expected = EXPECTED_KINDS.get(kind)
    if expected:
        return FieldError(path, f"{kind_of(error['input'])} where {expected} belongs", _description(model, location))
    return FieldError(path, _plain(str(error["msg"])), _description(model, location))


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _node(model: type[BaseModel], location: Sequence[str | int]) -> dict[str, Any]:
    """Return the part of the model's JSON Schema at `location`, references and nullable wrappers resolved."""
    root = _schema(model)
    node = root
    for part in location:
        node = _resolved(root, node)
        inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
        if inner is None:
            return {}
        described = {"description": inner["description"]} if "description" in inner else {}
        node = _resolved(root, inner) | described
    return node


def _resolved(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", ()):
        if option.get("type") != "null":
            return _resolved(root, option)
    if "$ref" in node:
        found: dict[str, Any] = root["$defs"][str(node["$ref"]).removeprefix("#/$defs/")]
        return found
    return node


def _properties(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    return sorted(_resolved(_schema(model), _node(model, location)).get("properties", {}))


def _description(model: type[BaseModel], location: Sequence[str | int]) -> str:
    return str(_node(model, location).get("description", ""))
