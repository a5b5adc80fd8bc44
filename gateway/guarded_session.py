"""A session of requests whose every exchange goes through the guarded client: for a library that brings requests along."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from gateway.errors import OutboundFailed, OutboundRefused
from gateway.network import OutboundClient, Policy, outbound_client

logger = logging.getLogger(__name__)


class _GuardedAdapter(BaseAdapter):
    """Sends with the guarded client; what it refuses or cannot reach is no connection to requests."""

    def __init__(self, client: OutboundClient) -> None:
        super().__init__()
        self._client = client

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Return the answer, read to its end; raises requests.ConnectionError."""
        body = request.body or b""
        content = body.encode("utf-8") if isinstance(body, str) else bytes(body)
        headers = {**request.headers, "Accept-Encoding": "identity"}
        try:
            answer = self._client.request(request.method or "GET", request.url or "", headers=headers, content=content)
        except (OutboundRefused, OutboundFailed) as error:
            logger.warning("no answer: %s", error.detail)
            raise requests.ConnectionError(error.detail, request=request) from error
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.url = request.url or ""
        response.request = request
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.raw = BytesIO(answer.body)
        return response

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


def guarded_session(policy: Policy) -> requests.Session:
    """Return a session under the policy; it takes nothing from the environment and follows no redirect to an address unjudged."""
    session = requests.Session()
    session.trust_env = False
    adapter = _GuardedAdapter(outbound_client(policy))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
