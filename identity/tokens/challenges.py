"""The challenge of a 401 (RFC 6750, RFC 9449 section 7.1, RFC 9728 section 5): which schemes are taken, and where to read more."""

from __future__ import annotations

from identity.tokens.keys import HEADER_ALGORITHMS
from identity.tokens.resources import Resource, resource_metadata_url

REALM = "countersign"
BEARER, DPOP = "Bearer", "DPoP"
ALGORITHMS = " ".join(sorted(frozenset().union(*HEADER_ALGORITHMS.values())))


def challenge(resource: Resource = Resource.API, *, scheme: str = BEARER, error: str = "", description: str = "") -> str:
    """Return the `WWW-Authenticate` value with both schemes, the one that was tried first and with what was wrong."""
    first = DPOP if scheme == DPOP else BEARER
    second = BEARER if first == DPOP else DPOP
    failure = f', error="{error}", error_description="{description}"' if error else ""
    return f"{_of(first, resource)}{failure}, {_of(second, resource)}"


def _of(scheme: str, resource: Resource) -> str:
    algorithms = f', algs="{ALGORITHMS}"' if scheme == DPOP else ""
    return f'{scheme} realm="{REALM}", resource_metadata="{resource_metadata_url(resource)}"{algorithms}'
