"""The refusals of webhooks."""

from __future__ import annotations

from http import HTTPStatus

from kernel.errors import DomainError


class EndpointMissing(DomainError):
    """The agent has no webhook endpoint yet."""

    code = "webhook_endpoint_missing"
    status = HTTPStatus.CONFLICT
    title = "There is no endpoint"
