"""Canonical bytes and digests: one value, one byte string, one digest.

Everything that is signed, chained, approved or compared goes through here. The byte form is RFC 8785 (JSON
Canonicalization Scheme) over a deliberately small value space: null, booleans, strings, integers below 2**53, lists and
string-keyed mappings. Floats are refused rather than rounded, because two systems that print a float differently would
sign two different truths.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import rfc8785

from kernel.errors import FieldError, NotCanonical

INTEGER_LIMIT = 2**53
DEPTH_LIMIT = 32


@dataclass(frozen=True, slots=True)
class _FloatLiteral:
    """A float as it stood in a JSON text, kept as text so that the refusal can name it and its place."""

    literal: str


def canonical_bytes(value: object) -> bytes:
    """Return the RFC 8785 bytes of `value`.

    Raises NotCanonical, naming the path, for floats, decimals, dates, integers of magnitude 2**53 or more, non-string keys,
    lone surrogates and nesting deeper than 32: convert explicitly before you ask for bytes.
    """
    _refuse_uncanonical(value, path="", depth=0)
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise NotCanonical(detail=str(error)) from error


def digest(purpose: str, value: object) -> str:
    """Return `sha256:<hex>` over the purpose, one NUL byte and the canonical bytes of `value`."""
    return digest_of_bytes(purpose, canonical_bytes(value))


def digest_of_bytes(purpose: str, stored: bytes) -> str:
    """Return `sha256:<hex>` over the purpose, one NUL byte and bytes that were stored earlier.

    Use this, not `digest`, whenever the bytes exist already: a value that was parsed and serialised again may differ.
    """
    hasher = hashlib.sha256(purpose.encode("ascii"))
    hasher.update(b"\0")
    hasher.update(stored)
    return f"sha256:{hasher.hexdigest()}"


def parse_json(text: bytes | str) -> object:
    """Return the value of a JSON text, refusing what has no canonical form: floats, NaN, duplicate keys, huge integers.

    Raises NotCanonical with the reason and, where there is one, the path.
    """
    try:
        value: object = json.loads(
            text,
            parse_float=_FloatLiteral,
            parse_constant=_FloatLiteral,
            object_pairs_hook=_object_without_duplicates,
        )
    except (ValueError, RecursionError) as error:
        raise NotCanonical(detail=f"The body is not JSON: {error}") from error
    _refuse_uncanonical(value, path="", depth=0)
    return value


def to_json_text(value: object) -> str:
    """Return readable JSON for storage and display; never hash this text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)


def _object_without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise NotCanonical(detail=f"The key {key!r} appears twice in one object.")
        result[key] = value
    return result


def _refuse_uncanonical(value: object, *, path: str, depth: int) -> None:
    if isinstance(value, _FloatLiteral):
        raise _not_canonical(path, f"the float {value.literal}", f'a string such as "{value.literal}", or an integer')
    if depth > DEPTH_LIMIT:
        raise _not_canonical(path, f"nested deeper than {DEPTH_LIMIT} levels", "a flatter value")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as error:
                raise _not_canonical(path, "text with a lone surrogate", "valid Unicode text") from error
        return
    if isinstance(value, int):
        if abs(value) >= INTEGER_LIMIT:
            raise _not_canonical(path, f"the integer {value}", "an integer below 2**53, or a string")
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise _not_canonical(path, f"a key of type {type(key).__name__}", "string keys")
            _refuse_uncanonical(item, path=f"{path}/{key}", depth=depth + 1)
        return
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_uncanonical(item, path=f"{path}/{index}", depth=depth + 1)
        return
    raise _not_canonical(path, f"a value of type {type(value).__name__}", "null, boolean, integer, string, list, object")


def _not_canonical(path: str, found: str, acceptable: str) -> NotCanonical:
    message = f"{path or 'The value'} holds {found}."
    return NotCanonical(detail=message, errors=(FieldError(path, message, acceptable),))
