"""The body of a request on its way through the host.

The host first reads a body that has a `Content-Length` whole, into memory and then a temporary
file, before it forwards the request; a chunked body is streamed. Source:
`HttpTriggerAttributeBindingProvider.IsRequestPayloadReadable` (Azure/azure-webjobs-sdk-extensions).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import IO, Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_MEMORY = 1 << 20  # how much of a body that is read whole is kept in memory
_PIECE = 1 << 16


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


class BodyTooLarge(Exception):
    """The body is larger than FUNCTIONS_REQUEST_BODY_SIZE_LIMIT."""


class RequestBody:
    """The body of one request. Nothing else calls ASGI's `receive`."""

    def __init__(self, headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._length = int(headers.get(b"content-length", b"0"))
        self._chunked = b"transfer-encoding" in headers
        self._whole: IO[bytes] | None = None
        self._received = asyncio.Event()  # only a disconnect can follow
        self.failure: Exception | None = None

    async def prepare(self) -> None:
        """Read a body of known length whole. :raises ClientGone, BodyTooLarge:"""
        if self._length > self._limit:
            raise BodyTooLarge
        if not self._chunked and self._length:
            self._whole = tempfile.SpooledTemporaryFile(_MEMORY)  # noqa: SIM115 - closed in close()
            async for chunk in self._stream():
                self._whole.write(chunk)
        elif not self._chunked:
            self._received.set()

    def chunks(self) -> AsyncIterator[bytes] | None:
        """Return what is sent to the worker; None for a request without a body.

        Reading a streamed body may raise ClientGone or BodyTooLarge, which `failure` then holds.
        """
        if self._whole is not None:
            return self._replay(self._whole)
        return self._stream() if self._chunked else None

    @property
    def is_received(self) -> bool:
        """Whether the client has sent the whole body."""
        return self._received.is_set()

    async def until_gone(self) -> None:
        """Wait until the client closes its connection, which is noticed after the body only."""
        await self._received.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def close(self) -> None:
        """Remove the buffered body."""
        if self._whole is not None:
            self._whole.close()

    async def _stream(self) -> AsyncIterator[bytes]:
        received = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise self._failed(ClientGone())
            chunk: bytes = message.get("body", b"")
            received += len(chunk)
            if received > self._limit:
                raise self._failed(BodyTooLarge())
            more = message.get("more_body", False)
            if chunk:
                yield chunk
        self._received.set()

    @staticmethod
    async def _replay(whole: IO[bytes]) -> AsyncIterator[bytes]:
        whole.seek(0)
        while piece := whole.read(_PIECE):
            yield piece

    def _failed(self, failure: Exception) -> Exception:
        self.failure = failure
        return failure
