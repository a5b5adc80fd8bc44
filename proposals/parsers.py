"""Reading request bodies: JSON that has a canonical form, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from kernel.canonical import parse_json
from kernel.errors import FieldError, ValidationFailed
from proposals.errors import BodyTooLarge


class CanonicalJSONParser(BaseParser):
    """Parses application/json by `kernel.canonical.parse_json`: floats, NaN and duplicate keys are refused, not rounded."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the object in the body; raises NotCanonical, ValidationFailed or BodyTooLarge."""
        try:
            # A request's `body` respects DATA_UPLOAD_MAX_MEMORY_SIZE; reading the stream itself would not.
            text = stream.body if isinstance(stream, HttpRequest) else stream.read()
        except RequestDataTooBig as error:
            raise BodyTooLarge(detail=str(error)) from error
        value = parse_json(text)
        if not isinstance(value, dict):
            message = f"The body is a JSON {type(value).__name__}, not an object."
            raise ValidationFailed(detail=message, errors=(FieldError("", message, "a JSON object"),))
        return value
