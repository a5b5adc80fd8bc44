"""One trace from the agent's request to the ERP: on every event, and as spans where OpenTelemetry listens."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from audit.models import Event
from config.telemetry import OpenTelemetryTracer
from gateway.network import Policy, outbound_client
from kernel.canonical import parse_json
from kernel.context import Origin, origin
from kernel.tracing import parse_traceparent, span, use_tracer
from tests.builders.commits import Gate, kinds, run
from tests.builders.http import listening

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def parent_of(item: ReadableSpan) -> str:
    assert item.parent is not None
    return f"{item.parent.span_id:016x}"


def traces(chain: str) -> set[str]:
    found: set[str] = set()
    for event in Event.objects.filter(chain=chain):
        record: Any = parse_json(bytes(event.bytes))
        found.add(record["origin"].get("trace_id", ""))
    return found


def test_the_commit_s_events_carry_the_trace_of_the_proposal(gate: Gate) -> None:
    with origin(Origin(channel="api", trace_id=TRACE)):
        traced = gate.order("90.00")
    other = gate.order("91.00")
    with origin(Origin(channel="task")):
        run()
    assert kinds(traced)[-1] == kinds(other)[-1] == "commit:succeeded"
    assert traces(traced.public_id) == {TRACE}
    assert traces(other.public_id) == {""}


def test_one_trace_of_spans_from_the_proposal_to_the_erp(gate: Gate) -> None:
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetryTracer(SimpleSpanProcessor(exporter), installation="test")
    with use_tracer(tracer):
        with span("POST api", parent=parse_traceparent(f"00-{TRACE}-{SPAN}-01")) as opened, origin(Origin(trace_id=TRACE)):
            assert opened is not None
            assert opened.trace_id == TRACE
            gate.order("90.00")
        with origin(Origin(channel="task")):
            run()
    found = {item.name: item for item in exporter.get_finished_spans()}
    assert {"POST api", "commit create_purchase_order"} <= set(found)
    assert {f"{item.context.trace_id:032x}" for item in found.values()} == {TRACE}
    assert parent_of(found["POST api"]) == SPAN
    assert dict(found["commit create_purchase_order"].attributes or {})["countersign.connection"] == "embedded"


def test_a_request_is_a_span_and_outgoing_http_is_below_it() -> None:
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetryTracer(SimpleSpanProcessor(exporter), installation="test")
    with use_tracer(tracer), listening() as server:
        Client().get("/oauth/authorize", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
        with span("task") as task, outbound_client(Policy.PRIVATE) as client:
            assert task is not None
            with origin(Origin(trace_id=task.trace_id)):
                client.request("GET", server.url())
    served, sent, _ = exporter.get_finished_spans()
    assert (served.name, f"{served.context.trace_id:032x}", parent_of(served)) == ("GET api", TRACE, SPAN)
    assert sent.name == "GET 127.0.0.1"
    assert parent_of(sent) == task.span_id
    continued = parse_traceparent(server.heard[0].headers["traceparent"])
    assert continued is not None
    assert (continued.trace_id, continued.span_id) == (task.trace_id, f"{sent.context.span_id:016x}")
