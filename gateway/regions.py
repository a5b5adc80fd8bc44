"""Where hosts lie, and whether data may go there: asked at the start, where somebody enters an address, and at every connection.

Nobody can see a host's region from its name; the operator says it (COUNTERSIGN_ENDPOINT_REGIONS). What nobody placed lies nowhere, and is
refused as soon as regions are restricted (COUNTERSIGN_ALLOWED_REGIONS).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from gateway.errors import OutboundRefused


def region_of(endpoint: str, places: Mapping[str, str], own: str) -> str:
    """Return the region of a URL or host; the longest domain that was placed counts; empty when nobody placed it."""
    host = (urlsplit(endpoint).hostname if "://" in endpoint else endpoint.strip("[]")) or ""
    host = host.lower().rstrip(".")
    if not host or host.startswith("/") or host == "localhost" or host.endswith(".localhost") or _is_loopback(host):
        return own
    if host in places:
        return places[host]
    domains = [domain for domain in places if domain.startswith(".") and host.endswith(domain)]
    return places[max(domains, key=len)] if domains else ""


def region_here(endpoint: str) -> str:
    """Return the region of a URL or host as this installation is told, for the event about it; `unplaced` where nobody placed it."""
    return region_of(endpoint, settings.ENDPOINT_REGIONS, settings.REGION) or "unplaced"


def require_region(host: str) -> None:
    """Data may go to this host as far as its region goes; raises OutboundRefused."""
    allowed: frozenset[str] = settings.ALLOWED_REGIONS
    if not allowed:
        return
    found = region_of(host, settings.ENDPOINT_REGIONS, settings.REGION)
    if found in allowed:
        return
    where = f"lies in {found}" if found else "has no region in COUNTERSIGN_ENDPOINT_REGIONS"
    raise OutboundRefused(
        detail=f"{host} {where}, and data of this installation may go to {', '.join(sorted(allowed))} only.",
        data={"host": host, "region": found, "setting": "COUNTERSIGN_ALLOWED_REGIONS"},
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
