"""What the audit log holds, for assertions."""

from __future__ import annotations

import json

from audit.models import Event


def kinds() -> list[str]:
    """Return the kinds of all events, in the order they were recorded."""
    return list(Event.objects.order_by("recorded_at", "event_id").values_list("kind", flat=True))


def outcomes(kind: str) -> list[dict[str, object]]:
    """Return the outcome of each event of this kind."""
    events = Event.objects.filter(kind=kind).order_by("recorded_at")
    return [json.loads(bytes(event.bytes)).get("outcome", {}) for event in events]


def actors(kind: str) -> list[tuple[str, str]]:
    """Return kind and id of the actor of each event of this kind."""
    return list(Event.objects.filter(kind=kind).order_by("recorded_at").values_list("actor_kind", "actor_id"))
