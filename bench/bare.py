"""The reference for the agents' door: a bare DRF view that does one insert, behind the same server and middleware."""

from __future__ import annotations

from django.db import connection
from rest_framework.parsers import JSONParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class BareInsert(APIView):
    """One insert, nobody asked who they are."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (JSONParser,)

    def post(self, request: Request) -> Response:
        """Store the text that was sent and answer its number."""
        sent = request.data
        text = str(sent.get("text", "")) if isinstance(sent, dict) else ""
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_bare (body) VALUES (%s) RETURNING id", [text])
            (number,) = cursor.fetchone()
        return Response({"id": number}, status=201)
