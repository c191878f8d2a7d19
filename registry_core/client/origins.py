"""Origins of URLs, and URLs exactly as they are requested.

URLs are parsed once, by what sends the requests as well, so that no check sees another host than
the one that a request goes to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from yarl import URL

from .addresses import Reach, address_of

_PORTS = {"http": 80, "https": 443}
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True)
class Origin:
    """The scheme, host and port of a URL: what credentials belong to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: URL) -> Self:
        """:raises ValueError: the URL has no host, or another scheme than http and https."""
        host = (url.raw_host or "").lower().rstrip(".")
        if url.scheme not in _PORTS or not host:
            raise ValueError("is not a URL with http or https and a host")
        return cls(url.scheme, host, url.port or _PORTS[url.scheme])

    @classmethod
    def of_registry(cls, text: str) -> Self:
        """:raises ValueError: the text is not the URL of a registry."""
        try:
            url = parse_url(text)
            origin = cls.of(url)
        except ValueError:
            raise ValueError(
                f"{text[:160]!r} is not the URL of a registry, such as https://registry.example.com"
            ) from None
        if url.raw_user is not None or url.raw_password is not None:
            raise ValueError(f"the URL of {origin} has a user name; log in to the registry instead")
        if url.raw_path not in ("", "/") or url.raw_query_string or url.raw_fragment:
            raise ValueError(f"the URL of a registry ends with its host or port: {origin}")
        return origin

    @property
    def url(self) -> URL:
        return URL(str(self), encoded=True)

    @property
    def authority(self) -> str:
        """The host, with the port if it is unusual."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return is_loopback_host(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def is_loopback_host(host: str) -> bool:
    """Return whether a host is written as one on this machine."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = address_of(name)
    return address is not None and Reach.of(address) is Reach.LOOPBACK


def parse_url(text: str) -> URL:
    """Return a URL with everything as it was written: a signature covers that.

    :raises ValueError: it is malformed. The message does not quote it.
    """
    encoded = quote(text.strip(), safe=_PRINTABLE)
    try:
        url = URL(encoded, encoded=True)
        _, _ = url.port, url.host
    except (ValueError, UnicodeError):
        raise ValueError("is not a valid URL") from None
    return url
