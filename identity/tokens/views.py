"""The token endpoint and what is published about it."""

from __future__ import annotations

import re
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from identity.services.tokens import issue_token
from identity.tokens.access import issuer
from identity.tokens.assertions import ALL_HEADER_ALGORITHMS
from identity.tokens.details import DETAIL_TYPE
from identity.tokens.errors import TokenRefused
from identity.tokens.keys import public_key_set
from identity.tokens.requests import FORM_BYTES_MAX, GRANT_TYPE, TokenForm, token_endpoint
from kernel.clock import now

# RFC 6749 section 5.2 allows these characters in an error description.
FORBIDDEN_IN_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
PUBLISHED_SECONDS = 300


@csrf_exempt  # no cookie is read here: the assertion is the only proof
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Answer with an access token, or with OAuth's error object and our code; never cached."""
    form = TokenForm(
        body=request.read(FORM_BYTES_MAX + 1),
        content_type=request.headers.get("Content-Type", ""),
        is_secure=request.is_secure(),
    )
    try:
        issued = issue_token(form=form, now=now())
    except TokenRefused as error:
        return _no_store(_refusal(error))
    return _no_store(
        JsonResponse(
            {
                "access_token": issued.access_token,
                "token_type": "Bearer",
                "expires_in": issued.expires_in,
                "authorization_details": [issued.detail.as_dict()],
            }
        )
    )


@require_GET
def key_set(_request: HttpRequest) -> HttpResponse:
    """Answer with the public keys that access tokens verify with (RFC 7517)."""
    return _published(JsonResponse(public_key_set(), content_type="application/jwk-set+json"))


@require_GET
def metadata(_request: HttpRequest) -> HttpResponse:
    """Answer with what this authorization server offers (RFC 8414)."""
    return _published(
        JsonResponse(
            {
                "issuer": issuer(),
                "token_endpoint": token_endpoint(),
                "jwks_uri": f"{issuer()}/.well-known/jwks.json",
                "grant_types_supported": [GRANT_TYPE],
                "response_types_supported": [],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": sorted(ALL_HEADER_ALGORITHMS),
                "authorization_details_types_supported": [DETAIL_TYPE],
            }
        )
    )


def _refusal(error: TokenRefused) -> HttpResponse:
    acceptable = str(error.data.get("acceptable", ""))
    sentence = f"{error.detail} Acceptable: {acceptable}" if acceptable else error.detail
    answer = {
        "error": error.error,
        "error_description": FORBIDDEN_IN_DESCRIPTION.sub("'", sentence),
        "code": error.code,
    }
    if acceptable:
        answer["acceptable"] = acceptable
    return JsonResponse(answer, status=HTTPStatus(error.http_status))


def _no_store(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response


def _published(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = f"public, max-age={PUBLISHED_SECONDS}"
    return response
