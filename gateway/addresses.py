"""What kind of place an address is, and what an operator listed: pure, no name is resolved here.

The tables are our own, after the special-purpose registries of IANA: `ipaddress.is_global` changed its mind between releases of
Python, and an address that is wrongly taken for a public one is a hole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


class Place(StrEnum):
    """What kind of place an address is, in the words of a refusal."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "cloud metadata"
    SHARED = "carrier-grade NAT"
    MULTICAST = "multicast"
    SPECIAL = "special-purpose"


# Where clouds hand credentials to whoever asks from the machine itself: AWS, GCP, Azure and most others; Azure's host; Alibaba;
# Oracle; AWS and GCP over IPv6.
METADATA_ADDRESSES = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)
# The first network that contains the address says what it is.
PLACES: tuple[tuple[Network, Place], ...] = tuple(
    (ip_network(text), place)
    for place, texts in (
        (Place.LOOPBACK, ("127.0.0.0/8", "::1/128")),
        (Place.PRIVATE, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
        (Place.LINK_LOCAL, ("169.254.0.0/16", "fe80::/10")),
        (Place.SHARED, ("100.64.0.0/10",)),
        (Place.MULTICAST, ("224.0.0.0/4", "ff00::/8")),
        (
            Place.SPECIAL,
            (
                "0.0.0.0/8",
                "192.0.0.0/24",
                "192.0.2.0/24",
                "192.31.196.0/24",
                "192.52.193.0/24",
                "192.88.99.0/24",
                "192.175.48.0/24",
                "198.18.0.0/15",
                "198.51.100.0/24",
                "203.0.113.0/24",
                "240.0.0.0/4",
                "2001::/23",
                "2001:db8::/32",
                "2002::/16",
                "2620:4f:8000::/48",
                "3fff::/20",
            ),
        ),
    )
    for text in texts
)
# Only here are IPv6 addresses given out for the internet; what lies outside and is named above nowhere is special: IPv4-mapped,
# IPv4-compatible, site-local, segment routing, discard.
GLOBAL_UNICAST = IPv6Network("2000::/3")
# An IPv6-only network reaches IPv4 through this one, so the address inside is the place.
NAT64 = IPv6Network("64:ff9b::/96")
HOST_NAME = re.compile(r"^(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$")
# What an old resolver takes for an IPv4 address: decimal, octal or hexadecimal, in one to four parts.
NUMERIC_LABEL = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$")


def place_of(address: Address) -> Place:
    """Return what kind of place the address is; whatever is not known to be public is not."""
    if address in METADATA_ADDRESSES:
        return Place.METADATA
    if isinstance(address, IPv6Address) and address in NAT64:
        return place_of(IPv4Address(int(address) & 0xFFFFFFFF))
    for network, place in PLACES:
        if address.version == network.version and address in network:
            return place
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return Place.SPECIAL
    return Place.PUBLIC


def literal_address(host: str) -> Address | None:
    """Return the address that `host` spells out; None for a name. Raises ValueError for a number that is no proper address."""
    try:
        if "%" in host:
            raise ValueError("an address with an interface")
        return ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        if ":" in host or NUMERIC_LABEL.match(last):
            raise
        return None


@dataclass(frozen=True, slots=True)
class AllowList:
    """The hosts and networks an operator listed.

    A listed host may be wherever it resolves to, but never a place that no server lives at (link-local, metadata, multicast,
    special-purpose): those need their network listed, and a metadata address needs to be listed itself.
    """

    hosts: frozenset[str] = frozenset()
    domains: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def has(self, host: str, address: Address) -> bool:
        """Return whether the operator allowed this host at this address."""
        place = place_of(address)
        if place is Place.METADATA:
            return any(network.num_addresses == 1 and address in network for network in self.networks)
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        if place not in {Place.PUBLIC, Place.PRIVATE, Place.LOOPBACK, Place.SHARED}:
            return False
        name = host.rstrip(".").lower()
        return name in self.hosts or name.endswith(self.domains)


def parse_allow_list(entries: Iterable[str]) -> AllowList:
    """Return the list; an entry is a host, `.domain` with all hosts below it, an address or a network. Raises ValueError."""
    hosts: set[str] = set()
    domains: list[str] = []
    networks: list[Network] = []
    for raw in entries:
        entry = raw.strip().lower()
        if not entry:
            continue
        try:
            networks.append(ip_network(entry.strip("[]")))
        except ValueError as error:
            name = entry.removeprefix(".").rstrip(".")
            if not HOST_NAME.match(name) or NUMERIC_LABEL.match(name.rpartition(".")[2]):
                raise ValueError(f"{raw.strip()!r} is no host, .domain, address or network") from error
            if entry.startswith("."):
                domains.append(f".{name}")
            else:
                hosts.add(name)
    return AllowList(frozenset(hosts), tuple(domains), tuple(networks))
