"""The form that asks for a token, read strictly: bounded, form-encoded, each parameter once."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from django.http import QueryDict

from identity.tokens.access import audience, issuer
from identity.tokens.errors import client_refusal, refusal

FORM_TYPE = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 32 * 1024
FIELDS_MAX = 20
GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class TokenForm:
    """What arrived at the token endpoint, before anything of it is believed.

    `body` holds one byte more than is allowed when there was more; `is_secure` says whether it came over https.
    """

    body: bytes
    content_type: str
    is_secure: bool


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The parameters of a token request."""

    client_assertion: str
    client_id: str
    authorization_details: str


def token_endpoint() -> str:
    """Return the address of the token endpoint."""
    return f"{issuer()}/oauth/token"


def read_form(form: TokenForm) -> TokenRequest:
    """Return the request; raises TokenRefused for anything but one well-formed client_credentials request."""
    if not form.is_secure and not _is_local():
        raise refusal("insecure_transport", "Tokens are issued over https only.", acceptable="https://")
    if len(form.body) > FORM_BYTES_MAX:
        raise refusal(
            "request_too_large",
            f"The request is larger than {FORM_BYTES_MAX} bytes.",
            http_status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            acceptable=f"at most {FORM_BYTES_MAX} bytes",
        )
    if form.content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise refusal("content_type", "The request is not form-encoded.", acceptable=FORM_TYPE)
    values = _once_each(form.body)
    if values.get("grant_type") != GRANT_TYPE:
        raise refusal(
            "grant_type", "This grant type is not offered.", error="unsupported_grant_type", acceptable=f"grant_type={GRANT_TYPE}"
        )
    if "client_secret" in values:
        raise client_refusal("client_secret", "There are no client secrets here; a secret that was sent is no secret.", "private_key_jwt")
    if values.get("client_assertion_type") != ASSERTION_TYPE:
        raise client_refusal("client_assertion_type", "An agent proves itself by private_key_jwt.", ASSERTION_TYPE)
    resource = values.get("resource", "")
    if resource and resource.rstrip("/") not in {issuer(), audience(), f"{audience()}/v1"}:
        raise refusal("resource", "Tokens for this resource are not issued here.", error="invalid_target", acceptable=audience())
    return TokenRequest(
        client_assertion=values.get("client_assertion", ""),
        client_id=values.get("client_id", ""),
        authorization_details=values.get("authorization_details", ""),
    )


def _once_each(body: bytes) -> dict[str, str]:
    try:
        text = body.decode("utf-8")
        fields = QueryDict(text, encoding="utf-8")
    except (ValueError, UnicodeDecodeError) as error:
        raise refusal("form_malformed", "The form can't be read.") from error
    if len(fields) > FIELDS_MAX:
        raise refusal("form_malformed", f"The form has more than {FIELDS_MAX} fields.")
    repeated = sorted(name for name, values in fields.lists() if len(values) > 1)
    if repeated:
        raise refusal("form_malformed", f"A parameter is sent once: {', '.join(repeated)[:100]!r} came twice.")
    return {name: str(value) for name, value in fields.items()}


def _is_local() -> bool:
    """Return whether the installation is configured for this machine only, where plain http stays on the machine."""
    url = issuer()
    if not url.startswith("http://"):
        return False
    host = url.removeprefix("http://").partition("/")[0]
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in LOCAL_HOSTS or name.endswith((".local", ".localhost"))
