"""URLs that can be fetched without anybody on the way altering the answer."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit


def is_secure_url(text: str) -> bool:
    """Whether this is a URL with HTTPS, or with HTTP on this machine."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    )


def is_of_this_machine(text: str) -> bool:
    """Whether a URL leads to this machine, or to an address that only its own link has.

    Names that merely resolve to such an address are not recognised.
    """
    host = (urlsplit(text).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (
        address.is_loopback or address.is_link_local or address.is_unspecified
    )


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return _short_address(host)
    return getattr(address, "ipv4_mapped", None) or address


def _short_address(host: str) -> IPv4Address | None:
    """Return the IPv4 address that resolvers read in ``127.1`` and ``2130706433``."""
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):  # ValueError: characters outside ASCII
        return None
