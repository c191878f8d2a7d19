"""The HTTP session with storage: long-lived connections, on which every request sent is counted.

aiohttp repeats a request once by itself when a kept connection breaks (RFC 9112, section 9.3.1): a
request counts where its headers are sent, so that an answer lost there is noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohttp import (
    BaseConnector,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
    TraceRequestHeadersSentParams,
)

from ...observe import count_storage_call
from ..interface import Buffer
from .limits import KIB, MIB

MakeConnector = Callable[[], BaseConnector]

# Seconds. Storage keeps idle connections for longer, and closes them visibly.
_KEEP_ALIVE = 60.0
_DNS_CACHE = 60

_READ_BUFFER = 256 * KIB
_SLICE = 256 * KIB
_PARSED_AT_ONCE = 64 * KIB

# What aiohttp would add by itself is not covered by a signature.
_NOT_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass
class Attempts:
    """The requests that an operation has sent."""

    sent: int = 0
    answer_lost: bool = False
    """Whether one of them may have been executed although its answer did not arrive."""


class Body:
    """A large body, sent in slices without a copy, from the beginning for each attempt.

    In one piece, or without a turn for other requests in between, it would hold the event loop.
    """

    def __init__(self, content: Buffer) -> None:
        self._content = memoryview(content).cast("B")

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for start in range(0, len(self._content), _SLICE):
            yield self._content[start : start + _SLICE]
            await asyncio.sleep(0)


def make_connector() -> BaseConnector:
    """Return what connects to storage. Needs a running event loop."""
    return TCPConnector(keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=_DNS_CACHE)


def open_session(service_url: str, connector: BaseConnector) -> ClientSession:
    """Return a session that sends requests as they are, through the environment's proxy if any.

    Each request has an `Attempts` as its ``trace_request_ctx``. Needs a running event loop.
    """
    trace = TraceConfig()
    trace.on_request_headers_sent.append(_count)
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_NOT_AUTOMATIC,
        trace_configs=[trace],
        read_bufsize=_READ_BUFFER,
        proxy=_proxy_of(service_url),
    )


async def read_slices(response: ClientResponse) -> AsyncIterator[bytes]:
    """Yield a body as it arrives, in pieces whose computation takes a millisecond or so.

    Other tasks run between two of them.
    """
    async for chunk in response.content.iter_any():
        for start in range(0, len(chunk), _PARSED_AT_ONCE):
            yield chunk[start : start + _PARSED_AT_ONCE]
            await asyncio.sleep(0)


def payload(body: Buffer) -> bytes | Body | None:
    """Return a body as aiohttp takes it."""
    size = memoryview(body).nbytes
    if size > MIB:
        return Body(body)
    return bytes(body) if size else None


def timeouts(*, connect: float, silence: float) -> ClientTimeout:
    """Return time limits in seconds: to connect, and without a byte from storage."""
    return ClientTimeout(total=None, sock_connect=connect, sock_read=silence)


def _proxy_of(service_url: str) -> str | None:
    """Return the proxy that the environment has for a server. Slow, so called once per session."""
    parts = urlsplit(service_url)
    if proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


async def _count(
    _session: ClientSession, context: SimpleNamespace, _request: TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx.sent += 1
    count_storage_call()
