"""The head of a request before the host selects its function. Pure.

Sources: `KestrelServerLimits`, whose defaults the host leaves (dotnet/aspnetcore);
`AppServiceHeaderFixupMiddleware`, which is there on Flex Consumption (Azure/azure-functions-host).
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

_LINE = 8 * 1024
_HEADERS, _HEADERS_SIZE = 100, 32 * 1024

Headers = Iterable[tuple[bytes, bytes]]


def refusal(scope: MutableMapping[str, Any]) -> int:
    """Return the status with which Kestrel itself refuses a head, or 0."""
    target = scope["raw_path"] + (b"?" if scope["query_string"] else b"") + scope["query_string"]
    if len(f"{scope['method']}  HTTP/1.1\r\n") + len(target) > _LINE:
        return 414
    headers = list(scope["headers"])
    size = sum(len(name) + len(": \r\n") + len(value) for name, value in headers)
    return 431 if len(headers) > _HEADERS or size > _HEADERS_SIZE else 0


def apply_front_end_headers(scope: MutableMapping[str, Any]) -> None:
    """Set host and scheme from the headers of Azure's front ends, which terminate TLS."""
    disguised = _first(scope["headers"], b"disguised-host")
    if disguised:
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", disguised), *others]
    scheme = _first(scope["headers"], b"x-forwarded-proto")
    if scheme:
        scope["scheme"] = scheme.decode("latin-1")


def _first(headers: Headers, name: bytes) -> bytes:
    return next((value for found, value in headers if found == name), b"")
