"""The proxies that the environment names: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``.

Source: what curl and Go's golang.org/x/net/http/httpproxy agree on. The variables are also read in
lower case, which takes precedence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Self

from yarl import URL

from .addresses import address_of
from .origins import Origin, parse_url

_SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Proxy:
    """A proxy. Its text is without the password that ``url`` may have."""

    url: URL = field(repr=False)

    def __str__(self) -> str:
        return str(Origin.of(self.url))

    __repr__ = __str__


@dataclass(frozen=True)
class Direct:
    """One entry of ``NO_PROXY``."""

    text: str
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        host, colon, port = entry.rpartition(":")
        if colon and port.isdecimal() and "/" not in entry and (":" not in host or "[" in host):
            return cls(host.strip("[]").lower(), int(port))
        return cls(entry.strip("[]").lower())

    def covers(self, origin: Origin) -> bool:
        if self.port not in (None, origin.port):
            return False
        address = address_of(origin.host)
        if address is not None:
            try:
                return address in ip_network(self.text, strict=False)
            except ValueError:
                return self.text == "*"
        name = self.text.removeprefix("*").removeprefix(".")
        return self.text == "*" or (
            bool(name) and (origin.host == name or origin.host.endswith(f".{name}"))
        )


@dataclass(frozen=True)
class Proxies:
    """The proxy for each scheme of a URL, and where none is used."""

    by_scheme: Mapping[str, Proxy] = field(default_factory=dict)
    exceptions: tuple[Direct, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Return what an environment names.

        :raises ValueError: a proxy is not one that can be used; the message says which variable.
        """
        by_scheme = {}
        for scheme in _SCHEMES:
            # httpoxy: as CGI, HTTP_PROXY is a header of whoever sends the request.
            names = [f"{scheme}_proxy"]
            if scheme == "https" or "REQUEST_METHOD" not in environ:
                names.append(f"{scheme.upper()}_PROXY")
            for name in (*names, "all_proxy", "ALL_PROXY"):
                if text := environ.get(name, "").strip():
                    by_scheme[scheme] = _parse(name, text)
                    break
        listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        entries = (entry.strip() for entry in listed.split(","))
        return cls(by_scheme, tuple(Direct.parse(entry) for entry in entries if entry))

    def of(self, origin: Origin) -> Proxy | None:
        """Return the proxy for requests to an origin. What is on loopback never has one."""
        proxy = self.by_scheme.get(origin.scheme)
        if proxy is None or origin.is_loopback:
            return None
        return None if any(entry.covers(origin) for entry in self.exceptions) else proxy

    def has(self, host: str, port: int) -> bool:
        """Return whether one of the proxies is there."""
        origins = (Origin.of(proxy.url) for proxy in self.by_scheme.values())
        return any((origin.host, origin.port) == (host.lower(), port) for origin in origins)


NO_PROXIES = Proxies()


def _parse(name: str, text: str) -> Proxy:
    try:
        url = parse_url(text if "://" in text else f"http://{text}")
        origin = Origin.of(url)
    except ValueError:
        raise ValueError(
            f"{name} is not the URL of an HTTP proxy, such as http://proxy.example.com:3128"
        ) from None
    return Proxy(url if url.explicit_port else url.with_port(origin.port))
