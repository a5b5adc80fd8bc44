"""Whether this process can do its work, for supervisors and load balancers; whether logging works, for whoever is woken."""

from __future__ import annotations

from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, JsonResponse

from audit.watch import log_health
from kernel import clock


def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 when both databases answer, 503 naming the one that does not."""
    del request
    for alias in ("default", "ledger"):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError:
            return HttpResponse(f"database {alias}: no answer\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


def health_of_log(request: HttpRequest) -> HttpResponse:
    """Answer 200 while logging works, 503 with the words for what is wrong when it does not; `manage.py audit_status` says more."""
    del request
    try:
        found = log_health(now=clock.now())
    except DatabaseError:
        return JsonResponse({"is_well": False, "troubles": ["no_answer"]}, status=503)
    return JsonResponse(
        {"is_well": found.is_well, "troubles": [trouble.code for trouble in found.troubles]}, status=200 if found.is_well else 503
    )
