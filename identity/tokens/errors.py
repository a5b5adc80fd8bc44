"""Refusals of the token endpoint: OAuth's word for the client library, our code for whoever reads."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from kernel.errors import DomainError


@dataclass(eq=False)
class TokenRefused(DomainError):
    """No token: `error` is OAuth's own code (RFC 6749, RFC 9396), `code` says what exactly was wrong.

    `http_status` is 401 where the agent could not be authenticated, 400 otherwise, as RFC 6749 section 5.2 asks.
    """

    code = "token_refused"
    title = "No token is issued"
    is_security_denial = True

    error: str = "invalid_request"
    http_status: HTTPStatus = HTTPStatus.BAD_REQUEST


def refusal(
    code: str, detail: str, *, error: str = "invalid_request", http_status: HTTPStatus = HTTPStatus.BAD_REQUEST, acceptable: str = ""
) -> TokenRefused:
    """Return a refusal with this code."""
    refused = TokenRefused(detail=detail, error=error, http_status=http_status, data={"acceptable": acceptable} if acceptable else {})
    # One class for many codes: OAuth clients tell them apart by `error`, ours by `code`.
    object.__setattr__(refused, "code", code)
    return refused


def client_refusal(code: str, detail: str, acceptable: str = "") -> TokenRefused:
    """Return the refusal of somebody who could not prove to be the agent."""
    return refusal(code, detail, error="invalid_client", http_status=HTTPStatus.UNAUTHORIZED, acceptable=acceptable)


def details_refusal(code: str, detail: str, acceptable: str = "") -> TokenRefused:
    """Return the refusal of what was asked for in `authorization_details`."""
    return refusal(code, detail, error="invalid_authorization_details", acceptable=acceptable)
