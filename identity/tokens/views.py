"""The token endpoint with revocation and introspection, and what is published about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from identity.limits.errors import RateLimited
from identity.services.token_questions import introspect_token, revoke_token
from identity.services.tokens import issue_token
from identity.tokens.errors import TokenRefused
from identity.tokens.metadata import authorization_server, protected_resource
from identity.tokens.requests import FORM_BYTES_MAX, TokenForm
from identity.tokens.resources import Resource
from identity.tokens.signing import PUBLISHED_SECONDS, public_key_set
from kernel.clock import now

# RFC 6749 section 5.2 allows these characters in an error description.
FORBIDDEN_IN_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


@csrf_exempt  # no cookie is read here: the assertion is the only proof
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Answer with an access token, or with OAuth's error object and our code; never cached."""
    try:
        issued = issue_token(form=_form(request), now=now())
    except (TokenRefused, RateLimited) as error:
        return _refusal(error)
    return _no_store(
        {
            "access_token": issued.access_token,
            "token_type": "DPoP" if issued.is_bound else "Bearer",
            "expires_in": issued.expires_in,
            "authorization_details": [detail.as_dict() for detail in issued.details],
        }
    )


@csrf_exempt  # as above
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """End one of the caller's own tokens (RFC 7009)."""
    try:
        revoke_token(form=_form(request), now=now())
    except (TokenRefused, RateLimited) as error:
        return _refusal(error)
    return _no_store({})


@csrf_exempt  # as above
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """Say whether one of the caller's own tokens is good at this moment, and what for (RFC 7662)."""
    try:
        return _no_store(introspect_token(form=_form(request), now=now()))
    except (TokenRefused, RateLimited) as error:
        return _refusal(error)


@require_GET
def authorize(_request: HttpRequest) -> HttpResponse:
    """Refuse: an agent's rights are granted in the console, never by sending somebody through a browser."""
    description = "Agents ask the token endpoint (client_credentials with private_key_jwt)."
    answer = {"error": "unsupported_response_type", "error_description": description}
    return _no_store(answer, status=HTTPStatus.BAD_REQUEST)


@require_GET
def key_set(_request: HttpRequest) -> HttpResponse:
    """Answer with the public keys that access tokens verify with (RFC 7517)."""
    return _published(JsonResponse(public_key_set(now()), content_type="application/jwk-set+json"))


@require_GET
def metadata(_request: HttpRequest) -> HttpResponse:
    """Answer with what this authorization server offers (RFC 8414)."""
    return _published(JsonResponse(authorization_server()))


@require_GET
def resource_metadata(_request: HttpRequest, resource: str = Resource.API) -> HttpResponse:
    """Answer with which tokens one of the agents' doors takes (RFC 9728)."""
    if resource not in list(Resource):
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    return _published(JsonResponse(protected_resource(Resource(resource))))


def _form(request: HttpRequest) -> TokenForm:
    return TokenForm(
        body=request.read(FORM_BYTES_MAX + 1),
        content_type=request.headers.get("Content-Type", ""),
        is_secure=request.is_secure(),
        proof=request.headers.get("DPoP"),
    )


def _refusal(error: TokenRefused | RateLimited) -> HttpResponse:
    if isinstance(error, RateLimited):
        # OAuth has no word for it at this endpoint; this is the one it has for the neighbouring one.
        busy = {"error": "temporarily_unavailable", "error_description": error.detail, "code": error.code}
        return _no_store(busy, status=error.status, headers=error.headers)
    acceptable = str(error.data.get("acceptable", ""))
    sentence = f"{error.detail} Acceptable: {acceptable}" if acceptable else error.detail
    answer = {
        "error": error.error,
        "error_description": FORBIDDEN_IN_DESCRIPTION.sub("'", sentence),
        "code": error.code,
    }
    if acceptable:
        answer["acceptable"] = acceptable
    return _no_store(answer, status=HTTPStatus(error.http_status))


def _no_store(
    answer: Mapping[str, object], *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return JsonResponse(answer, status=status, headers={"Cache-Control": "no-store", "Pragma": "no-cache", **(headers or {})})


def _published(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = f"public, max-age={PUBLISHED_SECONDS}"
    return response
