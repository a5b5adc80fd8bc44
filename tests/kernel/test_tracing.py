"""What is a traceparent, and what is as if nothing had been sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kernel.context import Origin, current_origin, origin
from kernel.tracing import TraceParent, carried_on, parse_traceparent, span, trace_headers

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"00-{TRACE}-{SPAN}-01", TraceParent(TRACE, SPAN, is_sampled=True)),
        (f"00-{TRACE}-{SPAN}-00", TraceParent(TRACE, SPAN, is_sampled=False)),
        (f" 00-{TRACE}-{SPAN}-03 ", TraceParent(TRACE, SPAN, is_sampled=True)),
        (f"cc-{TRACE}-{SPAN}-01", TraceParent(TRACE, SPAN, is_sampled=True)),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", TraceParent(TRACE, SPAN, is_sampled=True)),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}-01\n00-{TRACE}-{SPAN}-01", None),
        (f"cc-{TRACE}-{SPAN}-01-{'x' * 100}", None),
        ("", None),
        ("junk", None),
    ],
)
def test_a_malformed_one_is_ignored(text: str, found: TraceParent | None) -> None:
    assert parse_traceparent(text) == found


def test_an_outgoing_request_continues_the_trace_under_a_span_of_its_own() -> None:
    assert trace_headers() == {}
    with origin(Origin(trace_id=TRACE)):
        first, second = (parse_traceparent(trace_headers()["traceparent"]) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.trace_id == second.trace_id == TRACE
    assert first.span_id != second.span_id


def test_a_trace_is_carried_on_and_left_again() -> None:
    with origin(Origin(channel="task", request_id="1")):
        with carried_on(TRACE, "commit"):
            assert current_origin() == Origin(channel="task", request_id="1", trace_id=TRACE)
            assert trace_headers()["traceparent"].startswith(f"00-{TRACE}-")
        assert current_origin().trace_id == ""
    with span("nothing listens") as opened:
        assert opened is None


def test_nothing_of_opentelemetry_is_loaded_unless_it_is_wanted() -> None:
    script = "import kernel.tracing, sys; assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).resolve().parents[2])
