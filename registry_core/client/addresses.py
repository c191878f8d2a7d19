"""Classes of IP addresses, by who can reach them.

A registry may send its clients elsewhere, and a hostile one would send them to what only they can
reach: the metadata service of their cloud, or other services of their machine or network.

Sources: the IANA registries of special-purpose addresses, as Python's `ipaddress` has them; the
documentation of the clouds' metadata services.
"""

from __future__ import annotations

import socket
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

# RFC 6052: IPv4 addresses as NAT64 gateways translate them.
_NAT64: Final = IPv6Network("64:ff9b::/96")

# Services of clouds for their machines, beside 169.254.169.254: Azure, Amazon, Alibaba, Oracle.
_METADATA: Final = frozenset(
    map(ip_address, ("168.63.129.16", "fd00:ec2::254", "100.100.100.200", "192.0.0.192"))
)


class Reach(IntEnum):
    """Who can reach an address; the larger, the more. `NOBODY`: no URL may lead there."""

    NOBODY = 0
    LOOPBACK = 1
    PRIVATE = 2
    PUBLIC = 3

    @classmethod
    def of(cls, address: Address) -> Reach:
        """Return the class of an address, or of the IPv4 address inside it."""
        inner = _embedded(address)
        if inner is not None:
            return cls.of(inner)
        if address.is_loopback:
            return cls.LOOPBACK
        if (
            address in _METADATA
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
        ):
            return cls.NOBODY
        return cls.PUBLIC if address.is_global else cls.PRIVATE


def address_of(host: str) -> Address | None:
    """Return the address that a host is written as, in any way that a resolver reads; or None.

    ``127.1``, ``2130706433`` and ``0x7f000001`` are IPv4 addresses, too.
    """
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or _compatible(address)


def _compatible(address: IPv6Address) -> IPv4Address | None:
    """Return the address in an "IPv4-compatible" one, ``::a.b.c.d``: RFC 4291, section 2.5.5.1."""
    value = int(address)
    return IPv4Address(value) if 1 < value < 2**32 else None
