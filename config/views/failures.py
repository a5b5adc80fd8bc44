"""What is shown when a page itself is broken."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from kernel.context import current_origin


def server_error(_request: HttpRequest) -> HttpResponse:
    """Answer 500 with a page that needs no database, no session and no shell, and says which request it was."""
    return HttpResponse(render_to_string("500.html", {"request_id": current_origin().request_id}), status=HTTPStatus.INTERNAL_SERVER_ERROR)
