"""W3C Trace Context: one trace from the agent's runtime through every event to the ERP.

What comes in is kept when it is well formed and ignored when it is not; what goes out continues it. The ids travel in the origin of
the work (kernel/context.py) and need no package. Spans are for OpenTelemetry: nothing happens here until `use_tracer` is called
(config/telemetry.py).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from kernel.context import current_origin, origin

# Version 00 has exactly four fields; a later version may append more, of which the first four mean the same (W3C, section 3.2).
TRACEPARENT = re.compile(
    r"^(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?$"
)
LENGTH_MAX = 128


class SpanKind(StrEnum):
    """Which side of a call a span stands for."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A trace to continue: its id, the caller's span, and whether the caller samples it."""

    trace_id: str
    span_id: str
    is_sampled: bool = True

    def as_header(self) -> str:
        """Return the value of a `traceparent` header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


class Tracer(Protocol):
    """Whoever collects spans."""

    def span(
        self, name: str, *, kind: SpanKind, parent: TraceParent | None, attributes: Mapping[str, str]
    ) -> AbstractContextManager[TraceParent]:
        """Open a span for a block, below `parent` if there is one, and give its own ids."""


_tracers: list[Tracer] = []
_here: ContextVar[TraceParent | None] = ContextVar("countersign_span", default=None)


def parse_traceparent(text: str) -> TraceParent | None:
    """Return the trace that a `traceparent` header names; None for anything that is not one, which is then as if nothing was sent."""
    found = TRACEPARENT.match(text.strip()) if len(text) <= LENGTH_MAX else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["rest"]):
        return None
    if not found["trace"].strip("0") or not found["parent"].strip("0"):
        return None
    return TraceParent(found["trace"], found["parent"], bool(int(found["flags"], 16) & 1))


def trace_headers() -> dict[str, str]:
    """Return the headers that continue the present trace in an outgoing request; empty when there is none."""
    trace_id = current_origin().trace_id
    here = _here.get()
    if here is not None and here.trace_id == trace_id:
        return {"traceparent": here.as_header()}
    if not trace_id:
        return {}
    return {"traceparent": TraceParent(trace_id, secrets.token_hex(8)).as_header()}


@contextmanager
def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, parent: TraceParent | None = None, attributes: Mapping[str, str] | None = None
) -> Iterator[TraceParent | None]:
    """Make the block a span, below the one around it unless a parent is named; without a tracer, only run it."""
    if not _tracers:
        yield None
        return
    with _tracers[-1].span(name, kind=kind, parent=parent or _here.get(), attributes=attributes or {}) as opened:
        token = _here.set(opened)
        try:
            yield opened
        finally:
            _here.reset(token)


def span_of(
    trace_id: str, name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, str] | None = None
) -> AbstractContextManager[TraceParent | None]:
    """Make the block a span of a trace that began earlier, perhaps days ago; of a new one where there is no id."""
    # The span that the trace was stored under has ended; any id will do for a parent that nobody looks up.
    return span(name, kind=kind, parent=TraceParent(trace_id, trace_id[:16]) if trace_id else None, attributes=attributes)


@contextmanager
def carried_on(
    trace_id: str, name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Make the block part of a trace that began earlier: its events and outgoing requests carry the trace's id as well."""
    with (
        span_of(trace_id, name, kind=kind, attributes=attributes) as opened,
        origin(replace(current_origin(), trace_id=opened.trace_id if opened else trace_id)),
    ):
        yield


@contextmanager
def use_tracer(tracer: Tracer) -> Iterator[None]:
    """Collect spans inside the block; entered for good when the process starts, for the moment in tests."""
    _tracers.append(tracer)
    try:
        yield
    finally:
        _tracers.remove(tracer)
