"""Every event that any test records has the published form: the first of each kind and test process is validated where it is made."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

import audit.services
from audit import records

SCHEMA = Path(records.__file__).parent / "schema" / "countersign.audit.event-1.json"
# Enough to see the parts that only some events of a kind have, at a millisecond each.
EACH_KIND = 12

seen: dict[str, int] = {}


@lru_cache(maxsize=1)
def validator() -> jsonschema.Draft202012Validator:
    """Return the validator of the published schema."""
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def problems_of(stored: bytes) -> list[str]:
    """Return where an event's bytes are not of the published form."""
    value: Any = json.loads(stored)
    return [f"{value.get('type')}: {error.json_path} {error.message[:300]}" for error in validator().iter_errors(value)]


def watch_records() -> None:
    """From now on a test that records an event of another form fails where it records it."""
    module: Any = audit.services
    build = module.record_bytes

    def watched(event: records.NewEvent, **values: Any) -> bytes:
        stored: bytes = build(event, **values)
        kind = str(event.kind)
        if seen.setdefault(kind, 0) < EACH_KIND:
            seen[kind] += 1
            found = problems_of(stored)
            assert not found, found
        return stored

    module.record_bytes = watched
