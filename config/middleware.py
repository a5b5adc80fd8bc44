"""The console's and the API's common ground: where a request came from, and how a refusal is shown."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from kernel.context import Origin, origin
from kernel.errors import DomainError
from kernel.ids import new_id
from kernel.tracing import SpanKind, parse_traceparent, span

GetResponse = Callable[[HttpRequest], HttpResponse]

API_PREFIXES = ("/api/", "/oauth/", "/mcp")


class OriginMiddleware:
    """Give every request an id, keep the caller's trace id, and make both known to the audit log."""

    def __init__(self, get_response: GetResponse) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request inside its origin."""
        sent = parse_traceparent(request.headers.get("traceparent", ""))
        channel = "api" if request.path.startswith(API_PREFIXES) else "console"
        about = {"http.request.method": str(request.method), "url.path": request.path}
        with span(f"{request.method} {channel}", kind=SpanKind.SERVER, parent=sent, attributes=about) as opened:
            trace = opened or sent
            where = Origin(
                channel=channel,
                request_id=str(new_id()),
                ip=request.META.get("REMOTE_ADDR", ""),
                trace_id=trace.trace_id if trace else "",
            )
            with origin(where):
                response = _not_understood(request) or self.get_response(request)
        response["X-Request-Id"] = where.request_id
        return response


def _not_understood(request: HttpRequest) -> HttpResponse | None:
    """Answer 400 to a page address with a NUL, which no text in PostgreSQL can hold; the API refuses it with a problem document."""
    has_nul = "\0" in request.path or "%00" in request.META.get("QUERY_STRING", "")
    if not has_nul or request.path.startswith(API_PREFIXES):
        return None
    return HttpResponse(render_to_string("400.html"), status=HTTPStatus.BAD_REQUEST)


class DomainErrorMiddleware:
    """Show a refusal that reached the console as a page that says what, why and what next."""

    def __init__(self, get_response: GetResponse) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Turn a DomainError into its page; anything else is a defect and stays one."""
        if not isinstance(error, DomainError):
            return None
        return render(request, "refusal.html", {"error": error}, status=error.status.value)
