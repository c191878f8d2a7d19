"""The URLs that answers name: what the client sees, whatever stands between it and here.

Sources: RFC 7239 ``Forwarded``; ``X-Forwarded-*`` as proxies send it; distribution's ``http.host``
and ``http.relativeurls``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from ..spec.endpoints import Endpoint
from ..spec.routes import build

# RFC 7239 section 4, "forwarded-pair", which may be empty, and what ends it; lenient in what a bare
# value holds.
_PAIR = re.compile(
    r"[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r'=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))[ \t]*)?([;,]|$)'
)
# Anything else in a host could not stand in a URL, or would change what it means.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?")
_USUAL_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Urls:
    """``public``, the registry's own URL (scheme and host), comes before what requests say."""

    public: str | None = None
    relative: bool = False

    def of(self, endpoint: Endpoint, request: Request) -> str:
        """The URL of an endpoint, for a header of the answer to ``request``."""
        path = build(endpoint)
        return path if self.relative else f"{self.base(request)}{path}"

    def host(self, request: Request) -> str:
        """The registry's name as the client writes it: host, and port unless it is usual."""
        return urlsplit(self.base(request)).netloc

    def base(self, request: Request) -> str:
        """The registry's own address as the client sees it, without a slash at the end."""
        if self.public:
            return self.public.rstrip("/")
        return "://".join(_seen_by_client(request))


def host_name(request: Request) -> str:
    """The host that the client asked, without its port."""
    _, host = _seen_by_client(request)
    return urlsplit(f"//{host}").hostname or ""


def _seen_by_client(request: Request) -> tuple[str, str]:
    headers = request.headers
    forwarded = _forwarded(headers.get("forwarded", ""))
    scheme = (forwarded.get("proto") or _first(headers, "x-forwarded-proto")).lower()
    if scheme not in _USUAL_PORTS:
        scheme = request.scope["scheme"]
    host = forwarded.get("host") or _first(headers, "x-forwarded-host")
    if _is_host(host):
        return scheme, _with_port(scheme, host, _first(headers, "x-forwarded-port"))
    host = headers.get("host", "")
    return scheme, host if _is_host(host) else _here(request, scheme)


def _here(request: Request, scheme: str) -> str:
    """The address that the request was sent to, for who does not say it (HTTP/1.0 need not)."""
    address, port = request.scope.get("server") or ("", None)
    host = _with_port(scheme, f"[{address}]" if ":" in address else address, str(port))
    return host if _is_host(host) else "localhost"


def _forwarded(header: str) -> dict[str, str]:
    """The pairs of the first element, which the proxy nearest to the client wrote.

    None of them where it is malformed: what it means is anybody's guess.
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


def _first(headers: Headers, name: str) -> str:
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
    named = host.rpartition("]")[2].partition(":")[2]
    with_port = f"{host}:{port}"
    if named or port == _USUAL_PORTS[scheme] or not _is_host(with_port):
        return host
    return with_port
