"""The forms of the token, revocation and introspection endpoints, read strictly: bounded, form-encoded, each parameter once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.http import QueryDict

from identity.tokens.errors import client_refusal, refusal
from identity.tokens.resources import Resource, issuer, read_resources

FORM_TYPE = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 32 * 1024
FIELDS_MAX = 20
GRANT_TYPE = "client_credentials"
ASSERTION_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_TYPES = (GRANT_TYPE, ASSERTION_GRANT_TYPE)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# RFC 8707 lets a client name several resources.
REPEATABLE = frozenset({"resource"})


@dataclass(frozen=True, slots=True)
class TokenForm:
    """What arrived at one of the endpoints, before anything of it is believed.

    `body` holds one byte more than is allowed when there was more; `is_secure` says whether it came over https; `proof` is the DPoP
    header, None when it was not sent.
    """

    body: bytes
    content_type: str
    is_secure: bool
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class ClientProof:
    """What the caller offers as proof of which agent it is (RFC 7523 section 2.2).

    `is_grant`: as an authorization grant (section 2.1), which only a token of a trusted issuer can be.
    """

    assertion: str
    client_id: str
    is_grant: bool = False


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The parameters of a token request; `authorization_details` is empty when the agent's registered default is asked for."""

    client: ClientProof
    authorization_details: str
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class AboutToken:
    """The parameters of a question about a token, or of giving it back."""

    client: ClientProof
    token: str


def read_token_request(form: TokenForm) -> TokenRequest:
    """Return the request; raises TokenRefused for anything but one well-formed request of a grant type offered here."""
    values, resources = _values(form)
    if values.get("grant_type") not in GRANT_TYPES:
        raise refusal(
            "grant_type", "This grant type is not offered.", error="unsupported_grant_type", acceptable=f"grant_type={GRANT_TYPE}"
        )
    client = _grant(values) if values["grant_type"] == ASSERTION_GRANT_TYPE else _client(values)
    return TokenRequest(client, values.get("authorization_details", ""), read_resources(resources))


def read_about_token(form: TokenForm) -> AboutToken:
    """Return the request to revoke or introspect a token (RFC 7009, RFC 7662); raises TokenRefused for anything malformed."""
    values, _ = _values(form)
    client = _client(values)
    if not values.get("token"):
        raise refusal("token_missing", "The parameter `token` is missing.", acceptable="an access token of this agent")
    return AboutToken(client, values["token"])


def _client(values: Mapping[str, str]) -> ClientProof:
    if "client_secret" in values:
        raise client_refusal("client_secret", "There are no client secrets here; a secret that was sent is no secret.", "private_key_jwt")
    if values.get("client_assertion_type") != ASSERTION_TYPE:
        raise client_refusal("client_assertion_type", "An agent proves itself by private_key_jwt.", ASSERTION_TYPE)
    return ClientProof(values.get("client_assertion", ""), values.get("client_id", ""))


def _grant(values: Mapping[str, str]) -> ClientProof:
    """Return a foreign token that is presented as an authorization grant; one proof is enough, and two could disagree."""
    if "client_assertion" in values or "client_secret" in values:
        raise client_refusal("client_assertion", "The assertion proves who is asking; send no other proof beside it.", "leave it out")
    return ClientProof(values.get("assertion", ""), values.get("client_id", ""), is_grant=True)


def _values(form: TokenForm) -> tuple[dict[str, str], list[str]]:
    """Return the parameters that are sent once, and the resources."""
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
    fields = _fields(form.body)
    repeated = sorted(name for name, values in fields.lists() if len(values) > 1 and name not in REPEATABLE)
    if repeated:
        raise refusal("form_malformed", f"A parameter is sent once: {', '.join(repeated)[:100]!r} came twice.")
    return {name: str(value) for name, value in fields.items()}, [str(value) for value in fields.getlist("resource") if value]


def _fields(body: bytes) -> QueryDict:
    try:
        fields = QueryDict(body.decode("utf-8"), encoding="utf-8")
    except (ValueError, UnicodeDecodeError) as error:
        raise refusal("form_malformed", "The form can't be read.") from error
    if sum(len(values) for _, values in fields.lists()) > FIELDS_MAX:
        raise refusal("form_malformed", f"The form has more than {FIELDS_MAX} fields.")
    return fields


def _is_local() -> bool:
    """Return whether the installation is configured for this machine only, where plain http stays on the machine."""
    url = issuer()
    if not url.startswith("http://"):
        return False
    host = url.removeprefix("http://").partition("/")[0]
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in LOCAL_HOSTS or name.endswith((".local", ".localhost"))
