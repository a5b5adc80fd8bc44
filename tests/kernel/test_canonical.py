"""Canonical bytes: one value, one byte string; what has none is refused with its path."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import canonical_bytes, digest, digest_of_bytes, parse_json
from kernel.errors import NotCanonical

integers = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_bytes_survive_parsing(value: object) -> None:
    assert parse_json(canonical_bytes(value)) == value
    assert canonical_bytes(parse_json(canonical_bytes(value))) == canonical_bytes(value)


@given(values)
def test_bytes_are_those_of_the_reference_implementation(value: object) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_keys_are_sorted_by_utf16_as_rfc_8785_demands() -> None:
    # U+1F600 sorts before U+FB33 in UTF-16 code units, after it by code point. Source: RFC 8785, 3.2.3.
    assert canonical_bytes({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"amount": 1.5}, "/amount"),
        ({"lines": [{"quantity": float("nan")}]}, "/lines/0/quantity"),
        ([2**53], "/0"),
        ({"price": Decimal("1.50")}, "/price"),
        ({"names": {"a", "b"}}, "/names"),
        ({"text": "\ud800"}, "/text"),
    ],
)
def test_refuses_what_has_no_canonical_form(value: object, path: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        canonical_bytes(value)
    assert refusal.value.errors[0].path == path
    assert refusal.value.errors[0].acceptable


def test_refuses_a_key_that_is_not_text() -> None:
    with pytest.raises(NotCanonical, match="key of type int"):
        canonical_bytes({1: "one"})


def test_refuses_bottomless_nesting() -> None:
    value: object = "leaf"
    for _ in range(40):
        value = [value]
    with pytest.raises(NotCanonical, match="deeper than 32"):
        canonical_bytes(value)


@pytest.mark.parametrize("text", ['{"a": 1.0}', '{"a": 1e3}', '{"a": NaN}', '{"a": 1, "a": 2}', "{", '"\\x"', b"\xff"])
def test_parsing_refuses_floats_duplicates_and_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(NotCanonical):
        parse_json(text)


def test_digest_separates_purposes() -> None:
    expected = hashlib.sha256(b'countersign.payload/1\0{"a":1}').hexdigest()
    assert digest("countersign.payload/1", {"a": 1}) == f"sha256:{expected}"
    assert digest_of_bytes("countersign.payload/1", b'{"a":1}') == f"sha256:{expected}"
    assert digest("countersign.read/1", {"a": 1}) != f"sha256:{expected}"
