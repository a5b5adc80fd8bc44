"""The challenge of a 401 (RFC 6750, RFC 9449 section 7.1, RFC 9728 section 5): which schemes are taken, and where to read more."""

from __future__ import annotations

from identity.tokens.keys import HEADER_ALGORITHMS
from identity.tokens.resources import Resource, resource_metadata_url

REALM = "countersign"
BEARER, DPOP = "Bearer", "DPoP"
ALGORITHMS = " ".join(sorted(frozenset().union(*HEADER_ALGORITHMS.values())))


def challenge(resource: Resource = Resource.API, *, scheme: str = BEARER, error: str = "", description: str = "") -> str:
    """Return the `WWW-Authenticate` value with both schemes; what was wrong stands at the one that was tried.

    Bearer is always first: one client library reads only a challenge that begins with it, another takes every challenge that begins
    with DPoP for a request to use a nonce.
    """
    failure = f', error="{error}", error_description="{description}"' if error else ""
    tried = DPOP if scheme == DPOP else BEARER
    return ", ".join(_of(item, resource) + (failure if item == tried else "") for item in (BEARER, DPOP))


def _of(scheme: str, resource: Resource) -> str:
    algorithms = f', algs="{ALGORITHMS}"' if scheme == DPOP else ""
    return f'{scheme} realm="{REALM}", resource_metadata="{resource_metadata_url(resource)}"{algorithms}'
