"""The resources that tokens are for (RFC 8707), and where what is published about them stands (RFC 8414, RFC 9728)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from django.conf import settings

from identity.tokens.errors import refusal

PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource"


class Resource(StrEnum):
    """The agents' two doors; a token for one is not taken at the other."""

    API = "api"
    MCP = "mcp"


def issuer() -> str:
    """Return the issuer: the installation's public URL, exactly as configured."""
    return str(settings.PUBLIC_URL)


def public_url(path: str) -> str:
    """Return the public address of a path of this installation: what a DPoP proof's `htu` is compared with."""
    return f"{issuer()}{path}"


def resource_url(resource: Resource) -> str:
    """Return the identifier of a resource, as it stands in a token's `aud`."""
    return public_url(f"/{resource}")


def resource_metadata_url(resource: Resource) -> str:
    """Return where the metadata of a resource is published (RFC 9728 section 3)."""
    return public_url(f"{PROTECTED_RESOURCE}/{resource}")


def token_endpoint() -> str:
    """Return the address of the token endpoint."""
    return public_url("/oauth/token")


def revocation_endpoint() -> str:
    """Return the address of the revocation endpoint."""
    return public_url("/oauth/revoke")


def introspection_endpoint() -> str:
    """Return the address of the introspection endpoint."""
    return public_url("/oauth/introspect")


def read_resources(named: Sequence[str]) -> tuple[Resource, ...]:
    """Return the resources that were asked for, each once; the API when none was. Raises TokenRefused for an unknown one."""
    if not named:
        return (Resource.API,)
    known = {issuer(): Resource.API, f"{resource_url(Resource.API)}/v1": Resource.API} | {resource_url(item): item for item in Resource}
    found: list[Resource] = []
    for text in named:
        resource = known.get(text.rstrip("/"))
        if resource is None:
            acceptable = " or ".join(resource_url(item) for item in Resource)
            raise refusal("resource", "Tokens for this resource are not issued here.", error="invalid_target", acceptable=acceptable)
        if resource not in found:
            found.append(resource)
    return tuple(found)
