"""Connections with a registry and where it sends its clients: one attempt of one request.

aiohttp repeats a request by itself when a kept connection breaks (RFC 9112, section 9.3.1). That is
prevented here, so that it is `retries` alone that decides what is repeated.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientProxyConnectionError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
)
from yarl import URL

from .bodies import MakeBody, watched, whole
from .destinations import CheckedResolver, Destinations
from .errors import AttemptFailed
from .failures import CONNECTION_ERRORS, describe_failure
from .options import ClientOptions
from .origins import Origin
from .proxies import Proxy
from .tls import Contexts

# Bytes of a body that aiohttp may write in one piece.
_AT_ONCE = 2**20

_READ_BUFFER = 256 * 2**10
_KEEP_ALIVE = 30.0


class _SentAgain(ClientError):
    """aiohttp began to repeat a request by itself."""


@dataclass
class _Attempt:
    connections: int = 0


class Connections:
    """Sends requests, each once, over connections that are kept."""

    def __init__(
        self, options: ClientOptions, destinations: Destinations, contexts: Contexts
    ) -> None:
        self._options = options
        self._registry = options.origin
        self._contexts = contexts
        resolver = CheckedResolver(destinations, options.proxies)
        self._resolver = resolver
        trace = TraceConfig()
        trace.on_connection_reuseconn.append(_count)
        trace.on_connection_create_start.append(_count)
        limits = options.timeouts
        self._session = ClientSession(
            # What is open at the same time is bounded by `Session` and by whoever streams.
            connector=TCPConnector(limit=0, resolver=resolver, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=ClientTimeout(
                total=None, sock_connect=limits.connect, sock_read=limits.silence
            ),
            trace_configs=[trace],
            read_bufsize=_READ_BUFFER,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: MakeBody | bytes | None = None,
    ) -> AsyncGenerator[ClientResponse]:
        """Send a request and return its answer, whatever its status, with the body to be read.

        :raises AttemptFailed: there is no answer, and another attempt may get one.
        :raises Unavailable: there will not be one.
        """
        response = await self._send(method, url, headers, body)
        try:
            yield response
        finally:
            response.release()

    async def _send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: MakeBody | bytes | None,
    ) -> ClientResponse:
        origin = Origin.of(url)
        proxy = self._options.proxies.of(origin)
        attempt = _Attempt()
        try:
            async with asyncio.timeout(None) as limit:
                return await self._session.request(
                    method,
                    url,
                    headers={**self._automatic, **headers, **_length_of(body)},
                    data=self._payload(body, limit),
                    allow_redirects=False,
                    proxy=proxy.url if proxy else None,
                    ssl=self._context_for(origin),
                    trace_request_ctx=attempt,
                )
        except CONNECTION_ERRORS as error:
            raise _failed(origin, error, proxy, attempt) from None

    @property
    def _automatic(self) -> Mapping[str, str]:
        return {"User-Agent": self._options.user_agent, "Accept-Encoding": "identity"}

    def _payload(self, body: MakeBody | bytes | None, limit: asyncio.Timeout) -> Any:
        """Return a body as aiohttp takes it, and limit the time of sending it and of the answer."""
        limits = self._options.timeouts
        if callable(body):
            return watched(body(), limit, silence=limits.silence, answer=limits.answer)
        if body is not None and len(body) > _AT_ONCE:
            return watched(whole(body), limit, silence=limits.silence, answer=limits.answer)
        limit.reschedule(asyncio.get_running_loop().time() + limits.answer)
        return body

    def _context_for(self, origin: Origin) -> ssl.SSLContext:
        """Return the TLS settings for a host: the client's certificate is for the registry only."""
        if origin.host == self._registry.host:
            return self._contexts.registry
        return self._contexts.others


def _length_of(body: MakeBody | bytes | None) -> Mapping[str, str]:
    """Return the length of a body that is there already. Others are sent in chunks."""
    return {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}


def _failed(origin: Origin, error: Exception, proxy: Proxy | None, attempt: _Attempt) -> Exception:
    described = describe_failure(origin, error, proxy)
    if isinstance(error, ClientProxyConnectionError | ConnectionTimeoutError):
        return AttemptFailed(described, sent=False)
    if isinstance(error, ClientConnectorError):
        # A certificate does not become valid by trying again.
        return described if _is_tls(error) else AttemptFailed(described, sent=False)
    return AttemptFailed(described, sent=attempt.connections > 0)


def _is_tls(error: ClientConnectorError) -> bool:
    return isinstance(error.os_error, ssl.SSLError)


async def _count(_session: ClientSession, context: SimpleNamespace, _parameters: object) -> None:
    """Count the connections of an attempt, and end it where aiohttp begins another one."""
    attempt: _Attempt = context.trace_request_ctx
    if attempt.connections:
        raise _SentAgain("the connection broke")
    attempt.connections += 1
