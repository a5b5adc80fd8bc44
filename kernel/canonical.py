"""Canonical bytes and digests: one value, one byte string, one digest.

Everything that is signed, chained, approved or compared goes through here. The byte form is RFC 8785 (JSON
Canonicalization Scheme) over a deliberately small value space: null, booleans, strings, integers below 2**53, lists and
string-keyed mappings. Floats are refused rather than rounded, because two systems that print a float differently would
sign two different truths.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Optional

import rfc8785

from kernel.errors import FieldError, NotCanonical

INTEGER_LIMIT = 2**53
DEPTH_LIMIT = 32
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
# None is the top; otherwise the parent's path and the key or index below it.
_Path = Optional[tuple["_Path", "str | int"]]  # noqa: UP045  evaluated at import, where a string can't stand beside |


@dataclass(frozen=True, slots=True)
class _FloatLiteral:
    """A float as it stood in a JSON text, kept as text so that the refusal can name it and its place."""

    literal: str


def canonical_bytes(value: object) -> bytes:
    """Return the RFC 8785 bytes of `value`.

    Raises NotCanonical, naming the path, for floats, decimals, dates, integers of magnitude 2**53 or more, non-string keys,
    lone surrogates and nesting deeper than 32: convert explicitly before you ask for bytes.
    """
    has_ascii_keys = _require_canonical(value, None, 0)
    if has_ascii_keys:
        # Without floats, and with keys whose UTF-16 order is their code point order, the standard library's encoder writes
        # the very bytes of RFC 8785, at a third of the cost; a property test holds the two together.
        return _ENCODER.encode(value).encode("utf-8")
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def require_canonical(value: object) -> None:
    """The value has canonical bytes; raises NotCanonical, naming the path, when it has none."""
    _require_canonical(value, None, 0)


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
        value: object = _DECODER.decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text)))
    except (ValueError, RecursionError) as error:
        raise NotCanonical(detail=f"The body is not JSON: {error}") from error
    _require_canonical(value, None, 0)
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


# Made once: `json.loads` with hooks builds a decoder for every text.
_DECODER = json.JSONDecoder(parse_float=_FloatLiteral, parse_constant=_FloatLiteral, object_pairs_hook=_object_without_duplicates)


def _require_canonical(value: object, path: _Path, depth: int) -> bool:
    """Return whether every key is ASCII; raises NotCanonical naming the path of what has no canonical form."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise _not_canonical(path, "text with a lone surrogate", "valid Unicode text")
        return True
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        if not -INTEGER_LIMIT < value < INTEGER_LIMIT:
            raise _not_canonical(path, f"the integer {value}", "an integer below 2**53, or a string")
        return True
    if depth >= DEPTH_LIMIT and isinstance(value, dict | list | tuple):
        raise _not_canonical(path, f"nesting deeper than {DEPTH_LIMIT} levels", "a flatter value")
    if isinstance(value, dict):
        return _require_members(value, path, depth)
    if isinstance(value, list | tuple):
        # Nearly every leaf is ASCII text: asked here and below, it costs no call.
        is_plain = [
            (type(item) is str and item.isascii()) or _require_canonical(item, (path, index), depth + 1) for index, item in enumerate(value)
        ]
        return all(is_plain)
    if isinstance(value, _FloatLiteral | float):
        literal = value.literal if isinstance(value, _FloatLiteral) else repr(value)
        raise _not_canonical(path, f"the float {literal}", f'a string such as "{literal}", or an integer')
    raise _not_canonical(path, f"a value of type {type(value).__name__}", "null, boolean, integer, string, list, object")


def _require_members(value: dict[object, object], path: _Path, depth: int) -> bool:
    has_ascii_keys = True
    for key, item in value.items():
        if not isinstance(key, str):
            raise _not_canonical(path, f"a key of type {type(key).__name__}", "string keys")
        if not key.isascii():
            has_ascii_keys = False
        if not (type(item) is str and item.isascii()):
            has_ascii_keys = _require_canonical(item, (path, key), depth + 1) and has_ascii_keys
    return has_ascii_keys


def _not_canonical(path: _Path, found: str, acceptable: str) -> NotCanonical:
    place = _pointer(path)
    message = f"{place or 'The value'} holds {found}."
    return NotCanonical(detail=message, errors=(FieldError(place, message, acceptable),))


def _pointer(path: _Path) -> str:
    """Return the JSON pointer of a path, which is kept as links so that only a refusal pays for the text."""
    parts: list[str] = []
    while path is not None:
        parent, step = path
        parts.append(str(step).replace("~", "~0").replace("/", "~1"))
        path = parent
    return "".join(f"/{part}" for part in reversed(parts))
