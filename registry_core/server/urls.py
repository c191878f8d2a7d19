"""URLs in answers: as the client sees the registry, whatever proxies stand in between.

Sources: RFC 7239 ``Forwarded``; ``X-Forwarded-*`` as proxies send it; distribution's ``http.host``
and ``http.relativeurls``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import urlsplit

from starlette.requests import Request

from ..spec.endpoints import Endpoint
from ..spec.routes import build

# RFC 7239 section 4, "forwarded-pair", which may be empty, and its end. An unquoted value may have
# any characters except separators and quotes.
_PAIR = re.compile(
    r"[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r'=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))[ \t]*)?([;,]|$)'
)
# Other characters in a host would be invalid in a URL, or change its meaning.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?")
_USUAL_PORTS = {"http": "80", "https": "443"}
_LOOPBACK = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}

FORWARDED_HEADERS = frozenset(
    {"forwarded", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"}
)
"""The headers in which proxies say how the client sees the registry."""


@dataclass(frozen=True)
class Urls:
    """Makes the URLs of endpoints.

    ``public`` is the registry's own URL (scheme and host); it overrides what requests say.
    ``relative``: leave scheme and host out of headers. ``trusted``: those of `FORWARDED_HEADERS`
    that the proxy in front of the registry writes; the others would be the client's own, and are
    not read.
    """

    public: str | None = None
    relative: bool = False
    trusted: Collection[str] = FORWARDED_HEADERS

    def of(self, endpoint: Endpoint, request: Request) -> str:
        """Return the URL of an endpoint, for a header of the answer to ``request``."""
        path = build(endpoint)
        return path if self.relative else f"{self.base(request)}{path}"

    def host(self, request: Request) -> str:
        """Return the registry's host as the client writes it: with the port unless it is usual."""
        return urlsplit(self.base(request)).netloc

    def base(self, request: Request) -> str:
        """Return the registry's URL as the client sees it, without a slash at the end."""
        if self.public:
            return self.public.rstrip("/")
        return "://".join(self._scheme_and_host(request))

    def host_name(self, request: Request) -> str:
        """Return the host that the client sent the request to, without the port."""
        _, host = self._scheme_and_host(request)
        return urlsplit(f"//{host}").hostname or ""

    def _scheme_and_host(self, request: Request) -> tuple[str, str]:
        """Return the scheme and the host, with its port, that the client used."""
        headers = {name: request.headers[name] for name in self.trusted if name in request.headers}
        forwarded = _forwarded(headers.get("forwarded", ""))
        scheme = (forwarded.get("proto") or _first(headers, "x-forwarded-proto")).lower()
        if scheme not in _USUAL_PORTS:
            scheme = request.scope["scheme"]
        host = forwarded.get("host") or _first(headers, "x-forwarded-host")
        if _is_host(host):
            return scheme, _with_port(scheme, host, _first(headers, "x-forwarded-port"))
        host = request.headers.get("host", "")
        return scheme, host if _is_host(host) else _server_address(request, scheme)


def under_other_name(url: str, host: str) -> str:
    """Return the URL under another name than ``host``, which the client uses for the registry.

    Go's clients forward ``Authorization`` to the same host name whatever the port, and storage
    refuses a signed URL with a foreign ``Authorization`` beside it. Only on loopback can the names
    be the same.
    """
    parts = urlsplit(url)
    other = _LOOPBACK.get(host)
    if other is None or parts.hostname != host:
        return url
    return parts._replace(netloc=f"{other}:{parts.port}" if parts.port else other).geturl()


def _server_address(request: Request, scheme: str) -> str:
    """Return the server's own address, for requests without ``Host`` (HTTP/1.0)."""
    address, port = request.scope.get("server") or ("", None)
    host = _with_port(scheme, f"[{address}]" if ":" in address else address, str(port))
    return host if _is_host(host) else "localhost"


def _forwarded(header: str) -> dict[str, str]:
    """Return the pairs of the first element, which the proxy nearest to the client wrote.

    A malformed element has none: it would be a guess what it means.
    """
    pairs: dict[str, str] = {}
    position = 0
    while match := _PAIR.match(header, position):
        name, quoted, bare, end = match.groups()
        if name:
            value = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            pairs.setdefault(name.lower(), value)
        if end != ";":
            return pairs
        position = match.end()
    return {}


def _first(headers: Mapping[str, str], name: str) -> str:
    """Return the first of a header's comma-separated values; empty if it is absent."""
    return headers.get(name, "").partition(",")[0].strip()


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    if match is None:
        return False
    ipv6, port = match.groups()
    try:
        return (ipv6 is None or bool(IPv6Address(ipv6))) and int(port or 0) < 2**16
    except AddressValueError:
        return False


def _with_port(scheme: str, host: str, port: str) -> str:
    """Return the host with the port, unless it has one, or the port is usual or invalid."""
    own_port = host.rpartition("]")[2].partition(":")[2]
    with_port = f"{host}:{port}"
    if own_port or port == _USUAL_PORTS[scheme] or not _is_host(with_port):
        return host
    return with_port
