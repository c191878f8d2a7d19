"""The maximum requests per second of a server, for one repeated request.

The request is encoded once, and answers are parsed only as far as needed to find their end, so that
the client leaves the CPU to the server.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from .connection import Unexpected

START_SECONDS = 20.0
DRAIN_SECONDS = 60.0

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)


@dataclass(frozen=True)
class Probe:
    """A repeatable request and its expected statuses."""

    url: str
    """Scheme, host and port; the rest is ignored."""
    method: str
    target: str
    expect: Collection[int]
    accept: str = "*/*"

    def encoded(self) -> bytes:
        """Return the bytes of the request."""
        host = urlsplit(self.url).netloc
        return (
            f"{self.method} {self.target} HTTP/1.1\r\nHost: {host}\r\nAccept: {self.accept}\r\n\r\n"
        ).encode()


def requests_per_second(probe: Probe, concurrency: int, seconds: float) -> float:
    """Send `probe` over `concurrency` connections for `seconds`, one request at a time each.

    :raises Unexpected: when an answer has another status, or a connection breaks.
    :raises OSError: when no connection can be made.
    """
    return asyncio.run(_run(probe, concurrency, seconds))


async def _run(probe: Probe, concurrency: int, seconds: float) -> float:
    parts = urlsplit(probe.url)
    secure = ssl.create_default_context() if parts.scheme == "https" else None
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    loop = asyncio.get_running_loop()
    repeaters: list[_Repeater] = []
    try:
        async with asyncio.timeout(START_SECONDS):
            for _ in range(concurrency):
                _, repeater = await loop.create_connection(
                    lambda: _Repeater(probe), host, port, ssl=secure
                )
                repeaters.append(repeater)
        started = time.perf_counter()
        for repeater in repeaters:
            repeater.start(started + seconds)
        async with asyncio.timeout(seconds + DRAIN_SECONDS):
            counts = await asyncio.gather(*(repeater.finished for repeater in repeaters))
        return sum(counts) / (time.perf_counter() - started)
    finally:
        for repeater in repeaters:
            repeater.close()


class _Repeater(asyncio.Protocol):
    """One connection. `finished` is the number of answers, when the time is over."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._request = probe.encoded()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answers = 0
        self._until = 0.0
        self.finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def start(self, until: float) -> None:
        """Send the first request; repeat until `time.perf_counter()` reaches `until`."""
        self._until = until
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        status = _STATUS.match(head)
        if status is None or int(status[1]) not in self._probe.expect:
            self._fail(f"answered {head[:200]!r} {body[:200]!r}")
        elif self._is_whole(head, body):
            self._next()

    def _is_whole(self, head: bytes, body: bytes) -> bool:
        if self._probe.method == "HEAD":
            return True
        if length := _LENGTH.search(head):
            return len(body) >= int(length[1])
        if _CHUNKED.search(head):
            return body.endswith(b"0\r\n\r\n")
        self._fail("answered without a length")
        return False

    def _next(self) -> None:
        self._received = b""
        self._answers += 1
        if time.perf_counter() < self._until:
            self._send()
        elif not self.finished.done():
            self.finished.set_result(self._answers)

    def _send(self) -> None:
        assert self._transport is not None
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"broke off after {self._answers} answers: {exc or 'closed by the server'}")

    def _fail(self, what: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(
                Unexpected(f"{self._probe.method} {self._probe.target[:200]} {what}")
            )

    def close(self) -> None:
        """Close the connection and ignore its failure."""
        self.finished.cancel()
        if self._transport is not None:
            self._transport.close()
