"""URLs that can be fetched without anybody on the way altering the answer."""

from __future__ import annotations

from ipaddress import ip_address
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
