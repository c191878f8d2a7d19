"""Whom to believe about ``X-Forwarded-*`` and ``Forwarded``: proxies on this machine, nobody else.

In Azure the Functions host writes these headers itself, so the registry trusts what it reads there.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_LOOPBACK = ["127.0.0.0/8", "::1", "::ffff:127.0.0.0/104"]


class ForwardedFromLoopback:
    """ASGI middleware: a local proxy's word gives client and scheme; anybody else's is dropped."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._proxied = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, app), _LOOPBACK))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A unix socket has no client address, but only this machine can reach it.
        client = scope.get("client") or ("127.0.0.1", 0)
        if is_loopback(client[0]):
            await self._proxied({**scope, "client": client}, receive, send)
        else:
            headers = [(n, v) for n, v in scope["headers"] if not _is_forwarded(n)]
            await self._app({**scope, "headers": headers}, receive, send)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach, or be, ``address`` (IPv4, or IPv6 with IPv4 inside)."""
    parsed = ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _is_forwarded(name: bytes) -> bool:
    return name.lower() == b"forwarded" or name.lower().startswith(b"x-forwarded-")
