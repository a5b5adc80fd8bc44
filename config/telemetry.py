"""OpenTelemetry, if it is switched on: spans of requests, commits and outgoing HTTP go to a collector.

Imported only then: without `COUNTERSIGN_OPENTELEMETRY=on` no package of it needs to be installed and none is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import cast

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from kernel.tracing import SpanKind, TraceParent, use_tracer

KINDS = {SpanKind.SERVER: trace.SpanKind.SERVER, SpanKind.CLIENT: trace.SpanKind.CLIENT, SpanKind.INTERNAL: trace.SpanKind.INTERNAL}


class OpenTelemetryTracer:
    """Makes spans of OpenTelemetry; what the standard variables (`OTEL_…`) say holds."""

    def __init__(self, processor: SpanProcessor, *, installation: str) -> None:
        resource = Resource.create({"service.name": "countersign", "service.instance.id": installation})
        self.provider = TracerProvider(resource=resource)
        self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer("countersign")

    @contextmanager
    def span(self, name: str, *, kind: SpanKind, parent: TraceParent | None, attributes: Mapping[str, str]) -> Iterator[TraceParent]:
        """Open a span for the block."""
        context = trace.set_span_in_context(_remote(parent)) if parent is not None else None
        with self._tracer.start_as_current_span(name, context=context, kind=KINDS[kind], attributes=dict(attributes)) as opened:
            found = opened.get_span_context()
            yield TraceParent(f"{found.trace_id:032x}", f"{found.span_id:016x}", found.trace_flags.sampled)


def switch_on(installation: str) -> None:
    """Spans go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, as long as this process lives."""
    use_tracer(OpenTelemetryTracer(BatchSpanProcessor(_exporter()), installation=installation)).__enter__()


def _exporter() -> SpanExporter:
    # Not among what development installs, so the type checker does not know it.
    module = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    return cast("SpanExporter", module.OTLPSpanExporter())


def _remote(parent: TraceParent) -> NonRecordingSpan:
    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    return NonRecordingSpan(SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags))
