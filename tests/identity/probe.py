"""The token endpoint and one page behind an access token, for tests of what a token opens."""

from __future__ import annotations

from typing import cast

from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from identity.principals import AgentPrincipal


class Probe(APIView):
    """Says who is there."""

    def get(self, request: Request) -> Response:
        """Return the principal's name, tool and company."""
        principal = cast("AgentPrincipal", request.user)
        detail = principal.details[0]
        return Response({"agent": principal.public_id, "tool": detail.tool, "company": detail.company})


urlpatterns = [path("", include("identity.urls")), path("probe", Probe.as_view())]
