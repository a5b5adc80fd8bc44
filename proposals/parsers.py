"""Reading request bodies: JSON that has a canonical form, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from gateway.catalogue.validation import pointer
from kernel.canonical import parse_json
from kernel.errors import FieldError, NotCanonical, ValidationFailed
from proposals.errors import BodyTooLarge

# As JSON spells it; as a plain character it is no JSON at all.
NUL_ESCAPED = "\\u0000"


class CanonicalJSONParser(BaseParser):
    """Parses application/json by `kernel.canonical.parse_json`: floats, NaN and duplicate keys are refused, not rounded."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the object in the body; raises NotCanonical, ValidationFailed or BodyTooLarge."""
        try:
            # A request's `body` respects DATA_UPLOAD_MAX_MEMORY_SIZE; reading the stream itself would not.
            body: bytes = stream.body if isinstance(stream, HttpRequest) else stream.read()
            # JSON between systems is UTF-8 (RFC 8259); left to itself, Python's parser would take UTF-16 and UTF-32 as well.
            text = body.decode("utf-8")
        except RequestDataTooBig as error:
            raise BodyTooLarge(detail=str(error)) from error
        except UnicodeDecodeError as error:
            raise NotCanonical(detail=f"The body is not UTF-8: {error.reason} at byte {error.start + 1}.") from error
        value = parse_json(text)
        if NUL_ESCAPED in text:
            refuse_nul(value)
        if not isinstance(value, dict):
            message = f"The body is a JSON {type(value).__name__}, not an object."
            raise ValidationFailed(detail=message, errors=(FieldError("", message, "a JSON object"),))
        return value


def refuse_nul(value: object, path: tuple[str | int, ...] = ()) -> None:
    """Raise ValidationFailed naming the place of a NUL character: no database keeps one, so the refusal could not be recorded either."""
    if isinstance(value, str) and "\0" in value:
        place = pointer("", path).replace("\0", "")
        message = f"{place or 'The value'} holds a NUL character."
        raise ValidationFailed(detail=message, errors=(FieldError(place, message, "text without it"),))
    if isinstance(value, dict):
        for key, item in value.items():
            refuse_nul(key, path)
            refuse_nul(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_nul(item, (*path, index))
