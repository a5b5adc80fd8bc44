"""The agents' door explained: one plain page made from the OpenAPI document, without any script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from kernel.errors import DomainError

Json = Mapping[str, Any]


@require_safe
def api_documentation(request: HttpRequest) -> HttpResponse:
    """Show every operation of the agents' door, and what each refusal's code means."""
    context = {"operations": operations(), "codes": refusal_codes(), "schema_url": "/api/v1/schema"}
    return render(request, "proposals/documentation.html", context)


@cache
def operations() -> list[Json]:
    """Return the operations of the OpenAPI document in the order of their paths; made once per process."""
    schema: Json = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    components = schema["components"]["schemas"]
    return [
        {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "description": operation.get("description", ""),
            "parameters": operation.get("parameters", []),
            "body": _fields(_body(operation), components),
            "responses": list(_responses(operation)),
        }
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


@cache
def refusal_codes() -> list[tuple[str, int, str]]:
    """Return code, status and meaning of every refusal the product can give, by code."""
    found = {kind.code: (kind.code, kind.status.value, _first_sentence(kind)) for kind in _descendants(DomainError)}
    return [found[code] for code in sorted(found)]


def _descendants(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in kind.__subclasses__():
        if "code" in vars(child):
            yield child
        yield from _descendants(child)


def _first_sentence(kind: type[DomainError]) -> str:
    return (kind.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("`", "")


def _body(operation: Json) -> Json:
    content: Json = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return content


def _fields(schema: Json, components: Json) -> list[Json]:
    named = components.get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
    required = named.get("required", [])
    return [
        {"name": name, "type": _type(field), "is_required": name in required, "description": field.get("description", "")}
        for name, field in named.get("properties", {}).items()
    ]


def _type(field: Json) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("type", "any"))


def _responses(operation: Json) -> Iterator[Json]:
    for status, response in operation["responses"].items():
        yield {"status": status, "description": response.get("description", ""), "is_problem": int(status) >= 400}
