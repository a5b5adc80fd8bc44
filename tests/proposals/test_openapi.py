"""The OpenAPI document and the page made from it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from proposals.pages import operations, refusal_codes


@pytest.fixture
def schema() -> dict[str, Any]:
    operations.cache_clear()
    GENERATOR_STATS.reset()
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


def test_it_is_generated_without_a_warning_and_is_valid(schema: dict[str, Any]) -> None:
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    validate_schema(schema)  # type: ignore[no-untyped-call]
    assert schema["openapi"].startswith("3.1")


def test_every_operation_has_an_answer_and_documents_its_refusals(schema: dict[str, Any]) -> None:
    found = [(path, method, item) for path, methods in schema["paths"].items() for method, item in methods.items()]
    assert len(found) == 9
    for path, method, operation in found:
        assert operation["description"], (path, method)
        assert operation["security"] == [{"boundAgentToken": []}, {"agentToken": []}], (path, method)
        answers = operation["responses"]
        assert {"401", "403", "405"} < set(answers), (path, method)
        for status, answer in answers.items():
            media = "application/json" if int(status) < 400 else "application/problem+json"
            assert list(answer["content"]) == [media], (path, method, status)
            assert answer["content"][media]["schema"]["$ref"], (path, method, status)


def test_a_proposal_needs_its_key(schema: dict[str, Any]) -> None:
    operation = schema["paths"]["/api/v1/proposals"]["post"]
    key = next(item for item in operation["parameters"] if item["name"] == "Idempotency-Key")
    assert (key["in"], key["required"]) == ("header", True)
    body = schema["components"]["schemas"]["ProposeBody"]
    assert set(body["required"]) == {"tool", "company", "payload"}
    assert "compensates" not in body["properties"]


@pytest.mark.django_db
def test_the_schema_is_public() -> None:
    response = Client().get("/api/v1/schema")
    assert response.status_code == 200
    assert response.json()["info"]["title"] == "Countersign"


@pytest.mark.django_db
def test_the_page_shows_every_operation_and_every_code_without_a_script_of_its_own() -> None:
    operations.cache_clear()
    page = Client().get("/api/v1/docs").content.decode()
    for operation in operations():
        assert f'id="{operation["id"]}"' in page
    for code in ("idempotency_key_reused", "unroutable", "token_scope", "period_closed"):
        assert f'id="{code}"' in page
    assert "<script>" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_codes_are_stable_words() -> None:
    codes = [code for code, _, _ in refusal_codes()]
    assert len(codes) == len(set(codes))
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
