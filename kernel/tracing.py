"""W3C Trace Context: one trace from the agent's runtime through every event to the ERP.

What comes in is kept when it is well formed and ignored when it is not; what goes out continues it. No dependency: the ids travel
in the origin of the work (kernel/context.py).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from kernel.context import current_origin

# Version 00 has exactly four fields; a later version may append more, of which the first four mean the same (W3C, section 3.2).
TRACEPARENT = re.compile(
    r"^(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?$"
)
LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A trace to continue: its id, the caller's span, and whether the caller samples it."""

    trace_id: str
    span_id: str
    is_sampled: bool


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
    if not trace_id:
        return {}
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
