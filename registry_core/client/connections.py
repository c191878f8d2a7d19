"""Connections with a registry and where it sends its clients: one attempt of one request.

aiohttp repeats a request by itself when a kept connection breaks (RFC 9112, section 9.3.1). That is
prevented here, so that it is `retries` alone that decides what is repeated.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientHttpProxyError,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver
from yarl import URL

from .answers import Answer
from .bodies import MakeBody, Outgoing, whole
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


class _Broken(ClientError):
    """A connection broke: ``__cause__`` says how. aiohttp does not repeat a request after this."""


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Send a request, as a middleware of aiohttp, so that it is not repeated there."""
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as error:
        raise _Broken from error


class Connections:
    """Sends requests, each once, over connections that are kept."""

    def __init__(
        self,
        options: ClientOptions,
        destinations: Destinations,
        contexts: Contexts,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Open no connection yet. Needs a running event loop.

        :param resolver: what resolves host names, by default aiohttp's own.
        """
        self._options = options
        self._registry = options.origin
        self._contexts = contexts
        self._resolver = CheckedResolver(destinations, options.proxies, resolver)
        limits = options.timeouts
        self._session = ClientSession(
            # What is open at the same time is bounded by `Session` and by whoever streams.
            connector=TCPConnector(limit=0, resolver=self._resolver, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=ClientTimeout(
                total=None, sock_connect=limits.connect, sock_read=limits.silence
            ),
            middlewares=(_once,),
            read_bufsize=_READ_BUFFER,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()

    async def send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: MakeBody | bytes | None = None,
    ) -> Answer:
        """Send a request and return its answer, whatever its status, with the body to be read.

        :raises AttemptFailed: without an answer; another attempt may get one.
        :raises Unavailable: there will not be one.
        :raises Exception: what the source of the body raised.
        """
        origin = Origin.of(url)
        proxy = self._options.proxies.of(origin)
        limit = asyncio.timeout(None)
        outgoing = self._outgoing(body, limit)
        try:
            async with limit:
                limit.reschedule(asyncio.get_running_loop().time() + self._options.timeouts.answer)
                response = await self._session.request(
                    method,
                    url,
                    headers={**self._automatic, **headers, **_length_of(body)},
                    data=outgoing or body,
                    allow_redirects=False,
                    proxy=proxy.url if proxy else None,
                    ssl=self._context_for(origin),
                )
        except CONNECTION_ERRORS as error:
            if outgoing is not None and outgoing.failure is not None:
                raise outgoing.failure from None
            raise _failed(origin, error, proxy) from None
        finally:
            if outgoing is not None:
                outgoing.answered()
        return Answer.of(response, self._options.timeouts.answer)

    @property
    def _automatic(self) -> Mapping[str, str]:
        return {"User-Agent": self._options.user_agent, "Accept-Encoding": "identity"}

    def _outgoing(self, body: MakeBody | bytes | None, limit: asyncio.Timeout) -> Outgoing | None:
        """Return a body that is sent in slices; None for one that is sent at once."""
        limits = self._options.timeouts
        if callable(body):
            return Outgoing(body(), limit, limits.silence, limits.answer)
        if body is not None and len(body) > _AT_ONCE:
            return Outgoing(whole(body), limit, limits.silence, limits.answer)
        return None

    def _context_for(self, origin: Origin) -> ssl.SSLContext:
        """Return the TLS settings for a host: the client's certificate is for the registry only."""
        if origin.host == self._registry.host:
            return self._contexts.registry
        return self._contexts.others


def _length_of(body: MakeBody | bytes | None) -> Mapping[str, str]:
    """Return the length of a body that is there already. Others are sent in chunks."""
    return {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}


def _failed(origin: Origin, error: Exception, proxy: Proxy | None) -> Exception:
    """Return the error of an attempt: one that another attempt may not meet, if possible."""
    cause = error.__cause__ if isinstance(error, _Broken) else error
    described = describe_failure(origin, cause if isinstance(cause, Exception) else error, proxy)
    if isinstance(error, ClientSSLError) or _is_refused(error):
        return described  # neither a certificate nor a rule changes by trying again
    unsent = isinstance(error, ClientConnectorError | ConnectionTimeoutError | ClientHttpProxyError)
    return AttemptFailed(described, sent=not unsent, is_slow=isinstance(error, TimeoutError))


def _is_refused(error: Exception) -> bool:
    """Return whether a proxy does not allow the connection."""
    return isinstance(error, ClientHttpProxyError) and error.status < 500
