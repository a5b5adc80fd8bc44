"""What is published about the authorization server (RFC 8414) and about the agents' doors (RFC 9728)."""

from __future__ import annotations

from identity.tokens.assertions import ALL_HEADER_ALGORITHMS
from identity.tokens.details import DETAIL_TYPE
from identity.tokens.requests import GRANT_TYPES
from identity.tokens.resources import (
    Resource,
    introspection_endpoint,
    issuer,
    public_url,
    resource_url,
    revocation_endpoint,
    token_endpoint,
)

NAMES = {Resource.API: "Countersign API", Resource.MCP: "Countersign MCP"}


def authorization_server() -> dict[str, object]:
    """Return the metadata of the authorization server; `issuer` is exactly the configured text."""
    algorithms = sorted(ALL_HEADER_ALGORITHMS)
    proves_by = ["private_key_jwt"]
    return {
        "issuer": issuer(),
        # Both are required where there is an authorization endpoint, and SDKs require one. Ours refuses: nobody is sent to a browser.
        "authorization_endpoint": public_url("/oauth/authorize"),
        "response_types_supported": [],
        "token_endpoint": token_endpoint(),
        "jwks_uri": public_url("/.well-known/jwks.json"),
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": proves_by,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
        "authorization_details_types_supported": [DETAIL_TYPE],
        "revocation_endpoint": revocation_endpoint(),
        "revocation_endpoint_auth_methods_supported": proves_by,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": introspection_endpoint(),
        "introspection_endpoint_auth_methods_supported": proves_by,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "protected_resources": [resource_url(resource) for resource in Resource],
    }


def protected_resource(resource: Resource) -> dict[str, object]:
    """Return the metadata of one door."""
    return {
        "resource": resource_url(resource),
        "resource_name": NAMES[resource],
        "authorization_servers": [issuer()],
        "jwks_uri": public_url("/.well-known/jwks.json"),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": sorted(ALL_HEADER_ALGORITHMS),
        # False: an agent may be registered for plain Bearer tokens, as a downgrade.
        "dpop_bound_access_tokens_required": False,
        "authorization_details_types_supported": [DETAIL_TYPE],
    }
