"""The URLs that answers name: what the client sees, whatever stands between it and here.

Sources: RFC 7239 ``Forwarded``; ``X-Forwarded-*`` as proxies send it; distribution's ``http.host``
and ``http.relativeurls``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from ..spec.endpoints import Endpoint, build

_PAIR = re.compile(r'(?i:(host|proto))\s*=\s*(?:"([^"]*)"|([^\s;,"]+))')
# Anything else in a host could not stand in a URL, or would change what it means.
_HOST = re.compile(r"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Urls:
    """``public``, the registry's own URL (scheme and host), comes before what requests say."""

    public: str | None = None
    relative: bool = False

    def of(self, endpoint: Endpoint, request: Request) -> str:
        """The URL of an endpoint, for a header of the answer to ``request``."""
        path = build(endpoint)
        return path if self.relative else f"{self._base(request)}{path}"

    def host(self, request: Request) -> str:
        """The registry's name as the client writes it: host, and port unless it is usual."""
        return urlsplit(self._base(request)).netloc

    def _base(self, request: Request) -> str:
        if self.public:
            return self.public.rstrip("/")
        return "://".join(_seen_by_client(request))


def host_name(request: Request) -> str:
    """The host that the client asked, without its port."""
    _, host = _seen_by_client(request)
    return urlsplit(f"//{host}").hostname or ""


def _seen_by_client(request: Request) -> tuple[str, str]:
    headers = request.headers
    forwarded = _forwarded(headers)
    scheme = forwarded.get("proto") or _first(headers, "x-forwarded-proto")
    host = forwarded.get("host") or _first(headers, "x-forwarded-host")
    port = _first(headers, "x-forwarded-port")
    if scheme.lower() not in _SCHEMES:
        scheme = request.url.scheme
    if not _HOST.fullmatch(host):
        host, port = headers.get("host", ""), ""
    if not _HOST.fullmatch(host):
        host = "localhost"
    return scheme.lower(), _with_port(scheme.lower(), host, port)


def _forwarded(headers: Headers) -> dict[str, str]:
    first = headers.get("forwarded", "").partition(",")[0]
    return {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(first)}


def _first(headers: Headers, name: str) -> str:
    return headers.get(name, "").partition(",")[0].strip()


def _with_port(scheme: str, host: str, port: str) -> str:
    usual = {"http": "80", "https": "443"}[scheme]
    named = host.rpartition("]")[2].partition(":")[2]
    if named or not port.isdecimal() or port == usual:
        return host
    return f"{host}:{port}"
